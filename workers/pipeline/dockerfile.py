"""The text of a generated Dockerfile."""

from __future__ import annotations

import json


def assemble(text: str, entrypoint: tuple[str, ...]) -> str:
    """A template's text with its last lines: the port, dropped where unknown, and the program."""
    if not entrypoint:
        return text
    return f"{text.rstrip()}\nEXPOSE $[[ port ]]\nENTRYPOINT {json.dumps(entrypoint)}\n"
