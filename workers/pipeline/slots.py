"""Slots: the places of a template that a repository fills, and the grammar of each kind.

A slot is written `$[[ name ]]`, as GitLab writes its own inputs. Repository text and model output
enter a pipeline through slots and nowhere else, so a kind's grammar is the whole of what they may
say. No kind admits a quote, a dollar, a backslash, white space other than single blanks in commands
and lists of packages or variables, or a character outside ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from workers.pipeline import commands

Kind = Literal[
    "version",
    "command",
    "path",
    "folder",
    "package",
    "port",
    "module",
    "name",
    "class",
    "choice",
    "pin",
    "assembly",
    "application",
    "packages",
    "environment",
]

SLOT = re.compile(r"\$\[\[ ([a-z][a-z0-9_]*) \]\]")
"""Exactly one blank on each side: one way to write it keeps templates searchable."""

MAX_LENGTH = 200

_GRAMMAR: Mapping[str, re.Pattern[str]] = {
    "version": re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){0,3}"),
    "path": re.compile(r"[A-Za-z0-9_.@][A-Za-z0-9_.@+-]*(?:/[A-Za-z0-9_.@+-]+)*"),
    "folder": re.compile(r"\.|[A-Za-z0-9_@][A-Za-z0-9_.@+-]*(?:/[A-Za-z0-9_@][A-Za-z0-9_.@+-]*)*"),
    "package": re.compile(r"\.(?:/[A-Za-z0-9_@][A-Za-z0-9_.@+-]*)*"),
    "port": re.compile(r"[1-9][0-9]{0,4}"),
    "module": re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?::[A-Za-z_]\w*)?", re.ASCII),
    "assembly": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*"),
    "application": re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII),
    "name": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*"),
    "class": re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII),
    "pin": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:==|@)[0-9][0-9.]*"),
    "packages": re.compile(
        r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?: [a-z][a-z0-9]*(?:-[a-z0-9]+)*){0,15}"
    ),
    "environment": re.compile(
        r"[A-Z][A-Z0-9_]*=[A-Za-z0-9_./:,-]+(?: [A-Z][A-Z0-9_]*=[A-Za-z0-9_./:,-]+){0,9}"
    ),
    "choice": re.compile(r"[a-z0-9][a-z0-9.-]*"),
}


def accepts(kind: str, value: str, ecosystem: str | None) -> bool:
    """Whether `value` is of the grammar of `kind`; commands also by the ecosystem's tools."""
    if not value or len(value) > MAX_LENGTH:
        return False
    if kind == "command":
        return commands.refusal(value, ecosystem) is None
    pattern = _GRAMMAR.get(kind)
    if pattern is None or not pattern.fullmatch(value):
        return False
    if kind == "port":
        return int(value) <= 65535
    return kind not in ("path", "folder", "package") or ".." not in value.split("/")


def normalize(kind: str, value: str) -> str:
    """`value` as its kind writes it: `./cmd/api/main.go` is the path `cmd/api/main.go`."""
    text = value.strip()
    if kind == "path":
        return text.removeprefix("./").rstrip("/")
    if kind in ("folder", "package"):
        path = PurePosixPath(text)
        folder = str(path.parent if path.suffix else path)
        return folder if kind == "folder" or folder == "." else f"./{folder}"
    if kind == "assembly":
        return PurePosixPath(text).stem
    if kind == "module":
        return _module(text)
    if kind == "application":
        name = _module(text)
        return name if ":" in name else f"{name}:app"  # the name that tutorials and people use
    if kind == "command":
        # Flags behind a bare script name would be pnpm's own; behind `run` they are the script's.
        return re.sub(r"^pnpm (?=(?:test|start|build|lint)\b)", "pnpm run ", text)
    return text


def _module(text: str) -> str:
    """The dotted name of a Python file; a dotted name stays. A leading `src/` is no package."""
    path, _, attribute = text.partition(":")
    if path.endswith(".py"):
        parts = PurePosixPath(path.removeprefix("./")).with_suffix("").parts
        parts = parts[1:] if parts[:1] == ("src",) else parts
        parts = parts[:-1] if parts[-1:] == ("__main__",) and len(parts) > 1 else parts
        path = ".".join(parts)
    return f"{path}:{attribute}" if attribute else path


def names(text: str) -> Iterator[str]:
    """The slots that `text` holds, in order."""
    return (match.group(1) for match in SLOT.finditer(text))


def under(text: str, prefix: str) -> str:
    """`text` with `prefix` before the name of every slot."""
    return SLOT.sub(lambda match: f"$[[ {prefix}{match.group(1)} ]]", text)


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with every slot replaced. Raises KeyError for a slot that has no value."""
    return SLOT.sub(lambda match: values[match.group(1)], text)


def fill_all(node: Any, values: Mapping[str, str]) -> Any:
    """`node` with the slots of all its texts filled; the names of mappings stay."""
    return each(node, lambda text: fill(text, values))


def each(node: Any, change: Callable[[str], str]) -> Any:
    """`node`, of dictionaries, lists and texts, with every text changed."""
    if isinstance(node, str):
        return change(node)
    if isinstance(node, dict):
        return {key: each(value, change) for key, value in node.items()}
    return [each(item, change) for item in node] if isinstance(node, list | tuple) else node
