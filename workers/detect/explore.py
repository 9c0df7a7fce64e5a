"""Lists a repository in few calls: the root, a bounded walk, then only folders asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workers.detect.analysis import Entry, Source
from workers.detect.tree import Tree

PAGE = 100
"""Entries that one call of GitLab's tree API answers."""
WALK_LIMIT = 3 * PAGE
CHILDREN_LIMIT = 10 * PAGE
EXTRA_LISTINGS = 6
"""Folders listed on request: with root and walk, ten calls on a repository of usual width."""


def explore(source: Source, progress: Callable[[str], None] | None = None) -> Tree:
    """The root and the first entries below it; where that is not all, GitLab's languages too."""
    root = source.children("", limit=CHILDREN_LIMIT)
    folders = [entry.path for entry in root.entries if entry.kind == "tree"]
    if not folders:
        return Tree(root.entries, root.complete, ("",), {})
    if progress:
        progress("listing the repository")
    walk = source.walk("", limit=WALK_LIMIT)
    entries = {entry.path: entry for entry in (*root.entries, *walk.entries)}
    if walk.complete:
        return Tree(entries.values(), complete=True)
    listed = _finished(walk.entries)
    return Tree(entries.values(), False, listed, source.languages())


def deepen(source: Source, tree: Tree, wanted: Mapping[str, bool]) -> Tree:
    """The tree with folders added, one call each: their children, or a page of all below them.

    `wanted` tells by folder whether all below it is meant.
    """
    entries, listed = dict(tree.entries), set(tree.listed)
    for folder, deep in wanted.items():
        if deep:
            listing = source.walk(folder, limit=PAGE)
            finished = _finished(listing.entries, folder)
            listed |= finished if not listing.complete else _all_folders(listing.entries, folder)
        else:
            listing = source.children(folder, limit=CHILDREN_LIMIT)
            listed.add(folder)
        entries.update((entry.path, entry) for entry in listing.entries)
    return Tree(entries.values(), False, listed, tree.shares)


def _all_folders(walked: tuple[Entry, ...], root: str) -> set[str]:
    return {entry.path for entry in walked if entry.kind == "tree"} | {root}


def _finished(walked: tuple[Entry, ...], root: str = "") -> set[str]:
    """Folders that a walk in Git's order, cut somewhere, has listed to their end."""
    last = walked[-1].path if walked else ""
    parents = {entry.path.rpartition("/")[0] for entry in walked}
    cut = {folder for folder in parents if folder == root or last.startswith(folder + "/")}
    return (parents - cut) | {""}
