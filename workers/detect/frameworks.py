"""Which framework: one table of declared dependencies, and which framework stands above which."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache

import msgspec

from workers.detect.rules import table


class Framework(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of frameworks.toml; the file's head says what each field means."""

    name: str
    ecosystem: str
    dependencies: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    rank: int = 50
    port: int | None = None
    dev: bool = False


@cache
def frameworks(ecosystem: str) -> tuple[Framework, ...]:
    """The entries of one ecosystem, in the table's order."""
    entries = msgspec.convert(table("frameworks")["framework"], tuple[Framework, ...])
    return tuple(entry for entry in entries if entry.ecosystem == ecosystem)


def choose(
    ecosystem: str,
    dependencies: Mapping[str, str],
    dev: Iterable[str] = (),
    files: Iterable[str] = (),
) -> tuple[Framework, str] | None:
    """The framework that decides how to build, and the dependency or file that names it."""
    names = {**dict.fromkeys(dev, ""), **dict.fromkeys(dependencies, "run")}
    present = tuple(files)
    hits: dict[str, tuple[Framework, str]] = {}
    for entry in frameworks(ecosystem):
        cause = _cause(entry, names, present)
        if cause is not None:
            hits.setdefault(entry.name, (entry, cause))
    beaten = {name for entry, _ in hits.values() for name in entry.over}
    left = [hit for name, hit in hits.items() if name not in beaten]
    return min(left, key=lambda hit: hit[0].rank, default=None)


def _cause(entry: Framework, names: Mapping[str, str], present: tuple[str, ...]) -> str | None:
    for wanted in entry.dependencies:
        for name in _matching(wanted, names):
            if entry.dev or names[name]:
                return name
    for pattern in entry.files:
        match = next((name for name in present if fnmatchcase(name, pattern)), None)
        if match is not None:
            return match
    return None


def _matching(wanted: str, names: Mapping[str, str]) -> list[str]:
    if "*" not in wanted:
        return [wanted] if wanted in names else []
    return sorted(name for name in names if fnmatchcase(name, wanted))


def first(patterns: Iterable[str], names: Iterable[str]) -> str | None:
    """The first name that fits one of the patterns, patterns in their order."""
    present = dict.fromkeys(names, "")
    return next((name for pattern in patterns for name in _matching(pattern, present)), None)
