"""package.json scripts: commands, test tool, linters, coverage."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

from workers.detect.found import Folder, Found
from workers.detect.monorepo import existing
from workers.detect.rules import table
from workers.detect.sources import is_aside

SCRIPT = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".jsx", ".tsx")
PURPOSES: dict[str, tuple[str, ...]] = {
    "compile": ("compile", "build:ts", "tsc", "typecheck", "type-check", "check-types", "types"),
    "build": ("build", "build:prod", "build:production", "bundle", "dist", "prod", "production"),
    "test": ("test", "test:unit", "test:ci", "unit", "tests", "test:run", "test:all", "jest"),
    "lint": ("lint", "eslint", "lint:check", "lint:ci", "lint:js", "format:check", "check"),
    "start": ("start", "start:prod", "serve", "start:production", "preview", "dev"),
}
_EACH = re.compile(
    r"pnpm (?:-r|--recursive)(?: run)?(?: --if-present)? test|pnpm recursive (?:run )?test"
    r"|npm (?:run )?test (?:--workspaces|-ws)(?: --if-present)?"
    r"|npm run (?:--workspaces|-ws)(?: --if-present)? test"
)
_MEMBERS = re.compile(
    r"\b(?:turbo|nx|lerna|moon|rush|wsrun|ultra|preconstruct)\b"
    r"|\bpnpm\b.*(?:\s-r\b|--recursive|--filter|\s-F\b)|\bnpm\b.*(?:--workspaces?\b|\s-ws?\b)"
    r"|\byarn workspaces? |\bbun\b.*--filter"
)
_INTO = re.compile(r"(?:\bcd|--prefix|--cwd|--dir|-C)[ =](?:\./)?([\w.-]+(?:/[\w.-]+)*)")
_BROWSERS = ("playwright", "playwright-ct", "cypress")
"""Tools whose tests need a browser: no plain image runs them."""
_NAMED = re.compile(r"(?:test|unit)[a-z0-9:_-]{0,40}")
"""A script's name that may stand in a command: words, no prose."""
_ENDLESS = re.compile(r"watch|debug|update|--ui\b")
_OF_NODE = re.compile(r"(?:^|/)(?:test/.+|test|test-[^/]*|[^/]*[._-]test)\.[cm]?js$")
"""What `node --test` runs by itself (nodejs.org, "Test runner execution model")."""
_TYPED = re.compile(r"(?:^|/)(?:tests?/.+|test|test-[^/]*|[^/]*[._-]test)(?<!\.d)\.[cm]?ts$")
"""The same in TypeScript, which runs where something takes the types away."""
_OF_OTHERS = re.compile(r"^\s*(?:describe|it|test|suite)\(|\bjest\.", re.M)
"""What a test calls that imports nothing, for its tool is there already."""
_OF_MOCHA = re.compile(r"^test/[^/]+\.[cm]?js$")
PLACEHOLDER = re.compile(r"no test|exit 1\s*$|^\s*(true|exit 0)\s*$", re.I)


def scripts(found: Found, folder: Folder, package: dict[str, Any]) -> None:
    """Fills commands, test tool, coverage and linters from scripts and dependencies."""
    raw = package.get("scripts")
    known = {k: v for k, v in raw.items() if isinstance(v, str)} if isinstance(raw, dict) else {}
    for purpose, names in PURPOSES.items():
        for name in names:
            if name in known and not (purpose == "test" and _placeholder(known[name])):
                line = folder.line("package.json", f'"{name}"')
                found.command(purpose, run(found.package_manager, name), found.manifest, line)
    _test_tool(found, folder, package, known)
    if not _takes_flags(known.get("test", ""), found.test_tool):
        found.facts.setdefault("tests_in", "script")
    if found.test_tool == "vitest":
        _flags_of_vitest(found, known)
    _tools(found, folder)
    if found.members and "test" in found.commands and (how := _passes_on(known.get("test", ""))):
        found.facts["test_script"] = how
    if known:
        found.facts["scripts"] = " ".join(sorted(known)[:40])
    if found.package_manager:
        install = "npm ci" if found.package_manager == "npm" and found.lock_files else None
        found.command("install", install or f"{found.package_manager} install", found.manifest)


def run(manager: str | None, script: str) -> str:
    """How a script is run: npm's lifecycle scripts need no `run`, bun's `test` is its own tool."""
    if script in ("test", "start") and manager != "bun":
        return f"{manager} {script}"
    return f"{manager} run {script}" if manager in ("npm", "bun") else f"{manager} {script}"


def only_starts(folder: Folder, package: dict[str, Any]) -> bool:
    """Whether the scripts go into folders of programs, and all sources in folders are theirs."""
    programs = tuple(f"{name}/" for name in _entered(folder, package))
    sources = [path for path in folder.below if "/" in path and path.endswith(SCRIPT)]
    return bool(programs) and all(path.startswith(programs) for path in sources)


def _entered(folder: Folder, package: dict[str, Any]) -> list[str]:
    """Folders with a manifest of their own that scripts go into: `cd server && npm start`."""
    raw = package.get("scripts")
    texts = (
        [text for text in raw.values() if isinstance(text, str)] if isinstance(raw, dict) else []
    )
    names = {name for text in texts for name in _INTO.findall(text)}
    return [name for name in sorted(names)[:20] if existing(folder, name, ("package.json",))]


def _passes_on(script: str) -> str | None:
    """Whether a test script runs the members' own: `plain` where it does no more than that."""
    if _EACH.fullmatch(script.strip()):
        return "plain"
    return "script" if _MEMBERS.search(script) else None


def _takes_flags(script: str, tool: str | None) -> bool:
    """Whether flags behind the script reach its test tool: they go to its last command only."""
    rule = table("tools")["node_test"].get(tool or "", {})
    last = re.split(r"&&|\|\|?|;", script)[-1]
    return not script or "script" not in rule or bool(re.search(rule["script"], last))


def _flags_of_vitest(found: Found, known: dict[str, str]) -> None:
    """The facts `script_runs` and `script_covers`: Vitest takes no flag of these twice."""
    name = next((n for n in PURPOSES["test"] if n in known and not _placeholder(known[n])), None)
    text = _expanded(known, name) if name else ""
    if re.search(r"\bvitest run\b|--run\b", text):
        found.facts["script_runs"] = "true"
    if re.search(r"--coverage\b(?![.-])|--coverage\.enabled\b", text):
        found.facts["script_covers"] = "true"


def _placeholder(script: str) -> bool:
    return bool(PLACEHOLDER.search(script)) and len(script) < 80


def _test_tool(
    found: Found, folder: Folder, package: dict[str, Any], known: dict[str, str]
) -> None:
    """The tool that the test script calls, through other scripts; else the first declared."""
    rules = table("tools")["node_test"]
    named: list[tuple[str, int]] = []
    tests = [
        n for n in (*PURPOSES["test"], *known) if n in known and n.startswith(("test", "unit"))
    ]
    for name in dict.fromkeys(tests):
        if _placeholder(known[name]):
            continue
        text = _expanded(known, name)
        for tool, rule in rules.items():
            if re.search(rule["script"], text):
                line = folder.line("package.json", f'"{name}"')
                found.set("test_tool", _resolved(found, tool), found.manifest, line)
                endless = _ENDLESS.search(f"{name} {text}")
                if tool not in _BROWSERS and not endless and _NAMED.fullmatch(name):
                    named.append((name, line))
    if named and "test" not in found.commands:
        found.command("test", run(found.package_manager, named[0][0]), found.manifest, named[0][1])
    own = str(package.get("name", ""))
    for tool, rule in rules.items():
        if own in rule.get("dependencies", ()):
            line = folder.line("package.json", '"name"')
            found.set("test_tool", tool, found.manifest, line)
    for tool, rule in rules.items():
        names = [name for name in rule.get("dependencies", ()) if name in found.dependencies]
        if names:
            line = folder.line("package.json", f'"{names[0]}"')
            found.set("test_tool", tool, found.manifest, line)
    files = folder.find("*.test.*", "*.spec.*", "*_test.[jt]s", "*.cy.[jt]s")
    found.has_tests = bool(files or "test" in found.commands or folder.folders & {"__tests__"})
    if "test" not in found.commands:
        _called_by_name(found, folder, files)


def _called_by_name(found: Found, folder: Folder, files: list[str]) -> None:
    """Tests that no script runs: a declared tool by its name (the fact `tests_by`), else Node's."""
    direct = {"vitest": "npx vitest run", "jest": "npx jest", "mocha": "npx mocha"}
    own = [path for path in folder.below if _OF_MOCHA.search(path) and not is_aside(path)]
    files = files or (own if found.test_tool == "mocha" else [])
    if found.test_tool in direct and files:
        found.has_tests = True
        found.facts["tests_by"] = found.test_tool or ""
        found.command("test", direct[found.test_tool or ""], folder.full(files[0]))
    elif found.test_tool is None and not found.members:
        nodes_own_tests(found, folder)


def nodes_own_tests(found: Found, folder: Folder) -> None:
    """`node --test`, where files are named as it looks for them and call no other tool."""
    files = sorted(path for path in folder.below if _OF_NODE.search(path) and not is_aside(path))
    if found.package_manager in ("bun", "deno"):
        return
    if not files:
        _typed_tests(found, folder)
        return
    text = folder.text(files[0]) or ""
    if "node:test" in text or not _OF_OTHERS.search(text):
        found.has_tests = True
        found.set("test_tool", "node", folder.full(files[0]))
        found.command("test", "node --test", folder.full(files[0]))


def _typed_tests(found: Found, folder: Folder) -> None:
    """Tests in TypeScript that import Node's runner: by tsx, declared or not."""
    files = sorted(path for path in folder.below if _TYPED.search(path) and not is_aside(path))
    named = next((p for p in files[:3] if "node:test" in (folder.text(p, rank=2) or "")), None)
    if named:
        found.has_tests = True
        found.facts["tests_by"] = "tsx" if "tsx" in found.dependencies else "fetched-tsx"
        found.set("test_tool", "node", folder.full(named))
        found.command("test", "npx tsx --test", folder.full(named))


def _resolved(found: Found, tool: str) -> str:
    """`ng test` and its kind call whatever is declared."""
    if tool != "declared":
        return tool
    rules = table("tools")["node_test"]
    for name, rule in rules.items():
        if any(dependency in found.dependencies for dependency in rule.get("dependencies", ())):
            return str(name)
    return "karma"


def _expanded(known: dict[str, str], name: str, depth: int = 4) -> str:
    """A script with the scripts it calls put in."""
    text = known[name]
    if depth:
        for called in _called(known, text):
            if called != name:
                text += " ; " + _expanded(known, called, depth - 1)
    return text


def _called(known: dict[str, str], text: str) -> list[str]:
    """Scripts that a script runs: one by npm and its kin, several by npm-run-all's commands."""
    called = re.findall(r"\b(?:run|npm|yarn|pnpm|bun)\s+([\w:.-]+)", text)
    for words in re.findall(r"\b(?:run-s|run-p|npm-run-all2?)\s+([^&|;]+)", text):
        for word in words.split()[:20]:
            called += [name for name in known if fnmatchcase(name, word.replace("**", "*"))]
    return [name for name in dict.fromkeys(called) if name in known][:20]


def _tools(found: Found, folder: Folder) -> None:
    rules = table("tools")
    for linter, rule in rules["node_lint"].items():
        named = [name for name in rule["dependencies"] if name in found.dependencies]
        files = folder.like(*rule.get("files", ()))
        if named or files:
            found.note("linters", [linter])
            line = folder.line("package.json", f'"{named[0]}"') if named else 0
            found.say(f"linter={linter}", folder.full("package.json" if named else files[0]), line)
    for name in rules["node_coverage"]["dependencies"]:
        if name in found.dependencies:
            line = folder.line("package.json", f'"{name}"')
            found.set("coverage_tool", name, found.manifest, line)
