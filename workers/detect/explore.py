"""Lists a repository in few calls: the root, a bounded walk, then only folders asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from workers.detect.analysis import Entry, Source
from workers.detect.tree import Tree

WALK_LIMIT = 500
"""Five pages of GitLab's tree API, which answers 100 entries a page."""
CHILDREN_LIMIT = 1000
EXTRA_LISTINGS = 4
"""Folders listed on request: with root and walk, ten calls of 100 entries."""


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


def deepen(source: Source, tree: Tree, folders: Iterable[str]) -> Tree:
    """The tree with the children of `folders` added: one call each."""
    entries, listed = dict(tree.entries), set(tree.listed)
    for folder in folders:
        listing = source.children(folder, limit=CHILDREN_LIMIT)
        entries.update((entry.path, entry) for entry in listing.entries)
        listed.add(folder)
    return Tree(entries.values(), False, listed, tree.shares)


def _finished(walked: tuple[Entry, ...]) -> set[str]:
    """Folders that a walk in Git's order, cut somewhere, has listed to their end."""
    last = walked[-1].path if walked else ""
    parents = {entry.path.rpartition("/")[0] for entry in walked}
    cut = {folder for folder in parents if not folder or last.startswith(folder + "/")}
    return (parents - cut) | {""}
