"""A repository in GitLab at one commit, read in few calls: the `Source` of detection.

A small repository takes two: one page of its recursive tree, and one GraphQL request for the
files asked for together with those likely to be asked for next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from workers.clients.gitlab_repository import Repository
from workers.clients.gitlab_types import TreeEntry
from workers.detect.analysis import Entry, Listing
from workers.errors import Denied, NotFound, Rejected

_FILES = """query($p:ID!,$r:String,$f:[String!]!){project(fullPath:$p){repository{
 blobs(ref:$r,paths:$f){nodes{path rawTextBlob}}}}}"""
PATHS_A_QUERY = 100
"""GitLab pages nodes by 100, and weighs a path at 2 of the 250 that a query may cost."""
READ_AHEAD = 60
MAX_RAW = 24
"""Files that one source reads singly where GraphQL is refused: the rest stays absent."""

_LIKELY = re.compile(
    r"(?:^|/)(?:Makefile|Dockerfile|Gemfile|Rakefile|Procfile|Jenkinsfile|Pipfile|gradlew|mvnw)$"
    r"|\.(?:json|toml|ya?ml|xml|gradle|kts|properties|mod|cfg|ini|txt|py|js|ts|go|rb|php|java|kt"
    r"|rs|sbt|clj|exs?|[cf]sproj|sln|gemspec|tf|sh|mk|cmake)$",
    re.IGNORECASE,
)
_HEAVY = re.compile(r"\block\b|\.min\.js$|\.map$", re.IGNORECASE)
"""Lock files run to megabytes, and detection rarely needs more than their names."""


class _Node(msgspec.Struct, rename="camel"):
    path: str
    raw_text_blob: str | None = None


class _TooLarge(Exception):
    """GitLab gives at most 20 MB of contents in one answer."""


class ApiSource:
    """Implements `workers.detect.analysis.Source` on a project at `sha`. `calls` counts requests.

    Raises what the client raises, but for a file that cannot be read: that one is absent.
    """

    def __init__(self, gitlab: Repository, project_id: int, project_path: str, sha: str) -> None:
        self.calls = 0
        self._gitlab = gitlab
        self._id = project_id
        self._path = project_path
        self._sha = sha
        self._graphql = True
        self._raw_left = MAX_RAW
        self._pages: dict[tuple[str, bool], tuple[list[Entry], str | None]] = {}
        self._seen: dict[str, Entry] = {}
        self._contents: dict[str, bytes] = {}

    def children(self, path: str = "", *, limit: int = 1000) -> Listing:
        """What stands directly in `path`, in Git's order."""
        whole = self._whole()
        if whole is None:
            return self._list(path, False, limit)
        depth = path.count("/") + 1 if path else 0
        start = f"{path}/" if path else ""
        return _cut(
            [e for e in whole if e.path.startswith(start) and e.path.count("/") == depth], limit
        )

    def walk(self, path: str = "", *, limit: int = 1000) -> Listing:
        """All entries below `path`, at most `limit`, in pages of 100."""
        whole = self._whole()
        if whole is None:
            return self._list(path, True, limit)
        start = f"{path}/" if path else ""
        return _cut([e for e in whole if e.path.startswith(start)], limit)

    def read(self, paths: Sequence[str], *, max_bytes: int = 262_144) -> Mapping[str, bytes]:
        """The files' first `max_bytes` bytes by path: one GraphQL request where GitLab allows it.

        Symbolic links and submodules are absent, so are files beyond the bounds.
        """
        wanted = [p for p in dict.fromkeys(paths) if self._is_file(p)]
        missing = [p for p in wanted if p not in self._contents]
        for start in range(0, len(missing), PATHS_A_QUERY):
            self._fetch(missing[start : start + PATHS_A_QUERY], max_bytes)
        return {p: self._contents[p][:max_bytes] for p in wanted if p in self._contents}

    def languages(self) -> Mapping[str, float]:
        """GitLab's share of each language in per cent; empty where it is not told."""
        self.calls += 1
        try:
            return self._gitlab.languages(self._id)
        except (NotFound, Denied):
            return {}

    def _whole(self) -> list[Entry] | None:
        """All entries where one page holds them, else None."""
        entries, token = self._first_page("", True)
        return entries if token is None else None

    def _first_page(self, path: str, recursive: bool) -> tuple[list[Entry], str | None]:
        key = (path, recursive)
        if key not in self._pages:
            self._pages[key] = self._page(path, recursive, None)
        return self._pages[key]

    def _page(
        self, path: str, recursive: bool, token: str | None
    ) -> tuple[list[Entry], str | None]:
        self.calls += 1
        rows, following = self._gitlab.tree_page(
            self._id, self._sha, path, recursive=recursive, token=token
        )
        entries = [entry for row in rows if (entry := _entry(row)) is not None]
        self._seen.update((entry.path, entry) for entry in entries)
        return entries, following

    def _list(self, path: str, recursive: bool, limit: int) -> Listing:
        entries, token = self._first_page(path, recursive)
        entries = list(entries)
        while token is not None and len(entries) < limit:
            more, token = self._page(path, recursive, token)
            entries.extend(more)
        return Listing(tuple(entries[:limit]), token is None and len(entries) <= limit)

    def _is_file(self, path: str) -> bool:
        entry = self._seen.get(path)
        return entry is None or (entry.kind == "blob" and entry.mode != "120000")

    def _fetch(self, paths: list[str], max_bytes: int) -> None:
        """Fills `_contents` with as many of `paths` as can be had, and a few more."""
        nodes = self._by_graphql(paths) if self._graphql else None
        self._graphql = nodes is not None
        for node in nodes or ():
            if node.raw_text_blob is not None:
                self._contents[node.path] = node.raw_text_blob.encode()
        if nodes is not None:
            # Only what is there and is no text is left to be read singly.
            binary = {node.path for node in nodes if node.raw_text_blob is None}
            paths = [path for path in paths if path in binary]
        for path in paths[: self._raw_left]:
            self._fetch_raw(path, max_bytes)

    def _by_graphql(self, paths: list[str]) -> list[_Node] | None:
        """`paths` and what is likely to be asked for next; None where GraphQL does not serve."""
        ahead = self._likely(set(paths))[: max(0, READ_AHEAD - len(paths))]
        try:
            return self._query([*paths, *ahead])
        except _TooLarge:
            # All together were over GitLab's 20 MB; what was asked for may fit.
            with suppress(_TooLarge):
                return self._query(paths) if ahead else None
            return None

    def _query(self, paths: list[str]) -> list[_Node] | None:
        """The files by GraphQL; None where it is refused, null, or answers with errors."""
        self.calls += 1
        variables = {"p": self._path, "r": self._sha, "f": paths}
        try:
            answer = self._gitlab.graphql(_FILES, variables)
        except Rejected:
            return None
        if answer.errors:
            if "size limit" in str(answer.errors):
                raise _TooLarge
            return None
        found: Any = answer.data
        for name in ("project", "repository", "blobs", "nodes"):
            found = found.get(name) if isinstance(found, dict) else None
        try:
            return msgspec.convert(found, list[_Node], strict=False)
        except msgspec.ValidationError:
            return None

    def _fetch_raw(self, path: str, max_bytes: int) -> None:
        """One file by REST, cut while it comes. What is gone, or GitLab refuses, stays absent."""
        self._raw_left -= 1
        self.calls += 1
        try:
            content = self._gitlab.raw(self._id, path, self._sha, max_bytes=max_bytes)
        except Denied:
            raise
        except Rejected:
            return
        self._contents[path] = content

    def _likely(self, asked: set[str]) -> list[str]:
        """Small text files that are listed and not read yet, the shallowest first."""
        known = asked | self._contents.keys()
        return sorted(
            (
                path
                for path in self._seen
                if path not in known
                and self._is_file(path)
                and _LIKELY.search(path)
                and not _HEAVY.search(path)
            ),
            key=lambda path: (path.count("/"), path),
        )


def _entry(row: TreeEntry) -> Entry | None:
    """A row as detection knows it; None for kinds and names that are no path."""
    if row.type not in ("blob", "tree", "commit") or "\x00" in row.path or not row.path:
        return None
    if any(part in ("", ".", "..") for part in row.path.split("/")):
        return None
    return msgspec.convert({"path": row.path, "kind": row.type, "mode": row.mode}, Entry)


def _cut(entries: Iterable[Entry], limit: int) -> Listing:
    found = tuple(entries)
    return Listing(found[:limit], len(found) <= limit)
