"""A folder on this machine, listed and read as Git and GitLab would list and read it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from workers.detect.analysis import Entry, Listing
from workers.detect.sources import extension, gitlab_names, named
from workers.errors import Denied, NotFound

LANGUAGE_FILES = 20_000  # files weighed for `languages()`: a second of stat calls at most


class LocalSource:
    """A `Source` over a folder. Symbolic links are listed, never followed; `.git` is not seen."""

    def __init__(self, root: Path) -> None:
        """Raises `NotFound` where `root` is no folder, `Denied` where it may not be read."""
        try:
            os.stat(os.path.join(root, "."))  # entered ...
            with os.scandir(root):  # ... and listed: a folder can allow one of both
                self._root = root.resolve()
        except PermissionError as error:
            raise Denied(f"{root}: {error.strerror}") from None
        except (OSError, ValueError):
            raise NotFound(f"{root} is not a folder") from None

    def children(self, path: str = "", *, limit: int = 1000) -> Listing:
        return _cut(iter(self._list(path)), limit)

    def walk(self, path: str = "", *, limit: int = 1000) -> Listing:
        return _cut(self._descend(path), limit)

    def read(self, paths: Sequence[str], *, max_bytes: int = 262_144) -> Mapping[str, bytes]:
        found: dict[str, bytes] = {}
        for path in paths:
            content = self._content(path, max_bytes)
            if content is not None:
                found[path] = content
        return found

    def languages(self) -> Mapping[str, float]:
        """Share of bytes by file extension, vendored folders left out, as Linguist would weigh."""
        sizes: dict[str, int] = {}
        blobs = (
            entry for entry in self._descend("", skip=named("vendored")) if entry.kind == "blob"
        )
        for entry in islice(blobs, LANGUAGE_FILES):
            language = gitlab_names().get(extension(entry.path))
            if language is not None and entry.mode != "120000":
                size = os.lstat(os.path.join(self._root, entry.path)).st_size
                sizes[language] = sizes.get(language, 0) + size
        total = sum(sizes.values())
        ranked = sorted(sizes.items(), key=lambda item: (-item[1], item[0]))
        return {name: round(100 * size / total, 2) for name, size in ranked if total and size}

    def _descend(self, path: str, skip: frozenset[str] = frozenset()) -> Iterator[Entry]:
        for entry in self._list(path):
            yield entry
            if entry.kind == "tree" and entry.path.rpartition("/")[2].lower() not in skip:
                yield from self._descend(entry.path, skip)

    def _list(self, path: str) -> list[Entry]:
        folder = self._inside(path)
        if folder is None:
            return []
        try:
            with os.scandir(folder) as found:
                entries = [_entry(path, item) for item in found if item.name != ".git"]
        except OSError:
            return []
        listed = [entry for entry in entries if entry is not None]
        # Git compares a folder's name as if it ended with a slash
        return sorted(
            listed, key=lambda e: os.fsencode(e.path + "/" if e.kind != "blob" else e.path)
        )

    def _content(self, path: str, max_bytes: int) -> bytes | None:
        folder = self._inside(path.rpartition("/")[0])
        if folder is None:
            return None
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(os.path.join(folder, path.rpartition("/")[2]), flags)
        except (OSError, ValueError):
            return None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return file.read(max_bytes)

    def _inside(self, path: str) -> str | None:
        """The folder's own path; None where a part of it is a link, is missing or leads out."""
        folder = str(self._root)
        for part in path.split("/") if path else ():
            folder = os.path.join(folder, part)
            try:
                if part in ("", ".", "..", ".git") or not stat.S_ISDIR(os.lstat(folder).st_mode):
                    return None
            except (OSError, ValueError):
                return None
        return folder


def _entry(folder: str, item: os.DirEntry[str]) -> Entry | None:
    path = f"{folder}/{item.name}" if folder else item.name
    if item.is_symlink():
        return Entry(path, "blob", "120000")
    if item.is_dir(follow_symlinks=False):
        submodule = os.path.isfile(os.path.join(item.path, ".git"))
        return Entry(path, "commit", "160000") if submodule else Entry(path, "tree", "040000")
    if not item.is_file(follow_symlinks=False):
        return None
    executable = item.stat(follow_symlinks=False).st_mode & stat.S_IXUSR
    return Entry(path, "blob", "100755" if executable else "100644")


def _cut(entries: Iterator[Entry], limit: int) -> Listing:
    taken = tuple(islice(entries, limit + 1))
    return Listing(taken[:limit], complete=len(taken) <= limit)
