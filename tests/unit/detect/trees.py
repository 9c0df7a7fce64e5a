"""Small repositories on disk for the tests of detection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from workers.detect import LocalSource, detect
from workers.detect.analysis import Analysis, Listing, Source


def tree(root: Path, files: Mapping[str, str | bytes]) -> LocalSource:
    """Writes `files` below `root`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return LocalSource(root)


def analysed(root: Path, files: Mapping[str, str | bytes]) -> Analysis:
    """What `detect` says of such a tree."""
    return detect(tree(root, files))


class Counting:
    """A source that counts what is asked of it: pages of 100 entries, and files."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.pages = 0
        self.requests = 0
        self.paths: list[str] = []

    def children(self, path: str = "", *, limit: int = 1000) -> Listing:
        return self._counted(self._source.children(path, limit=limit))

    def walk(self, path: str = "", *, limit: int = 1000) -> Listing:
        return self._counted(self._source.walk(path, limit=limit))

    def read(self, paths: Sequence[str], *, max_bytes: int = 262_144) -> Mapping[str, bytes]:
        self.requests += 1
        self.paths.extend(paths)
        return self._source.read(paths, max_bytes=max_bytes)

    def languages(self) -> Mapping[str, float]:
        return self._source.languages()

    def _counted(self, listing: Listing) -> Listing:
        self.pages += max(1, -(-len(listing.entries) // 100))
        return listing
