"""Parts of a repository: the members that a workspace names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from workers.detect.found import Folder
from workers.detect.sources import is_aside, named

MOST_GLOBS = 100
MOST_WILDCARDS = 6
"""More in one glob is no workspace, and would be slow to compare."""


def expand(folder: Folder, globs: Iterable[str], manifests: tuple[str, ...]) -> list[str]:
    """Folders below `folder` that fit a glob (`packages/*`, `libs/**`, `!x`) and hold a manifest.

    Paths are relative to the repository's root; without the folder itself; in order. Where the
    parent of members was not listed yet, it is asked for and looked at in the next pass.
    """
    wanted = [glob.strip().removeprefix("./").strip("/") for glob in globs][:MOST_GLOBS]
    wanted = [glob for glob in wanted if 0 < len(glob) < 200 and glob.count("*") <= MOST_WILDCARDS]
    include = [_pattern(glob) for glob in wanted if not glob.startswith("!")]
    exclude = [_pattern(glob[1:].lstrip("/")) for glob in wanted if glob.startswith("!")]
    for glob in wanted:
        folder.reader.want_listing(folder.full(re.split(r"/?[^/]*[*{?]", glob)[0]))
    cut = len(folder.path) + 1 if folder.path else 0
    exact = [glob for glob in wanted if not re.search(r"[*{?!]", glob)]
    found = {folder.full(glob) for glob in exact if existing(folder, glob, manifests)}
    for path in folder.reader.tree.all_folders:
        inner = path[cut:] if not folder.path or path.startswith(folder.path + "/") else ""
        if not inner or "node_modules" in inner:
            continue
        wished = any(pattern.fullmatch(inner) for pattern in include)
        if wished and not any(pattern.fullmatch(inner) for pattern in exclude):
            found |= {path} if existing(folder, inner, manifests) else set()
    return sorted(found)


def existing(folder: Folder, inner: str, manifests: Iterable[str]) -> str | None:
    """The first manifest of a part; where its folder was not listed, the first is taken to be.

    `inner` is relative to `folder`, and so is the answer.
    """
    names = [f"{inner}/{name}" for name in manifests]
    present = folder.has(*names)
    if present is not None:
        return present
    for name in names:
        path = folder.full(name)
        if folder.reader.tree.may_hold(path) and not folder.reader.missing(path):
            folder.reader.assume(path)
            return name
    return None


@lru_cache(maxsize=256)
def _pattern(glob: str) -> re.Pattern[str]:
    """A workspace glob as a regular expression over folder paths."""
    parts = re.split(r"(\*\*/?|\*|\{[^{}]*\}|\?)", glob)
    return re.compile("".join(_piece(part) for part in parts))


def _piece(part: str) -> str:
    if part.startswith("**"):
        return "(?:.+/)?" if part.endswith("/") else ".+"
    if part == "*":
        return "[^/]+"
    if part == "?":
        return "[^/]"
    if part.startswith("{"):
        return "(?:" + "|".join(re.escape(choice) for choice in part[1:-1].split(",")) + ")"
    return re.escape(part)


def counted(paths: Iterable[str]) -> list[str]:
    """Members that are programs or libraries: docs, examples, tests and tooling do not count."""
    return [path for path in paths if not is_aside(path + "/x") and not _is_tool(path)]


def _is_tool(path: str) -> bool:
    return path.rpartition("/")[2] in named("tools")
