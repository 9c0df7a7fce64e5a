"""Folders of one build seen as one program, and servers below a program of pages."""

from __future__ import annotations

import re

import msgspec

from workers.detect.found import Folder, Found
from workers.detect.judge import SERVING, STRONG, Verdict
from workers.detect.read import Reader
from workers.detect.rules import table

PAGES = ("ui", "site", "app")
SERVERS = ("api", "backend", "server")
"""Where a server stands beside the pages of the root."""
HOSTED = ("vercel.json", "now.json", "netlify.toml", "firebase.json", "host.json", "api/host.json")
"""Hosts that take such a folder for functions of the pages."""


def built_by_root(reader: Reader, beside: list[Found]) -> Found | None:
    """The one program where a Makefile of the root tests libraries of one folder, as a language's
    own repository does; None where the folders are programs.
    """
    makefile = reader.has("Makefile") and reader.text("Makefile", rank=0)
    upper = {one.folder.rpartition("/")[0] for one in beside}
    kinds = {(one.ecosystem, one.framework) for one in beside}
    libraries = {*table("names")["apps"]["libraries"], "lib", "libs"} - {"src", "source"}
    if len(beside) < 2 or not makefile or len(kinds) > 1 or beside[0].framework:
        return None
    if not upper <= libraries or not re.search(r"(?m)^(test|check)\s*:(?!=)", makefile):
        return None
    found = msgspec.structs.replace(
        beside[0], folder="", manifest="Makefile", commands={}, entry_point=None, facts={}
    )
    found.has_tests = any(one.has_tests for one in beside)
    found.evidence = [*beside[0].evidence]
    found.say("one program: the root's Makefile tests all folders", "Makefile")
    return found


def server_folders(reader: Reader, chosen: Verdict) -> list[str]:
    """Folders of the root that may hold a server of another ecosystem than its pages'."""
    root = Folder(reader)
    if chosen.best.folder or chosen.best.kind not in PAGES or root.has(*HOSTED):
        return []
    manifests: list[str] = table("names")["apps"]["manifests"]
    plain = tuple(name for name in manifests if "*" not in name and name != "package.json")
    names = [name for name in SERVERS if name in root.folders]
    return [name for name in names if root.has(*(f"{name}/{file}" for file in plain))]


def with_servers(chosen: Verdict, below: list[Found]) -> list[Found]:
    """The root's program and the servers below it; empty where there is none."""
    servers = [
        one
        for one in below
        if one.ecosystem != chosen.best.ecosystem and one.strength >= STRONG and _serves(one)
    ]
    if not servers or len({one.folder for one in servers}) < len(servers):
        return []
    chosen.best.doubts.append(
        f"{servers[0].manifest} is a program of its own beside the one of the root, which alone"
        " is built here: should its jobs be added?"
    )
    return [chosen.best, *servers]


def _serves(found: Found) -> bool:
    started = found.ecosystem == "go" and found.entry_point is not None
    return started or (found.framework is not None and found.kind in SERVING)
