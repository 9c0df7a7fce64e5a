"""Deno: deno.json, and scripts that import by address."""

from __future__ import annotations

import re
from typing import Any

from workers.detect import frameworks, versions
from workers.detect.found import Folder, Found
from workers.detect.monorepo import existing

ENTRIES = (
    "main.ts",
    "mod.ts",
    "server.ts",
    "index.ts",
    "app.ts",
    "src/main.ts",
    "src/mod.ts",
    "src/index.ts",
    "src/server.ts",
    "src/app.ts",
    "main.tsx",
    "main.js",
)
_IMPORT = re.compile(
    r"""(?:from|import)\s*\(?\s*["']((?:https?://deno\.land|jsr:|npm:)[^"']+)["']"""
)
_REMOTE = re.compile(r"https?://deno\.land/(?:x|std)(?:@[^/]*)?/?([\w-]*)")


def inspect(folder: Folder) -> Found | None:
    """The Deno side of a folder; a package.json with more than types beside it makes it weak."""
    config = folder.has("deno.json", "deno.jsonc")
    lock = folder.has("deno.lock")
    entry = folder.has(*ENTRIES)
    alone = bool(entry) and not folder.has("package.json")
    imports = _imports(folder, entry or "") if alone else []
    habit = folder.has("deps.ts", "fresh.gen.ts", "import_map.json") if alone else None
    if not config and not lock and not imports and not habit:
        return None
    manifest = config or lock or entry or ""
    data = folder.json(config, rank=0) if config else {}
    found = Found(
        folder=folder.path, ecosystem="deno", language="typescript", manifest=folder.full(manifest)
    )
    if folder.sources.get("javascript", 0) > folder.sources.get("typescript", 0):
        found.language = "javascript"
    found.say(f"language={found.language}", found.manifest)
    found.manifests = [found.manifest]
    found.set("package_manager", "deno", found.manifest)
    if lock:
        found.lock_files.append(folder.full(lock))
    _dependencies(found, folder, data, imports)
    versions.set_version(found, folder, "deno")
    _tasks(found, folder, data, config)
    found.set("entry_point", entry, folder.full(entry or ""))
    _workspace(found, folder, data)
    found.strength = 1.2 if _alone(folder, config) else 0.6
    return found


def _alone(folder: Folder, config: str | None) -> bool:
    """Whether no package.json stands beside it, or one that declares Deno itself and no more."""
    if not folder.has("package.json"):
        return True
    package = folder.json("package.json", rank=0)
    declared = [*_keys(package, "dependencies"), *_keys(package, "devDependencies")]
    return bool(config and declared) and set(declared) <= {"deno", "deno-bin"}


def _keys(package: dict[str, Any], field: str) -> list[str]:
    table = package.get(field)
    return list(map(str, table)) if isinstance(table, dict) else []


def _imports(folder: Folder, entry: str) -> list[str]:
    """What the entry imports, and what the file that by habit gathers all imports does."""
    files = [entry, "deps.ts"] if folder.has("deps.ts") else [entry]
    return [name for file in files for name in _IMPORT.findall(folder.text(file, rank=0) or "")]


def _dependencies(found: Found, folder: Folder, data: dict[str, Any], imports: list[str]) -> None:
    mapped = data.get("imports")
    if not isinstance(mapped, dict) and folder.has("import_map.json"):
        mapped = folder.json("import_map.json", rank=0).get("imports")
    table = mapped if isinstance(mapped, dict) else {}
    for name in (*map(str, table), *map(str, table.values()), *imports):
        remote = _REMOTE.match(name)
        bare = re.sub(r"^(jsr|npm):/?|@[\d^~].*$", "", name)
        found.dependencies[remote.group(1) if remote and remote.group(1) else bare] = found.manifest
    frameworks.set_framework(found, folder, found.dependencies)


def _tasks(found: Found, folder: Folder, data: dict[str, Any], config: str | None) -> None:
    tasks = data.get("tasks")
    names = tasks if isinstance(tasks, dict) else {}
    file = config or ""
    for purpose in ("build", "test", "lint", "start"):
        if purpose in names:
            line = folder.line(file, f'"{purpose}"')
            found.command(purpose, f"deno task {purpose}", folder.full(file), line)
    tests = folder.find("*_test.ts", "*.test.ts", "*_test.tsx", "*_test.js")
    found.has_tests = bool(tests)
    if tests or "test" in names:
        cause = folder.full(tests[0]) if tests else found.manifest
        found.set("test_tool", "deno", cause)
        found.command("test", "deno test", cause)
    found.command("lint", "deno lint", found.manifest)
    found.note("linters", ["deno"])


def _workspace(found: Found, folder: Folder, data: dict[str, Any]) -> None:
    named = data.get("workspace")
    named = named.get("members") if isinstance(named, dict) else named
    members = [str(m).strip("./") for m in named] if isinstance(named, list) else []
    known = [folder.full(m) for m in members if existing(folder, m, ("deno.json", "deno.jsonc"))]
    found.members = sorted(known)
    if len(known) > 1:
        found.set("monorepo", "deno", found.manifest, folder.line("deno.json", '"workspace"'))
