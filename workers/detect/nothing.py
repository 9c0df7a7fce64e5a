"""Why there is nothing to build, where there is nothing."""

from __future__ import annotations

from workers.detect.rules import table
from workers.detect.sources import extension, is_aside
from workers.detect.tree import Tree

LICENCES = ("license", "licence", "copying", "readme", "authors", "changelog", "contributing")

UNKNOWN = "No build file or program of a known kind was found."


def reason(tree: Tree) -> tuple[str, str]:
    """One sentence, and the file that shows it (empty where there is none)."""
    if tree.empty:
        return "The repository is empty.", ""
    if not tree.files:
        return "The repository holds only submodules or links.", next(iter(tree.submodules), "")
    files = [path for path in tree.files if not path.rpartition("/")[2].startswith(".")]
    kinds = {_kind(path) for path in files}
    first = files[0] if files else tree.files[0]
    if not files:
        return "The repository holds only settings.", first
    if kinds <= {"prose", "media"}:
        return "The repository holds only documentation.", first
    if kinds <= {"prose", "media", "data"}:
        return "The repository holds only documents and data.", first
    if all(is_aside(path) or _kind(path) in ("prose", "media", "data") for path in files):
        return "The repository holds only documentation and examples.", first
    return UNKNOWN, first


def _kind(path: str) -> str:
    name = path.rpartition("/")[2].lower()
    if name.startswith(LICENCES) or name == "codeowners":
        return "prose"
    ending = extension(path)
    kinds: dict[str, list[str]] = table("names")["kinds"]
    return next((kind for kind, endings in kinds.items() if ending in endings), "other")
