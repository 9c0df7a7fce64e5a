"""Lists a repository in few calls: the root, a bounded walk, then only folders asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from workers.detect.analysis import Entry, Listing, Source
from workers.detect.tree import Tree

PAGE = 100
"""Entries that one call of GitLab's tree API answers."""
WALK_LIMIT = 3 * PAGE
CHILDREN_LIMIT = 10 * PAGE
CALLS = 10
"""Calls for a repository of usual width: the root, the walk, then folders asked for."""
LEAST = 2
"""Folders that may be asked for however wide the root is."""


def explore(source: Source, progress: Callable[[str], None] | None = None) -> tuple[Tree, int]:
    """The root and the first entries below it; where that is not all, GitLab's languages too.

    The number tells how many calls are left for folders that rules ask for.
    """
    root = source.children("", limit=CHILDREN_LIMIT)
    folders = [entry.path for entry in root.entries if entry.kind == "tree"]
    if not folders:
        return Tree(root.entries, root.complete, ("",), {}), 0
    if progress:
        progress("listing the repository")
    walk = source.walk("", limit=WALK_LIMIT)
    entries = {entry.path: entry for entry in (*root.entries, *walk.entries)}
    if walk.complete:
        return Tree(entries.values(), complete=True), 0
    listed = _finished(walk.entries)
    left = max(LEAST, CALLS - _pages(root) - _pages(walk))
    return Tree(entries.values(), False, listed, source.languages()), left


def _pages(listing: Listing) -> int:
    return max(1, -(-len(listing.entries) // PAGE))


def deepen(source: Source, tree: Tree, wanted: Mapping[str, bool], calls: int) -> tuple[Tree, int]:
    """The tree with folders added, and how many of the `calls` allowed are left.

    `wanted` tells by folder whether all below it is meant: then a page of that is read, and where
    it does not reach the folder's end, its children as well.
    """
    entries, listed = dict(tree.entries), set(tree.listed)
    for folder, deep in wanted.items():
        flat = not deep
        if deep and calls > 0:
            walk = source.walk(folder, limit=PAGE)
            calls -= 1
            entries.update((entry.path, entry) for entry in walk.entries)
            known = _all_folders if walk.complete else _finished
            listed |= known(walk.entries, folder)
            flat = not walk.complete
        if flat and calls > 0:
            listing = source.children(folder, limit=min(CHILDREN_LIMIT, PAGE * calls))
            calls -= _pages(listing)
            entries.update((entry.path, entry) for entry in listing.entries)
            listed |= {folder} if listing.complete else set()
    return Tree(entries.values(), False, listed, tree.shares), calls


def _all_folders(walked: tuple[Entry, ...], root: str) -> set[str]:
    return {entry.path for entry in walked if entry.kind == "tree"} | {root}


def _finished(walked: tuple[Entry, ...], root: str = "") -> set[str]:
    """Folders that a walk in Git's order, cut somewhere, has listed to their end."""
    last = walked[-1].path if walked else ""
    parents = {entry.path.rpartition("/")[0] for entry in walked}
    cut = {folder for folder in parents if folder == root or last.startswith(folder + "/")}
    return (parents - cut) | {""}
