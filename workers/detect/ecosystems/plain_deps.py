"""Declared dependencies by rule: tables of TOML, JSON and YAML, or lines without their comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from workers.detect.found import Folder


class Declares(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where dependencies stand in one kind of file."""

    file: str
    format: Literal["toml", "json", "yaml", "lines"]
    tables: tuple[str, ...] = ()
    dev: tuple[str, ...] = ()
    pattern: str = ""
    dev_pattern: str = ""


def declared(
    folder: Folder, rules: Iterable[Declares], comment: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Names for running and for development, each to the file (from the root) that declares it."""
    run: dict[str, str] = {}
    dev: dict[str, str] = {}
    for rule in rules:
        for file in _files(folder, rule.file):
            for name in _names(folder, file, rule, rule.tables, rule.pattern, comment):
                run.setdefault(name, folder.full(file))
            for name in _names(folder, file, rule, rule.dev, rule.dev_pattern, comment):
                dev.setdefault(name, folder.full(file))
    return run, dev


def _files(folder: Folder, pattern: str) -> list[str]:
    if "*" in pattern:
        return [name for name in folder.names if fnmatchcase(name, pattern)][:1]
    return [pattern] if folder.has(pattern) else []


def _names(
    folder: Folder,
    file: str,
    rule: Declares,
    tables: tuple[str, ...],
    pattern: str,
    comment: str,
) -> Iterator[str]:
    if rule.format == "lines":
        text = folder.text(file, rank=0) or ""
        bare = re.sub(comment, "", text) if comment else text
        if pattern:
            yield from (name for name in re.findall(pattern, bare) if name)
            # Swift's packages are compared without case
            yield from (name.lower() for name in re.findall(pattern, bare) if name.lower() != name)
        return
    reader = {"toml": folder.toml, "json": folder.json, "yaml": folder.yaml}[rule.format]
    data = reader(file, 0)
    for dotted in tables:
        value = _inner(data, dotted)
        for name, about in (value if isinstance(value, dict) else {}).items():
            # Cargo renames by `package`: the name on the left is only the program's own
            package = about.get("package") if isinstance(about, dict) else None
            yield package if isinstance(package, str) else str(name)


def _inner(data: Any, dotted: str) -> Any:
    for key in dotted.split("."):
        data = data.get(key) if isinstance(data, dict) else None
    return data
