"""The rules that are data: one TOML table each. Adding a framework is one entry and one sample."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(name: str) -> dict[str, Any]:
    """The rules of `name`.toml beside this file."""
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text("utf-8"))
