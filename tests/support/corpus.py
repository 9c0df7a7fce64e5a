"""The corpus of small repositories: one YAML file each under tests/samples/repositories.

A file holds `files` (path to text; null is an empty file), `expect` (only the fields that the
sample is about) and `why` (one sentence); `hard: true` marks a trap. Rarely also: `links` (path to
target), `submodules` (paths), `encoding` (path to `crlf`, `base64` or a Python codec name),
`sizes` (path to bytes: the text is padded with blanks up to it) and `languages` (what GitLab says).
"""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import yaml

from workers.detect.analysis import Entry, Listing

ROOT = Path(__file__).parents[1] / "samples" / "repositories"

PAGE = 100
"""Entries that one call of GitLab's tree API answers at most (Repositories API, `per_page`)."""

_GITLAB_NAMES = {
    "js": "JavaScript",
    "ts": "TypeScript",
    "tsx": "TypeScript",
    "vue": "Vue",
    "py": "Python",
    "go": "Go",
    "java": "Java",
    "kt": "Kotlin",
    "scala": "Scala",
    "groovy": "Groovy",
    "clj": "Clojure",
    "rb": "Ruby",
    "php": "PHP",
    "rs": "Rust",
    "cs": "C#",
    "fs": "F#",
    "vb": "Visual Basic .NET",
    "ex": "Elixir",
    "exs": "Elixir",
    "swift": "Swift",
    "dart": "Dart",
    "c": "C",
    "h": "C",
    "cpp": "C++",
    "cc": "C++",
    "hs": "Haskell",
    "r": "R",
    "jl": "Julia",
    "pl": "Perl",
    "sh": "Shell",
    "bash": "Shell",
    "zsh": "Shell",
    "bats": "Shell",
    "html": "HTML",
    "tf": "HCL",
}
"""Names that GitLab's languages API uses, by extension."""

LINK_MODE = "120000"
"""Git's mode of a symbolic link (gitformat-index, "4-bit object type")."""


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """One small repository with what is true of it. `name` is `group/name`."""

    name: str
    why: str
    files: dict[str, str | None]
    expect: dict[str, Any]
    hard: bool = False
    links: dict[str, str] = {}
    submodules: list[str] = []
    encoding: dict[str, str] = {}
    sizes: dict[str, int] = {}
    languages: dict[str, float] = {}

    @cached_property
    def blobs(self) -> dict[str, bytes]:
        """The files' bytes by path, encodings and sizes applied."""
        return {path: self._bytes(path, text or "") for path, text in self.files.items()}

    def _bytes(self, path: str, text: str) -> bytes:
        encoding = self.encoding.get(path, "utf-8")
        if encoding == "base64":
            return base64.b64decode(text)
        if encoding == "crlf":
            return text.replace("\n", "\r\n").encode()
        return text.encode(encoding).ljust(self.sizes.get(path, 0))

    def source(self) -> MemorySource:
        """The sample as a repository in memory."""
        return MemorySource(self.blobs, self.links, self.submodules, self.languages)

    def buried(self, noise: int = 1500) -> MemorySource:
        """The sample among `noise` pictures that Git lists before nearly everything else.

        As GitLab does, the source tells the shares of languages; by files here, not by bytes.
        """
        pictures = {f"aa_assets/icons/{index:05}.svg": b"" for index in range(noise)}
        return MemorySource(
            {**pictures, **self.blobs},
            self.links,
            self.submodules,
            self.languages or self._shares(),
        )

    def _shares(self) -> dict[str, float]:
        names = [_GITLAB_NAMES.get(path.rpartition(".")[2].lower()) for path in self.files]
        counts = Counter(name for name in names if name)
        return {name: 100 * count / counts.total() for name, count in counts.most_common()}

    def unpack(self, folder: Path) -> Path:
        """Writes the sample into `folder`, links as links, submodules as Git leaves them."""
        for path, content in self.blobs.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        for path, target in self.links.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).symlink_to(target)
        for path in self.submodules:
            (folder / path).mkdir(parents=True, exist_ok=True)
            (folder / path / ".git").write_text("gitdir: elsewhere\n")
        return folder


class MemorySource:
    """A `Source` held in memory that counts what is asked of it.

    `listings` counts calls of GitLab's tree API, which answers `PAGE` entries each, that `children`
    and `walk` would need; `requests` counts calls of `read`, and `paths` holds every path that was
    asked for, whether it exists or not.
    """

    def __init__(
        self,
        blobs: Mapping[str, bytes],
        links: Mapping[str, str] | None = None,
        submodules: Sequence[str] = (),
        languages: Mapping[str, float] | None = None,
    ) -> None:
        links = links or {}
        self._blobs = {**blobs, **{path: target.encode() for path, target in links.items()}}
        self._languages = dict(languages or {})
        self._children = _tree(blobs, links, submodules)
        self.listings = 0
        self.requests = 0
        self.paths: list[str] = []

    def children(self, path: str = "", *, limit: int = 1000) -> Listing:
        return self._cut(self._children.get(path, []), limit)

    def walk(self, path: str = "", *, limit: int = 1000) -> Listing:
        found: list[Entry] = []
        waiting = list(reversed(self._children.get(path, ())))
        while waiting and len(found) <= limit:
            entry = waiting.pop()
            found.append(entry)
            waiting.extend(reversed(self._children.get(entry.path, ())))
        return self._cut(found, limit)

    def _cut(self, entries: Sequence[Entry], limit: int) -> Listing:
        taken = tuple(entries[:limit])
        self.listings += max(1, -(-len(taken) // PAGE))
        return Listing(entries=taken, complete=len(entries) <= limit)

    def read(self, paths: Sequence[str], *, max_bytes: int = 262_144) -> Mapping[str, bytes]:
        self.requests += 1
        self.paths.extend(paths)
        return {path: self._blobs[path][:max_bytes] for path in paths if path in self._blobs}

    def languages(self) -> Mapping[str, float]:
        return dict(self._languages)


def samples(pattern: str = "") -> list[Sample]:
    """All samples whose name contains `pattern`, by name; raises on a file with unknown fields."""
    files = sorted(ROOT.rglob("*.yml"))
    names = {file: file.relative_to(ROOT).with_suffix("").as_posix() for file in files}
    return [_load(file, name) for file, name in names.items() if pattern in name]


def _load(file: Path, name: str) -> Sample:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    data = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)
    try:
        return msgspec.convert({"name": name, **data}, Sample)
    except msgspec.ValidationError as error:
        raise ValueError(f"{file}: {error}") from error


def _tree(
    blobs: Iterable[str], links: Iterable[str], submodules: Iterable[str]
) -> dict[str, list[Entry]]:
    """Entries by parent folder, each folder in Git's order (a folder sorts as `name/`)."""
    leaves = {path: Entry(path, "blob") for path in blobs}
    leaves |= {path: Entry(path, "blob", LINK_MODE) for path in links}
    leaves |= {path: Entry(path, "commit", "160000") for path in submodules}
    parents = {parent for path in leaves for parent in _parents(path)}
    entries = leaves | {path: Entry(path, "tree", "040000") for path in parents}
    children: dict[str, list[Entry]] = {}
    for entry in sorted(entries.values(), key=_git_order):
        children.setdefault(os.path.dirname(entry.path), []).append(entry)
    return children


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _git_order(entry: Entry) -> bytes:
    return (entry.path + ("/" if entry.kind == "tree" else "")).encode()
