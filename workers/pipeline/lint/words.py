"""Kinds and values of a file in words."""

from __future__ import annotations

from typing import Any, Final

from workers.pipeline.lint.findings import quoted

_KINDS: Final = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true`, `false`",
    "null": "nothing",
}


def kinds(types: Any) -> str:
    """JSON types in words: `text, a list or nothing`."""
    names = [types] if isinstance(types, str) else [str(t) for t in types]
    words = [_KINDS.get(name, name) for name in names]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def shown(value: Any) -> str:
    """A value of the file, or its kind where it is a container or empty."""
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    return quoted(value, 60) if value != "" else "empty text"
