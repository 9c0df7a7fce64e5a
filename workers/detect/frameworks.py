"""Which framework: one table of declared dependencies, and which framework stands above which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache

import msgspec

from workers.detect.found import Folder, Found
from workers.detect.rules import table


class Framework(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of frameworks.toml; the file's head says what each field means."""

    name: str = ""
    dependencies: tuple[str, ...] = ()
    dev: bool = False
    script: str = ""
    beside: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    both: bool = False
    over: tuple[str, ...] = ()
    under: tuple[str, ...] = ()
    rank: int = 50
    kind: str = "server"
    port: int | None = None


@cache
def frameworks(ecosystem: str) -> tuple[Framework, ...]:
    """The entries of one ecosystem, in the table's order."""
    entries = msgspec.convert(table("frameworks").get(ecosystem, {}), dict[str, Framework])
    return tuple(msgspec.structs.replace(entry, name=name) for name, entry in entries.items())


@cache
def known_words() -> frozenset[str]:
    """Every dependency the table names: what may be told of a repository to others."""
    rules = table("frameworks").values()
    return frozenset(d for entries in rules for e in entries.values() for d in e["dependencies"])


def set_framework(
    found: Found,
    folder: Folder,
    run: Mapping[str, str],
    dev: Iterable[str] = (),
    scripts: str = "",
) -> None:
    """Sets framework, kind and port. `run` maps declared names to the file that declares them."""
    chosen = choose(found.ecosystem, folder, run, dev, scripts)
    if chosen is None:
        return
    framework, cause = chosen
    declared = run.get(cause) or found.dependencies.get(cause)
    file = declared or folder.full(cause)
    line = _line(folder, file[len(folder.path) :].lstrip("/"), cause) if declared else 0
    found.set("framework", framework.name, file, line)
    found.kind = framework.kind
    found.set("port", framework.port, file, line)


def choose(
    ecosystem: str,
    folder: Folder,
    run: Mapping[str, str],
    dev: Iterable[str] = (),
    scripts: str = "",
) -> tuple[Framework, str] | None:
    """The framework that decides how to build, and the dependency or file that names it."""
    names = {**dict.fromkeys(dev, False), **dict.fromkeys(run, True)}
    hits: dict[str, tuple[Framework, str]] = {}
    for entry in frameworks(ecosystem):
        cause = _cause(entry, names, folder)
        idle = entry.script and not names.get(cause or "") and not re.search(entry.script, scripts)
        if cause is not None and not (idle and not folder.has("index.html")):
            hits[entry.name] = (entry, cause)
    beaten = {name for entry, _ in hits.values() for name in entry.over}
    left = [hit for name, hit in hits.items() if name not in beaten]
    return min(left, key=lambda hit: hit[0].rank, default=None)


def _cause(entry: Framework, names: Mapping[str, bool], folder: Folder) -> str | None:
    file = next((hit for pattern in entry.files if (hit := _present(folder, pattern))), None)
    if (entry.both and file is None) or first(entry.under, names):
        return None
    for wanted in entry.dependencies:
        for name in matching(wanted, names):
            if entry.dev or names[name] or folder.has(*entry.beside):
                return name
    return None if entry.both else file


def _present(folder: Folder, pattern: str) -> str | None:
    return next(iter(folder.like(pattern)), None) if "*" in pattern else folder.has(pattern)


def _line(folder: Folder, file: str, cause: str) -> int:
    needle = cause.rpartition(":")[2] or cause
    # `from aiohttp import web` does not spell what it imports
    return folder.line(file, needle) or folder.line(file, needle.partition(".")[0])


def matching(wanted: str, names: Iterable[str]) -> list[str]:
    """The names that fit `wanted`, in order; without a `*` only the name itself."""
    if "*" not in wanted:
        return [wanted] if wanted in names else []
    return sorted(name for name in names if fnmatchcase(name, wanted))


def first(patterns: Iterable[str], names: Iterable[str]) -> str | None:
    """The first name that fits one of the patterns, patterns in their order."""
    present = dict.fromkeys(names)
    return next((name for pattern in patterns for name in matching(pattern, present)), None)
