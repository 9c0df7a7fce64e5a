"""`detect`: explores a repository, reads the manifests that matter, and says what it is."""

from __future__ import annotations

from collections.abc import Callable

from workers.detect import judge
from workers.detect.analysis import Analysis, Source
from workers.detect.ecosystems import ECOSYSTEMS
from workers.detect.explore import Tree, explore
from workers.detect.found import Folder, Found
from workers.detect.read import Reader

ROUNDS = 4  # each is one request for the files that the rules asked for


def detect(source: Source, progress: Callable[[str], None] | None = None) -> Analysis:
    """What the repository is. Never raises for what stands in it; `source` may raise its own errors.

    The same tree gives the same answer, from a folder and over the API. `progress` hears one
    line before each request.
    """
    say = progress or (lambda _: None)
    tree = explore(source, progress)
    reader = Reader(source, tree)
    found = inspect(reader)
    for _ in range(ROUNDS):
        say("reading manifests")
        if not reader.flush():
            break
        found = inspect(reader)
    return judge.analysis(reader, found)


def inspect(reader: Reader) -> list[Found]:
    """Every ecosystem's view of the root, and of the folders with apps where the root has none."""
    tree = reader.tree
    root = inspect_folder(reader, "")
    if any(found.strength >= 0.5 for found in root):
        return root
    return root + [found for path in app_folders(tree) for found in inspect_folder(reader, path)]


def inspect_folder(reader: Reader, path: str) -> list[Found]:
    """Every ecosystem's view of one folder."""
    seen = (rules(Folder(reader, path)) for rules in ECOSYSTEMS)
    return [found for found in seen if found is not None]


def app_folders(tree: Tree) -> list[str]:
    """The shallowest folders with a manifest, asides left out."""
    return judge.app_folders(tree)
