"""Parts of a repository: the members that a workspace names, or apps that stand side by side."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from workers.detect.found import Folder
from workers.detect.sources import is_aside


def expand(folder: Folder, globs: Iterable[str], manifests: tuple[str, ...]) -> list[str]:
    """Folders below `folder` that fit a glob (`packages/*`, `libs/**`, `!x`) and hold a manifest.

    Paths are relative to the repository's root; without the folder itself; in order.
    """
    wanted = [glob.strip() for glob in globs if glob.strip()]
    include = [_pattern(glob) for glob in wanted if not glob.startswith("!")]
    exclude = [_pattern(glob[1:]) for glob in wanted if glob.startswith("!")]
    found = set()
    for path in folder.reader.tree.folders:
        inner = path[len(folder.path) :].lstrip("/") if path.startswith(folder.path) else ""
        if not inner or "node_modules" in inner:
            continue
        if any(p.fullmatch(inner) for p in include) and not any(
            p.fullmatch(inner) for p in exclude
        ):
            if any(f"{path}/{name}" in folder.reader.tree for name in manifests):
                found.add(path)
    return sorted(found)


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    """A workspace glob as a regular expression over folder paths."""
    text = glob.removeprefix("./").strip("/")
    parts = re.split(r"(\*\*/?|\*|\{[^{}]*\}|\?)", text)
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
    """Members that are programs or libraries: docs, examples and fixtures do not count."""
    return [path for path in paths if not is_aside(path + "/x")]
