"""Reads manifests in batches, whatever their encoding, and never lets a broken one end the run."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import yaml

from workers.detect.analysis import Source
from workers.detect.parse import PARSERS, decode, line_of, tidy
from workers.detect.tree import Tree

MAX_BYTES = 262_144
URGENT = 1
"""Wishes up to this rank decide what the repository is; later ones only add to it."""
READ_LIMIT = 15  # files of one repository
READ_EACH = 4  # more for each further program that stands beside the first


class Reader:
    """The files read so far. Asking for one that was not read yet notes the wish and answers None.

    `flush` reads all noted wishes in one request; rules are then run again on what is there.
    """

    def __init__(self, source: Source, tree: Tree, limit: int = READ_LIMIT) -> None:
        self.tree = tree
        self.broken: dict[str, str] = {}
        """Reason by path of the manifests that could not be read or parsed."""
        self._source = source
        self._left = limit
        self._programs = 1
        self._texts: dict[str, str | None] = {}
        self._wishes: dict[str, int] = {}
        self._raw: dict[str, str] = {}
        self._parsed: dict[tuple[str, str], Any] = {}
        self._asked: set[str] = set()
        self._assumed: set[str] = set()
        self._listings: dict[str, bool] = {}

    def text(self, path: str, rank: int = 1) -> str | None:
        """The decoded file; None where it is absent or not read yet. Low ranks are read first."""
        if not self.has(path):
            return None
        if path not in self._texts:
            self._wishes[path] = min(rank, self._wishes.get(path, rank))
            return None
        return self._texts[path]

    def line(self, path: str, needle: str) -> int:
        """1-based line of `needle` in a file already read, else 0."""
        return line_of(self._raw.get(path), needle)

    def has(self, path: str) -> bool:
        """Whether the file is there, as far as is known or was assumed."""
        return path in self.tree or path in self._assumed

    def missing(self, path: str) -> bool:
        """Whether reading the file was tried in vain."""
        return path in self._texts and self._texts[path] is None

    def assume(self, path: str) -> None:
        """Takes a file for present in a folder that was not listed, until reading it fails."""
        if path not in self._texts:
            self._assumed.add(path)

    def want_listing(self, folder: str, *, deep: bool = False) -> None:
        """Notes the wish to know a folder's children, or with `deep` what is below it.

        Nothing is noted where they are known; a folder is listed once.
        """
        if self.tree.is_open(folder) and folder not in self._asked:
            self._listings.setdefault(folder, deep)

    def take_listings(self, most: int) -> dict[str, bool]:
        """The first `most` folders wished for, and whether all below them is meant."""
        wanted = dict(list(self._listings.items())[:most])
        self._asked.update(wanted)
        self._listings.clear()
        return wanted

    @property
    def wishes(self) -> tuple[str, ...]:
        """What `flush` would read now: the urgent ones alone while there are any."""
        urgent = [path for path, rank in self._wishes.items() if rank <= URGENT]
        batch = urgent or list(self._wishes)
        return tuple(sorted(batch, key=lambda path: self._wishes[path])[: self._left])

    def flush(self) -> bool:
        """Reads `wishes` in one request; whether there was anything to read."""
        batch = self.wishes
        self._wishes.clear()
        if not batch:
            return False
        self._left -= len(batch)
        contents = self._source.read(batch, max_bytes=MAX_BYTES)
        for path in batch:
            self._texts[path] = self._decode(path, contents.get(path))
        return True

    def widen(self, programs: int) -> None:
        """Allows more files where so many programs stand side by side."""
        more = max(0, programs - self._programs)
        self._left += READ_EACH * more
        self._programs += more

    def json(self, path: str, rank: int = 1) -> dict[str, Any]:
        return self._table("json", path, rank)

    def toml(self, path: str, rank: int = 1) -> dict[str, Any]:
        return self._table("toml", path, rank)

    def yaml(self, path: str, rank: int = 1) -> dict[str, Any]:
        return self._table("yaml", path, rank)

    def xml(self, path: str, rank: int = 1) -> ElementTree.Element | None:
        parsed = self._parse("xml", path, rank)
        return parsed if isinstance(parsed, ElementTree.Element) else None

    def _table(self, kind: str, path: str, rank: int) -> dict[str, Any]:
        parsed = self._parse(kind, path, rank)
        if parsed is not None and not isinstance(parsed, dict):
            self.broken[path] = f"is valid {kind.upper()}, but no table of names and values"
        return parsed if isinstance(parsed, dict) else {}

    def _parse(self, kind: str, path: str, rank: int) -> Any:
        if self.text(path, rank) is None:
            return None
        text = self._raw[path]
        if (kind, path) not in self._parsed:
            try:
                self._parsed[kind, path] = PARSERS[kind](text)
            except (ValueError, RecursionError, yaml.YAMLError, SyntaxError) as error:
                reason = str(error).partition("\n")[0][:200] or type(error).__name__
                self.broken[path] = f"is no valid {kind.upper()}: {reason}"
                self._parsed[kind, path] = None
        return self._parsed[kind, path]

    def _decode(self, path: str, content: bytes | None) -> str | None:
        if content is None and path in self._assumed:
            self._assumed.discard(path)
            return None
        if content is None:
            self.broken[path] = "could not be read"
            return None
        if len(content) >= MAX_BYTES:
            self.broken[path] = f"is larger than {MAX_BYTES} bytes"
        self._raw[path] = decode(content)
        return tidy(self._raw[path])
