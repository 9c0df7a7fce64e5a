"""Workspaces of npm, pnpm, yarn and bun, and the tools that run them."""

from __future__ import annotations

import re
from typing import Any

from workers.detect.found import Folder, Found
from workers.detect.monorepo import existing, expand

RUNNERS = (
    ("nx.json", "nx"),
    ("turbo.json", "turbo"),
    ("turbo.jsonc", "turbo"),
    ("lerna.json", "lerna"),
    ("rush.json", "rush"),
    (".moon/workspace.yml", "moon"),
)


def workspaces(found: Found, folder: Folder, package: dict[str, Any]) -> None:
    """Sets `monorepo` and `members` where a workspace file names folders that exist."""
    globs, source = _globs(folder, package)
    members = expand(folder, globs, ("package.json",))
    if folder.has("rush.json"):
        members, source = _rush(folder), "rush.json"
    runner = next(((file, tool) for file, tool in RUNNERS if folder.has(file)), None)
    if not members and runner and runner[1] in ("nx", "moon", "rush"):
        members = expand(folder, ["apps/*", "packages/*", "libs/*"], _PROJECT)
    if not members:
        return
    found.members = members
    tool = runner[1] if runner else found.package_manager
    file = folder.full(runner[0] if runner else source)
    found.set("monorepo", tool, file, 0 if runner else folder.line(source, "workspaces"))


def _rush(folder: Folder) -> list[str]:
    projects = folder.json("rush.json", rank=0).get("projects")
    listed = projects if isinstance(projects, list) else []
    named = [p.get("projectFolder") for p in listed if isinstance(p, dict)]
    paths = [name.strip("./") for name in named if isinstance(name, str)]
    return sorted(folder.full(path) for path in paths if existing(folder, path, ("package.json",)))


_PROJECT = ("package.json", "project.json", "moon.yml")


def _globs(folder: Folder, package: dict[str, Any]) -> tuple[list[str], str]:
    if folder.has("pnpm-workspace.yaml"):
        named = folder.yaml("pnpm-workspace.yaml", rank=0).get("packages")
        return _strings(named), "pnpm-workspace.yaml"
    named = package.get("workspaces")
    named = named.get("packages") if isinstance(named, dict) else named
    if named:
        return _strings(named), "package.json"
    if folder.has("lerna.json"):
        return _strings(folder.json("lerna.json").get("packages")) or ["packages/*"], "lerna.json"
    return [], "package.json"


def _strings(value: Any) -> list[str]:
    items = value if isinstance(value, list) else []
    return [re.sub(r"^\./|/$", "", item) for item in items if isinstance(item, str)]
