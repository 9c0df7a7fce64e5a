"""JavaScript and TypeScript on Node.js or Bun: package.json and what stands around it."""

from __future__ import annotations

import re
from typing import Any

from workers.detect import frameworks, versions
from workers.detect.ecosystems import node_scripts, node_workspaces
from workers.detect.ecosystems.node_scripts import SCRIPT
from workers.detect.families import share
from workers.detect.found import Folder, Found
from workers.detect.sources import is_declaration

LOCKS = (
    ("pnpm-lock.yaml", "pnpm"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("yarn.lock", "yarn"),
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
)
_CALL = re.compile(r"(?:^|[;&|]\s*)(pnpm|yarn|bun)\s")
_LOCAL = re.compile(r"(file|link|portal|workspace):|\.{0,2}/")
MANAGERS = ("npm", "pnpm", "yarn", "bun")
ENTRIES = ("index", "server", "app", "main", "src/index", "src/server", "src/main", "src/app")
# What a package.json holds when it only carries tools for another ecosystem's repository.
TOOLING = re.compile(
    r"^(serverless|@commitlint/.*|commitizen|cz-.*|husky|lint-staged|prettier.*|eslint.*|@eslint/.*|stylelint.*"
    r"|markdownlint.*|semantic-release.*|@semantic-release/.*|release-it.*|@changesets/.*|cspell.*"
    r"|standard-version|conventional-.*|@prettier/.*|pyright|all-contributors-cli|textlint.*"
    r"|secretlint.*|@secretlint/.*|danger|@redocly/.*|redoc-cli|@stoplight/spectral.*|renovate"
    r"|doctoc|remark.*|editorconfig.*|npm-run-all2?|cross-env|rimraf|concurrently|lefthook"
    r"|@biomejs/biome|@apollo/rover|bats.*|snyk|serverless-.*|@types/.*|typescript|@?playwright(/test)?|cypress)$"
)


def inspect(folder: Folder) -> Found | None:
    """The JavaScript side of a folder; None without package.json."""
    manifest = folder.has("package.json", "rush.json")
    if manifest is None:
        return None
    package = folder.json("package.json", rank=0)
    found = Found(
        folder=folder.path,
        ecosystem="node",
        language="javascript",
        manifest=folder.full(manifest),
        manifests=[folder.full(manifest)],
    )
    run, dev = _names(package, "dependencies"), _names(package, "devDependencies")
    found.dependencies = dict.fromkeys({**run, **dev}, found.manifest)
    _manager(found, folder, package)
    _version(found, folder, package)
    _language(found, folder, run, dev)
    node_workspaces.workspaces(found, folder, package)
    _framework(found, folder, package, run, dev)
    node_scripts.scripts(found, folder, package)
    if found.members and folder.has("tsconfig.json"):
        found.facts["tsconfig"] = "true"
    _entry(found, folder, package)
    found.strength = _strength(found, folder, package, run, dev)
    if found.framework is None and not found.members:
        found.kind = _kind(package)
    return found


def _names(package: dict[str, Any], field: str) -> dict[str, str]:
    table = package.get(field)
    return {str(k): str(v) for k, v in table.items()} if isinstance(table, dict) else {}


def _manager(found: Found, folder: Folder, package: dict[str, Any]) -> None:
    """packageManager, devEngines, lock file, engines, volta, scripts, else npm; root after own."""
    for place in dict.fromkeys((folder.path, "")):
        here = Folder(folder.reader, place)
        manifest = here.json("package.json", rank=0) if here.has("package.json") else {}
        _declared_manager(found, here, manifest)
        locks = [(name, manager) for name, manager in LOCKS if here.has(name)]
        found.note("lock_files", (here.full(name) for name, _ in locks))
        if here.has(".yarnrc.yml", ".yarnrc") and any(m == "yarn" for _, m in locks):
            found.set("package_manager", "yarn", here.full("yarn.lock"))
        for name, manager in locks:
            found.set("package_manager", manager, here.full(name))
        if here.has("pnpm-workspace.yaml"):
            found.set("package_manager", "pnpm", here.full("pnpm-workspace.yaml"))
        if here.has("bunfig.toml"):
            found.set("package_manager", "bun", here.full("bunfig.toml"))
        if here.has(".yarnrc.yml"):
            found.set("package_manager", "yarn", here.full(".yarnrc.yml"))
            if found.package_manager == "yarn":  # Yarn 1 knows no such file
                found.facts.setdefault("package_manager_version", "4")
        client = here.json("lerna.json").get("npmClient") if here.has("lerna.json") else None
        if client in MANAGERS:
            line = here.line("lerna.json", '"npmClient"')
            found.set("package_manager", client, here.full("lerna.json"), line)
        rush = here.json("rush.json", rank=0) if here.has("rush.json") else {}
        for manager in ("pnpm", "yarn", "npm"):
            if f"{manager}Version" in rush:
                line = here.line("rush.json", f'"{manager}Version"')
                found.set("package_manager", manager, here.full("rush.json"), line)
        wanted = {**_names(manifest, "engines"), **_names(manifest, "volta")}
        for manager in ("pnpm", "yarn", "bun"):
            if manager in wanted:
                line = here.line("package.json", f'"{manager}"')
                found.set("package_manager", manager, here.full("package.json"), line)
    if len({manager for name, manager in LOCKS if folder.has(name)}) > 1:
        found.doubts.append("Lock files of several package managers are present; which one counts?")
    _called_manager(found, folder, package)
    found.set("package_manager", "npm", found.manifest)


def _called_manager(found: Found, folder: Folder, package: dict[str, Any]) -> None:
    """The one manager that the scripts call: it must be there to run them."""
    scripts = _names(package, "scripts")
    calls = {name: m.group(1) for name, text in scripts.items() if (m := _CALL.search(text))}
    if len(set(calls.values())) == 1:
        name, manager = next(iter(calls.items()))
        line = folder.line("package.json", f'"{name}"')
        found.set("package_manager", manager, found.manifest, line)


def _declared_manager(found: Found, here: Folder, package: dict[str, Any]) -> None:
    manifest = here.full("package.json")
    declared = re.match(r"(npm|pnpm|yarn|bun)@(\S+)", str(package.get("packageManager", "")))
    if declared:
        line = here.line("package.json", '"packageManager"')
        found.set("package_manager", declared.group(1), manifest, line)
        found.facts.setdefault("package_manager_version", declared.group(2).partition("+")[0])
    engines = package.get("devEngines")
    wanted = engines.get("packageManager") if isinstance(engines, dict) else None
    wanted = wanted[0] if isinstance(wanted, list) and wanted else wanted
    if isinstance(wanted, dict) and wanted.get("name") in MANAGERS:
        line = here.line("package.json", '"devEngines"')
        found.set("package_manager", wanted["name"], manifest, line)


def _version(found: Found, folder: Folder, package: dict[str, Any]) -> None:
    """volta, pin files, asdf, mise, devEngines, engines; the root's after the folder's own."""
    volta = _names(package, "volta").get("node")
    if volta:
        line = folder.line("package.json", '"volta"')
        found.set("version", versions.pinned(volta), found.manifest, line)
    versions.set_version(found, folder, "node")
    for place in dict.fromkeys((folder.path, "")):
        here = Folder(folder.reader, place)
        manifest = here.json("package.json", rank=0) if here.has("package.json") else {}
        engines = manifest.get("devEngines")
        runtime = engines.get("runtime") if isinstance(engines, dict) else None
        for item in runtime if isinstance(runtime, list) else [runtime]:
            if isinstance(item, dict) and item.get("name") == "node":
                _bound(found, here, "devEngines", str(item.get("version", "")))
        _bound(found, here, "engines", _names(manifest, "engines").get("node", ""))
    if found.package_manager == "bun":
        versions.set_version(found, folder, "bun")


def _bound(found: Found, here: Folder, key: str, wanted: str) -> None:
    line = here.line("package.json", f'"{key}"')
    found.set("version", versions.lower_bound(wanted), here.full("package.json"), line)


def _language(found: Found, folder: Folder, run: dict[str, str], dev: dict[str, str]) -> None:
    """TypeScript where the sources are; the tsconfig alone decides only while none are known."""
    counts = folder.sources
    typed = folder.like("tsconfig*.json")
    script, plain = counts.get("typescript", 0), counts.get("javascript", 0)
    written = folder.unsure or any(
        p.endswith((".ts", ".tsx", ".mts", ".cts")) and not is_declaration(p) for p in folder.below
    )
    declared = "typescript" in dev or "typescript" in run
    if (
        (script > plain and (written or typed))
        or ((typed or declared) and written and script and 2 * script >= plain)
        or (typed and declared and not plain)
    ):
        found.language = "typescript"
    cause = folder.full(typed[0]) if typed and found.language == "typescript" else found.manifest
    found.say(f"language={found.language}", cause)


def _framework(
    found: Found, folder: Folder, package: dict[str, Any], run: dict[str, str], dev: dict[str, str]
) -> None:
    peers = _names(package, "peerDependencies")
    own = str(package.get("name", ""))
    if _LOCAL.match({**dev, **run}.get(own, "")):
        peers = {**peers, own: ""}
    declared = {name: found.manifest for name in run if name not in peers}
    tools = {name for name in dev if name not in peers}
    if _is_library(package) or found.members:
        # what a library or a workspace's root is built and tried out with is not what it is
        tools = set()
    scripts = " ; ".join(_names(package, "scripts").values())
    frameworks.set_framework(found, folder, declared, tools, scripts)


def _kind(package: dict[str, Any]) -> str | None:
    """`started` with a start script, None where something is exported, else `assets`."""
    if "start" in _names(package, "scripts"):
        return "started"
    return None if {"main", "module", "exports", "bin"} & package.keys() else "assets"


def _is_library(package: dict[str, Any]) -> bool:
    entry = {"main", "module", "exports", "types", "bin"} & package.keys()
    published = {"files", "publishConfig"} & package.keys()
    return bool(entry and published) and package.get("private") is not True


def _entry(found: Found, folder: Folder, package: dict[str, Any]) -> None:
    start = _names(package, "scripts").get("start", "")
    run = re.search(r"\b(?:node|nodemon|ts-node|tsx|bun(?: run)?)\s+(?:-\S+\s+)*([\w./-]+)", start)
    main = package.get("main")
    web = re.search(
        r"^web:\s*node\s+(?:-\S+\s+)*([\w./-]+)", folder.text("Procfile", rank=2) or "", re.M
    )
    candidates = [match.group(1) for match in (run, web) if match]
    candidates += [main] if isinstance(main, str) else []
    for candidate in candidates:
        name = candidate.removeprefix("./")
        guesses = (*(name + s for s in SCRIPT), *(f"{name.rstrip('/')}/index{s}" for s in SCRIPT))
        name = folder.has(name, *guesses) or name
        line = folder.line("package.json", candidate)
        found.set("entry_point", name, found.manifest, line)
    guessed = folder.has(*(base + suffix for base in ENTRIES for suffix in SCRIPT))
    found.set("entry_point", guessed, folder.full(guessed or ""))


def _strength(
    found: Found, folder: Folder, package: dict[str, Any], run: dict[str, str], dev: dict[str, str]
) -> float:
    """Near 0 where the manifest only serves tools of a repository in another language."""
    scripts = _names(package, "scripts")
    sources = folder.sources.get("javascript", 0) + folder.sources.get("typescript", 0)
    if found.members:
        return 1.1
    tools = all(TOOLING.match(name) for name in (*run, *dev))
    if tools and not sources:
        return 0.1 if run or dev else 0.5
    if tools and node_scripts.only_starts(folder, package):
        return 0.35
    own = share(folder, found)
    if tools and own > 0.5 and len(folder.sources) == 1:
        return 0.8
    if tools and not run and "start" not in scripts and "main" not in package:
        return 0.35
    return 1.0 if found.framework or run or "start" in scripts else 0.8
