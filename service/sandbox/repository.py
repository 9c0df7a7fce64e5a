"""One Git repository in memory: blobs, trees, commits and branches, with Git's own object ids."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property

import msgspec

ZERO = "0" * 40
SUBMODULE = "160000"
SHA = re.compile(r"[0-9a-f]{7,40}")


def object_id(kind: str, body: bytes) -> str:
    """Git's id of an object: SHA-1 over its kind, length and body."""
    head = f"{kind} {len(body)}\0".encode()
    return hashlib.sha1(head + body, usedforsecurity=False).hexdigest()


class Blob(msgspec.Struct, frozen=True, dict=True):
    """A file. `mode` is Git's: 100644, 100755, 120000 (a link to the path in `content`).

    160000 is a submodule, whose `content` is the id of its commit; it is in listings, never read.
    """

    content: bytes
    mode: str = "100644"

    @cached_property
    def sha(self) -> str:
        return self.content.decode() if self.submodule else object_id("blob", self.content)

    @property
    def submodule(self) -> bool:
        return self.mode == SUBMODULE


Files = Mapping[str, Blob]


class TreeEntry(msgspec.Struct, frozen=True):
    """One entry of a listing; `type` is `blob`, `tree`, or `commit` for a submodule."""

    id: str
    name: str
    type: str
    path: str
    mode: str


class Folder(msgspec.Struct):
    """A folder while a tree is being built from paths."""

    folders: dict[str, Folder] = msgspec.field(default_factory=dict)
    blobs: dict[str, Blob] = msgspec.field(default_factory=dict)

    def entries(self, path: str) -> list[tuple[TreeEntry, Folder | None]]:
        """Direct entries in Git's order: folders sort as if their name ended in a slash."""
        found: list[tuple[str, TreeEntry, Folder | None]] = []
        for name, blob in self.blobs.items():
            kind = "commit" if blob.submodule else "blob"
            entry = TreeEntry(blob.sha, name, kind, path + name, blob.mode)
            found.append((name, entry, None))
        for name, folder in self.folders.items():
            entry = TreeEntry(folder.sha(), name, "tree", path + name, "040000")
            found.append((name + "/", entry, folder))
        return [(entry, folder) for _, entry, folder in sorted(found, key=lambda item: item[0])]

    def sha(self) -> str:
        parts = [
            f"{entry.mode.lstrip('0')} {entry.name}\0".encode() + bytes.fromhex(entry.id)
            for entry, _ in self.entries("")
        ]
        return object_id("tree", b"".join(parts))

    def walk(self, path: str, recursive: bool) -> Iterator[TreeEntry]:
        for entry, folder in self.entries(path):
            yield entry
            if recursive and folder is not None:
                yield from folder.walk(f"{entry.path}/", True)


def folder_of(files: Files) -> Folder:
    """The tree of `files`, whose keys are paths with `/`."""
    root = Folder()
    for path, blob in files.items():
        *parents, name = path.split("/")
        folder = root
        for part in parents:
            folder = folder.folders.setdefault(part, Folder())
        folder.blobs[name] = blob
    return root


class Author(msgspec.Struct, frozen=True):
    """Who wrote a commit."""

    name: str
    email: str


class Commit(msgspec.Struct, frozen=True):
    """A commit with the whole content of its tree."""

    sha: str
    files: Files
    parents: tuple[str, ...]
    message: str
    author: Author
    at: datetime

    @property
    def title(self) -> str:
        return self.message.partition("\n")[0]


class Change(msgspec.Struct, frozen=True):
    """What one update did to one ref; `before` or `after` is `ZERO` when it came or went."""

    before: str
    after: str
    ref: str


class Repository(msgspec.Struct):
    """Commits by id and branches by name. Every method is synchronous, hence atomic to callers."""

    default_branch: str = "main"
    commits: dict[str, Commit] = msgspec.field(default_factory=dict)
    branches: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.branches

    def resolve(self, ref: str | None) -> Commit | None:
        """The commit of a branch, `HEAD`, a full ref or an id of 7 digits; None if absent."""
        name = self.default_branch if ref in (None, "", "HEAD") else str(ref)
        name = name.removeprefix("refs/heads/")
        if name in self.branches:
            return self.commits[self.branches[name]]
        if not SHA.fullmatch(name):
            return None
        if name in self.commits:
            return self.commits[name]
        return next((c for sha, c in self.commits.items() if sha.startswith(name)), None)

    def listing(self, commit: Commit, path: str, recursive: bool) -> list[TreeEntry] | None:
        """Entries below `path` in Git's order; None where `path` is no folder."""
        folder = folder_of(commit.files)
        for part in filter(None, path.split("/")):
            inner = folder.folders.get(part)
            if inner is None:
                return None
            folder = inner
        prefix = path.strip("/")
        return list(folder.walk(f"{prefix}/" if prefix else "", recursive))

    def history(self, commit: Commit | None) -> Iterator[Commit]:
        """A commit and its first parents, newest first."""
        while commit is not None:
            yield commit
            commit = self.commits[commit.parents[0]] if commit.parents else None

    def last_commit(self, commit: Commit | None, path: str) -> Commit | None:
        """The newest commit at or before `commit` that touched `path`."""
        for candidate in self.history(commit):
            parent = self.commits[candidate.parents[0]].files if candidate.parents else {}
            if candidate.files.get(path) != parent.get(path):
                return candidate
        return None

    def commit(
        self, branch: str, files: Files, message: str, author: Author, parent: str | None
    ) -> Change:
        """Writes a commit and points `branch` at it; the first branch becomes the default one."""
        at = datetime.now(UTC)
        sha = _commit_id(folder_of(files).sha(), parent, message, author, at)
        parents = (parent,) if parent else ()
        self.commits[sha] = Commit(sha, dict(files), parents, message, author, at)
        if self.empty:
            self.default_branch = branch
        before = self.branches.get(branch, ZERO)
        self.branches[branch] = sha
        return Change(before, sha, f"refs/heads/{branch}")

    def between(self, before: str, after: str) -> list[Commit]:
        """Commits of a push, oldest first, as `before..after`."""
        found: list[Commit] = []
        for commit in self.history(self.commits.get(after)):
            if commit.sha == before:
                break
            found.append(commit)
        return found[::-1]

    def difference(self, commit: Commit) -> tuple[list[str], list[str], list[str]]:
        """Paths that a commit added, modified and removed."""
        old = self.commits[commit.parents[0]].files if commit.parents else {}
        added = [path for path in commit.files if path not in old]
        changed = [path for path, blob in commit.files.items() if path in old and old[path] != blob]
        return added, changed, [path for path in old if path not in commit.files]


def _commit_id(tree: str, parent: str | None, message: str, author: Author, at: datetime) -> str:
    who = f"{author.name} <{author.email}> {at.timestamp():.6f} +0000"
    lines = [f"tree {tree}", *([f"parent {parent}"] if parent else [])]
    lines += [f"author {who}", f"committer {who}", "", message]
    return object_id("commit", "\n".join(lines).encode("utf-8", "surrogateescape"))
