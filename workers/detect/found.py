"""What one ecosystem's rules see (`Folder`) and say (`Found`)."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any
from xml.etree.ElementTree import Element

import msgspec

from workers.detect.analysis import Evidence, Service
from workers.detect.read import Reader
from workers.detect.sources import weigh


class Folder:
    """One folder that may hold an app. Names are relative to it; `path` is "" for the root."""

    def __init__(self, reader: Reader, path: str = "") -> None:
        self.reader = reader
        self.path = path

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Files directly in the folder."""
        return self.reader.tree.folders.get(self.path, ())

    @cached_property
    def folders(self) -> frozenset[str]:
        """Names of the folders directly in this one."""
        below = self.reader.tree.subfolders.get(self.path, ())
        return frozenset(path.rpartition("/")[2] for path in below)

    @cached_property
    def below(self) -> tuple[str, ...]:
        """All known files below, relative to the folder."""
        cut = len(self.path) + 1 if self.path else 0
        return tuple(path[cut:] for path in self.reader.tree.below(self.path))

    @cached_property
    def sources(self) -> dict[str, int]:
        """Source files by language."""
        return weigh(self.below) if self.path else self.reader.tree.sources

    @property
    def unsure(self) -> bool:
        """Whether files may be there that are not known."""
        return not self.reader.tree.complete

    def full(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def has(self, *names: str) -> str | None:
        """The first of the names that is a file below the folder."""
        return next((name for name in names if self.reader.has(self.full(name))), None)

    def like(self, *patterns: str) -> list[str]:
        """Names directly in the folder that fit a pattern."""
        return [n for n in self.names if any(fnmatchcase(n, pattern) for pattern in patterns)]

    def find(self, *patterns: str) -> list[str]:
        """Relative paths at any depth whose name fits a pattern, shallow first; asides left out."""
        cut = len(self.path) + 1 if self.path else 0
        found = [path[cut:] for path in self.reader.tree.match(*patterns, folder=self.path)]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def text(self, name: str, rank: int = 1) -> str | None:
        return self.reader.text(self.full(name), rank)

    def json(self, name: str, rank: int = 1) -> dict[str, Any]:
        return self.reader.json(self.full(name), rank)

    def toml(self, name: str, rank: int = 1) -> dict[str, Any]:
        return self.reader.toml(self.full(name), rank)

    def yaml(self, name: str, rank: int = 1) -> dict[str, Any]:
        return self.reader.yaml(self.full(name), rank)

    def xml(self, name: str, rank: int = 1) -> Element | None:
        return self.reader.xml(self.full(name), rank)

    def line(self, name: str, needle: str) -> int:
        """1-based line of `needle` in a file already read, else 0."""
        return self.reader.line(self.full(name), needle)


class Found(msgspec.Struct, kw_only=True):
    """What an ecosystem's rules found in one folder; filled step by step, then judged."""

    folder: str
    ecosystem: str
    language: str
    manifest: str
    """The file that decided, relative to the root."""
    strength: float = 1.0
    """1 for a manifest that says "this is the program", near 0 for one that only holds tools."""
    framework: str | None = None
    kind: str | None = None
    """What is made: server, full, site, ui, app, function, assets, started or other."""
    package_manager: str | None = None
    version: str | None = None
    test_tool: str | None = None
    entry_point: str | None = None
    port: int | None = None
    coverage_tool: str | None = None
    has_tests: bool = False
    monorepo: str | None = None
    members: list[str] = msgspec.field(default_factory=list)
    """Folders of the parts that a workspace names, relative to the root."""
    manifests: list[str] = msgspec.field(default_factory=list)
    lock_files: list[str] = msgspec.field(default_factory=list)
    linters: list[str] = msgspec.field(default_factory=list)
    commands: dict[str, list[str]] = msgspec.field(default_factory=dict)
    services: list[Service] = msgspec.field(default_factory=list)
    dependencies: dict[str, str] = msgspec.field(default_factory=dict)
    """Names the manifest declares, to the file that does."""
    facts: dict[str, str] = msgspec.field(default_factory=dict)
    evidence: list[Evidence] = msgspec.field(default_factory=list)
    doubts: list[str] = msgspec.field(default_factory=list)
    nothing_to_build: str | None = None

    def say(self, claim: str, file: str, line: int = 0) -> None:
        """Notes evidence; `file` is relative to the root."""
        self.evidence.append(Evidence(claim, file, line))

    def set(self, field: str, value: Any, file: str, line: int = 0) -> None:
        """Sets a field once, with its evidence; a later, weaker source changes nothing."""
        if value is None or getattr(self, field) is not None:
            return
        setattr(self, field, value)
        self.say(f"{field}={value}", file, line)

    def command(self, purpose: str, command: str, file: str, line: int = 0) -> None:
        """Adds a candidate after those already there."""
        known = self.commands.setdefault(purpose, [])
        if command not in known:
            known.append(command)
            self.say(f"{purpose}_command={command}", file, line)

    def note(self, kind: str, names: Iterable[str]) -> None:
        """Adds to a list field what is not in it yet."""
        known = getattr(self, kind)
        known.extend(name for name in names if name not in known)
