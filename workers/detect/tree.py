"""What is known of a repository's names, and what may be there without being known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cached_property

from workers.detect.analysis import Entry
from workers.detect.sources import from_gitlab, is_aside, weigh


class Tree:
    """The names seen so far. `complete` says whether that is all of them.

    `listed` are folders whose children are all known though the tree is not complete. `shares`
    are GitLab's languages in per cent: they stand for the sources that were not listed.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        complete: bool,
        listed: Iterable[str] = (),
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self.entries = {entry.path: entry for entry in entries}
        self.complete = complete
        self.listed = frozenset(listed)
        self.shares = shares or {}
        self.files = tuple(sorted(p for p, e in self.entries.items() if _readable(e)))
        self.submodules = tuple(sorted(p for p, e in self.entries.items() if e.kind == "commit"))
        self.empty = not self.entries
        self._names = frozenset(self.files)
        self._below: dict[str, tuple[str, ...]] = {}
        self._matches: dict[tuple[str, ...], list[str]] = {}

    def __contains__(self, path: object) -> bool:
        return path in self._names

    def may_hold(self, path: str) -> bool:
        """Whether the file is there, or could be in a folder whose children are not known."""
        if path in self._names or self.complete:
            return path in self._names
        folder = path.rpartition("/")[0]
        while folder:
            if folder in self.subfolders or folder in self.entries or folder in self.folders:
                return folder not in self.listed
            folder = folder.rpartition("/")[0]
        return False

    def is_open(self, folder: str) -> bool:
        """Whether the folder is there and its children are not all known."""
        return not self.complete and folder in self.entries and folder not in self.listed

    @cached_property
    def folders(self) -> dict[str, tuple[str, ...]]:
        """Names of the files directly in each folder that has any; the root is ""."""
        found: dict[str, list[str]] = {}
        for path in self.files:
            folder, _, name = path.rpartition("/")
            found.setdefault(folder, []).append(name)
        return {folder: tuple(names) for folder, names in found.items()}

    @cached_property
    def subfolders(self) -> dict[str, tuple[str, ...]]:
        """Paths of the folders directly in each folder that has any."""
        found: dict[str, set[str]] = {}
        trees = {p for p, e in self.entries.items() if e.kind == "tree"} | set(self.folders)
        for path in trees - {""}:
            while path and path not in found.setdefault(path.rpartition("/")[0], set()):
                found[path.rpartition("/")[0]].add(path)
                path = path.rpartition("/")[0]
        return {folder: tuple(sorted(paths)) for folder, paths in found.items()}

    @cached_property
    def all_folders(self) -> tuple[str, ...]:
        """Every known folder but the root."""
        return tuple(sorted(path for paths in self.subfolders.values() for path in paths))

    @cached_property
    def sources(self) -> dict[str, int]:
        """Weight of the source files by language: a count, or GitLab's tenths of a per cent."""
        told: dict[str, int] = {}
        for name, part in self.shares.items() if not self.complete else ():
            language = from_gitlab().get(name)
            if language is not None:
                told[language] = told.get(language, 0) + round(10 * part)
        return told or weigh(self.files)

    def below(self, folder: str) -> tuple[str, ...]:
        """All known files under `folder`."""
        if not folder:
            return self.files
        if folder not in self._below:
            head = folder + "/"
            self._below[folder] = tuple(path for path in self.files if path.startswith(head))
        return self._below[folder]

    def match(self, *patterns: str, folder: str = "") -> list[str]:
        """Files under `folder` whose name, not path, fits one of the patterns; asides left out."""
        key = (folder, *patterns)
        if key not in self._matches:
            plain = frozenset(pattern for pattern in patterns if "*" not in pattern)
            wild = [pattern for pattern in patterns if "*" in pattern]
            self._matches[key] = [
                path
                for path in self.below(folder)
                if _fits(path.rpartition("/")[2], plain, wild)
                and not is_aside(path[len(folder) :].lstrip("/"))
            ]
        return list(self._matches[key])


def _fits(name: str, plain: frozenset[str], wild: list[str]) -> bool:
    return name in plain or any(fnmatchcase(name, pattern) for pattern in wild)


def _readable(entry: Entry) -> bool:
    return entry.kind == "blob" and entry.mode != "120000"
