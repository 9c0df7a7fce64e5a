"""Lists a repository in few calls: the root, a bounded walk, then only the folders that matter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import cached_property

from workers.detect.analysis import Entry, Source
from workers.detect.sources import ASIDE, VENDORED, is_aside, weigh

WALK_LIMIT = 500  # five pages of GitLab's tree API
CHILDREN_LIMIT = 1000
EXTRA_LISTINGS = 4  # with root and walk, ten calls of 100 entries
APP_FOLDERS = [
    "apps",
    "packages",
    "services",
    "src",
    "cmd",
    "app",
    "backend",
    "server",
    "api",
    "web",
    "frontend",
    "client",
    "libs",
    "crates",
    "modules",
    "projects",
    "functions",
    "lambda",
    "internal",
    "lib",
    "source",
    "config",
    "k8s",
    "terraform",
    "roles",
]


class Tree:
    """What is known of the repository's names. `complete` says whether that is all of them."""

    def __init__(self, entries: Iterable[Entry], complete: bool) -> None:
        self._entries = {entry.path: entry for entry in entries}
        self.complete = complete
        self.files = tuple(sorted(p for p, e in self._entries.items() if _readable(e)))
        self._names = frozenset(self.files)
        self.submodules = tuple(sorted(p for p, e in self._entries.items() if e.kind == "commit"))
        self.empty = not self._entries

    def __contains__(self, path: object) -> bool:
        return path in self._names

    @cached_property
    def folders(self) -> dict[str, tuple[str, ...]]:
        """Names of the files directly in each folder that has any; the root is ""."""
        found: dict[str, list[str]] = {}
        for path in self.files:
            folder, _, name = path.rpartition("/")
            found.setdefault(folder, []).append(name)
        return {folder: tuple(names) for folder, names in found.items()}

    @cached_property
    def subfolders(self) -> dict[str, tuple[str, ...]]:
        """Paths of the folders directly in each folder."""
        found: dict[str, set[str]] = {}
        trees = {p for p, e in self._entries.items() if e.kind == "tree"} | set(self.folders)
        for path in trees - {""}:
            while path and path not in found.setdefault(path.rpartition("/")[0], set()):
                found[path.rpartition("/")[0]].add(path)
                path = path.rpartition("/")[0]
        return {folder: tuple(sorted(paths)) for folder, paths in found.items()}

    @cached_property
    def sources(self) -> dict[str, int]:
        """Source files by language, asides left out."""
        return weigh(self.files)

    def below(self, folder: str) -> tuple[str, ...]:
        """All known files under `folder`."""
        if not folder:
            return self.files
        return self._below.setdefault(
            folder, tuple(path for path in self.files if path.startswith(folder + "/"))
        )

    @cached_property
    def _below(self) -> dict[str, tuple[str, ...]]:
        return {}

    def match(self, *patterns: str, folder: str = "") -> list[str]:
        """Files under `folder` whose name, not path, fits one of the patterns; asides left out."""
        return [
            path
            for path in self.below(folder)
            if any(fnmatchcase(path.rpartition("/")[2], pattern) for pattern in patterns)
            and not is_aside(path[len(folder) :].lstrip("/"))
        ]

    def executable(self, path: str) -> bool:
        entry = self._entries.get(path)
        return entry is not None and entry.mode == "100755"


def explore(source: Source, progress: Callable[[str], None] | None = None) -> Tree:
    """The tree as far as ten listing calls of 100 entries carry, the same for the same tree."""
    say = progress or (lambda _: None)
    root = source.children("", limit=CHILDREN_LIMIT)
    if not any(entry.kind == "tree" for entry in root.entries):
        return Tree(root.entries, root.complete)
    say("listing the repository")
    walk = source.walk("", limit=WALK_LIMIT)
    entries = {entry.path: entry for entry in (*root.entries, *walk.entries)}
    if walk.complete:
        return Tree(entries.values(), complete=True)
    last = walk.entries[-1].path if walk.entries else ""
    for path in _unseen(root.entries, last)[:EXTRA_LISTINGS]:
        say(f"listing {path}")
        listing = source.children(path, limit=CHILDREN_LIMIT)
        entries.update((entry.path, entry) for entry in listing.entries)
    return Tree(entries.values(), complete=False)


def deepen(source: Source, tree: Tree, paths: Iterable[str], calls: int = EXTRA_LISTINGS) -> Tree:
    """The tree with the children of `paths` added, at most `calls` of them."""
    if tree.complete:
        return tree
    entries = dict(tree._entries)
    for path in list(paths)[:calls]:
        found = source.children(path, limit=CHILDREN_LIMIT).entries
        entries.update((entry.path, entry) for entry in found)
    return Tree(entries.values(), complete=False)


def _unseen(root: Iterable[Entry], last: str) -> list[str]:
    """Folders of the root that the walk did not finish, those that may hold apps first."""
    top = last.partition("/")[0]
    folders = [entry.path for entry in root if entry.kind == "tree"]
    left = folders[folders.index(top) :] if top in folders else folders
    useful = [path for path in left if path.lower() not in ASIDE | VENDORED and path[0] != "."]
    rank = {name: place for place, name in enumerate(APP_FOLDERS)}
    return sorted(useful, key=lambda path: (rank.get(path.lower(), len(rank)), path))


def _readable(entry: Entry) -> bool:
    return entry.kind == "blob" and entry.mode != "120000"
