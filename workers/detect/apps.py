"""Apps below the root: members of a workspace, and services that stand side by side."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase

from workers.detect.analysis import Analysis, App
from workers.detect.found import Folder, Found
from workers.detect.judge import STRONG, USELESS, verdict
from workers.detect.monorepo import counted
from workers.detect.read import Reader
from workers.detect.rules import table
from workers.detect.services import built
from workers.detect.sources import is_aside, is_auxiliary, is_named_aside, is_test

DEPTH = 3
LIMIT = 12
"""Members of a workspace whose manifests are read."""
DEPLOYS = ("helm", "kubernetes")
DEPLOYS_BELOW = ("kubernetes", "terraform")
"""What at the root may only deploy programs that stand below."""
PLAIN = ("static", "docker", "shell")
MANY = 5
"""Of so many services the ecosystem of two thirds is the repository's."""
PROGRAMS = 24
"""Folders of programs side by side that are looked at."""


def folders(reader: Reader) -> list[str]:
    """The shallowest folders with a manifest, asides and tests left out, programs first."""
    for name in _places(reader):
        reader.want_listing(name, deep=True)
    patterns: list[str] = table("names")["apps"]["manifests"]
    near = [p for p in reader.tree.match(*patterns) if 0 < p.count("/") <= DEPTH]
    if not near:
        named = (p for p in reader.tree.files if 0 < p.count("/") <= DEPTH and is_named_aside(p))
        near = [p for p in named if any(fnmatchcase(p.rpartition("/")[2], x) for x in patterns)]
    near = [path for path in near if not is_test(path)]
    useful = [path for path in near if not is_auxiliary(path)]
    candidates = {_home(path) for path in useful or near} - {""}
    candidates |= set(composed(reader))
    kept: list[str] = []
    for path in sorted(candidates, key=lambda path: (path.count("/"), path)):
        if not any(path.startswith(upper + "/") for upper in kept):
            kept.append(path)
    return kept[:PROGRAMS]


def _home(path: str) -> str:
    """The folder that a manifest is about; Xcode's stands in a folder of its own."""
    folder = path.rpartition("/")[0]
    return folder.rpartition("/")[0] if folder.endswith(".xcodeproj") else folder


def _places(reader: Reader) -> list[str]:
    """Folders of the root that may hold a program, the usual names first."""
    names = [path for path in reader.tree.subfolders.get("", ()) if not path.startswith(".")]
    usual: list[str] = table("names")["apps"]["places"]
    rank = {name: place for place, name in enumerate(usual)}
    useful = [
        name
        for name in names
        if name in rank or not (is_aside(name + "/x") or is_auxiliary(name + "/x"))
    ]
    return sorted(useful, key=lambda name: (rank.get(name.lower(), len(rank)), name))


def sought(root: list[Found]) -> bool:
    """Whether programs may stand below: nothing of the root builds more than its deployment."""
    return not any(one.strength >= STRONG for one in root if one.ecosystem not in DEPLOYS_BELOW)


def deployed(reader: Reader, root: list[Found], beside: list[Found]) -> list[Found]:
    """The programs below the root; none where Terraform at the root is the program.

    It is, unless there are several programs, each with a container of its own.
    """
    own = any(one.ecosystem == "terraform" and one.strength >= STRONG for one in root)
    contained = [one for one in beside if reader.has(f"{one.folder}/Dockerfile")]
    return [] if own and not 1 < len(contained) == len(beside) else beside


def contenders(root: list[Found], beside: list[Found]) -> list[Found]:
    """All that may be the program: what only deploys does not count beside programs."""
    return [*(one for one in root if not beside or one.ecosystem not in DEPLOYS_BELOW), *beside]


def majority(beside: list[Found]) -> list[Found]:
    """The services of the one ecosystem that most of many belong to; empty where none has that."""
    kinds = Counter(one.ecosystem for one in beside)
    name, count = max(kinds.items(), key=lambda item: item[1], default=("", 0))
    many = len(beside) >= MANY and 3 * count >= 2 * len(beside)
    return [one for one in beside if one.ecosystem == name] if many else []


def composed(reader: Reader) -> list[str]:
    """Folders with sources that a compose file of the root builds; a website may be one."""
    return [
        path
        for path in built(Folder(reader))
        if path and not is_auxiliary(path + "/x", pages=False) and not is_aside(path + "/x")
        if _language(reader, path)
    ]


def services(reader: Reader, found: list[Found]) -> list[Found]:
    """The program of each folder that has one with a manifest of its own, or is composed."""
    by_folder: dict[str, list[Found]] = {}
    named = set(composed(reader)) if any(one.folder for one in found) else set()
    for one in found:
        least = USELESS if one.folder in named and one.ecosystem not in PLAIN else STRONG
        if one.folder and one.strength >= least:
            by_folder.setdefault(one.folder, []).append(one)
    chosen = (verdict(reader, group) for _, group in sorted(by_folder.items()))
    known = [one.best for one in chosen if one is not None]
    if any(one.ecosystem not in DEPLOYS for one in known):
        # what deploys the programs is none of them
        known = [one for one in known if one.ecosystem not in DEPLOYS]
    # what the projects beside it refer to is a part of them
    used = {one.folder for one in known if one.kind == "library"}
    return [one for one in known if one.folder not in used] if len(used) < len(known) else known


def shared(reader: Reader, beside: list[Found]) -> tuple[str, ...]:
    """Folders (`libs/`) and files of the root that more than one of the programs may use."""
    rules: dict[str, list[str]] = table("names")["apps"]
    used = {one.folder.partition("/")[0] for one in beside}
    folders = [
        f"{name}/"
        for name in reader.tree.subfolders.get("", ())
        if name.lower() in rules["shared_folders"] and name not in used
    ]
    patterns = (*rules["manifests"], *rules["shared_files"])
    names = reader.tree.folders.get("", ())
    files = [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return tuple(sorted(folders) + sorted(files))


def apart(reader: Reader, found: Analysis, inside: list[Found]) -> list[Found]:
    """The members of a workspace whose tool builds them one by one: Go's, where the root is none.

    `go build ./...` at a root without a module of its own finds nothing and fails.
    """
    if found.monorepo != "go" or reader.has("go.mod"):
        return []
    return [one for one in services(reader, inside) if one.ecosystem == "go"]


def members(reader: Reader, best: Found, inside: list[Found]) -> tuple[App, ...]:
    """Each part of a workspace with its language and framework; asides do not count."""
    by_folder = {one.folder: one for one in services(reader, inside)}
    listed = []
    for path in _named(best):
        one = by_folder.get(path)
        language = one.language if one else _language(reader, path) or best.language
        listed.append(App(path, language, one.framework if one else None))
    return tuple(listed)


def _started(app: Found) -> bool:
    return any(command.endswith(" start") for command in app.commands.get("start", ()))


def _named(best: Found) -> list[str]:
    """The members that count; a workspace without a program of its own may be about asides."""
    return best.members if best.facts.get("members") == "asides" else counted(best.members)


def _among_apps(path: str) -> bool:
    head = path.partition("/")[0].lower()
    rules: dict[str, list[str]] = table("names")["apps"]
    return head in rules["places"] and head not in rules["libraries"]


def _language(reader: Reader, path: str) -> str | None:
    counts = Folder(reader, path).sources
    known = {name: n for name, n in counts.items() if name not in ("html", "shell")}
    return max(sorted(known), key=lambda name: known[name]) if known else None


def worth_reading(best: Found) -> list[str]:
    """The members whose manifests are read, apps before libraries; the rest is told by names."""
    members = [path for path in _named(best) if path != best.folder]
    return sorted(members, key=lambda path: (not _among_apps(path), path))[:LIMIT]


def shared_framework(inside: list[Found]) -> Found | None:
    """The one app of a workspace whose framework decides; None where there are several kinds.

    In a workspace of packages only what stands among the apps or is started counts: packages are
    libraries.
    """
    apps = [one for one in inside if one.framework and one.kind in ("server", "full", "app")]
    apps = [a for a in apps if a.ecosystem != "node" or _among_apps(a.folder) or _started(a)]
    return apps[0] if len({one.framework for one in apps}) == 1 else None
