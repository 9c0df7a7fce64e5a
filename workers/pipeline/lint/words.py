"""Kinds and values of a file in words."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

from workers.pipeline.lint.findings import clip, quoted

_KINDS: Final = {
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
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


def form_fix(wanted: Collection[str], instance: Any) -> str:
    """How a value of the wrong kind is made one of the kinds in `wanted`; empty if none is near."""
    if isinstance(instance, (bool, int, float)) and "string" in wanted:
        return f'quote it: "{clip(json.dumps(instance), 40)}"'
    if isinstance(instance, str):
        if {"integer", "number"} & set(wanted) and instance.isdigit():
            return f"write it without quotes: {clip(instance, 40)}"
        if "array" in wanted:
            return f"write it as a list: [{clip(instance, 60)}]"
        if "boolean" in wanted:
            return "write true or false, without quotes"
    if isinstance(instance, (bool, int, float)) and "array" in wanted:
        return f"write it as a list: [{clip(json.dumps(instance), 40)}]"
    if isinstance(instance, dict) and instance and "string" in wanted and "object" not in wanted:
        return "quote the text: a `: ` in it makes YAML read a mapping"
    return ""
