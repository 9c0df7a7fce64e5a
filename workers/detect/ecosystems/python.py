"""Python: pyproject.toml, requirements, Pipfile, setup.py and the tools around them."""

from __future__ import annotations

import re
from typing import Any

from workers.detect import frameworks, versions
from workers.detect.ecosystems import (
    imports,
    python_entry,
    python_install,
    python_needs,
    python_tests,
)
from workers.detect.ecosystems.python_deps import Declared, declared, normal
from workers.detect.families import GLUE
from workers.detect.found import Folder, Found
from workers.detect.monorepo import expand
from workers.detect.sources import is_test

MANIFESTS = (
    "pyproject.toml",
    "requirements.txt",
    "Pipfile",
    "setup.py",
    "setup.cfg",
    "environment.yml",
    "environment.yaml",
    "pixi.toml",
)
OTHERWISE = ("dev[-_.]requirements.txt", "test[-_.]requirements.txt", "tests[-_.]requirements.txt")
"""Requirements by the other order of words."""
LOCKS = (
    ("uv.lock", "uv"),
    ("poetry.lock", "poetry"),
    ("pdm.lock", "pdm"),
    ("Pipfile.lock", "pipenv"),
    ("pixi.lock", "pixi"),
    ("pylock.toml", "pip"),
    ("conda-lock.yml", "conda"),
)


def inspect(folder: Folder, example: str = "") -> Found | None:
    """The Python side of a folder; None without a manifest or a script at its top.

    `example` is a source further down that stands for the folder where nothing else does.
    """
    manifests = [name for name in MANIFESTS if folder.has(name)]
    scripts = [name for name in folder.like("*.py") if not re.match(r"(example|sample)s?\b", name)]
    requirements = folder.like("requirements*.txt", "requirements*.in", *OTHERWISE)
    if folder.folders & {"requirements"}:
        folder.reader.want_listing(folder.full("requirements"))
        found_below = (n for n in folder.below if n.startswith("requirements/"))
        requirements += [n for n in found_below if n.endswith((".txt", ".in"))]
    cause = next(iter(manifests + requirements + scripts), example)
    if not cause:
        return None
    project = folder.toml("pyproject.toml", rank=0)
    found = Found(
        folder=folder.path, ecosystem="python", language="python", manifest=folder.full(cause)
    )
    found.manifests = [folder.full(name) for name in dict.fromkeys(manifests + requirements)]
    found.say("language=python", found.manifest)
    deps = declared(folder, project, requirements)
    found.dependencies = {name: folder.full(file) for name, file in deps.all.items()}
    _manager(found, folder, project)
    _version(found, folder, project)
    _framework(found, folder, deps)
    _workspace(found, folder, project)
    python_entry.entry(found, folder, project)
    python_tests.tests(found, folder, project)
    _extension(found, folder, project)
    python_install.facts(found, folder, project)
    python_needs.facts(found, folder, project)
    python_entry.served(found, folder)
    found.strength = _strength(found, folder, project, bool(manifests or requirements))
    return found


def _manager(found: Found, folder: Folder, project: dict[str, Any]) -> None:
    """Lock file, tool table, build backend, Pipfile, conda, hatch environments, else pip."""
    tools = project.get("tool") if isinstance(project.get("tool"), dict) else {}
    locks = [(name, manager) for name, manager in LOCKS if folder.has(name)]
    found.note("lock_files", (folder.full(name) for name, _ in locks))
    for name, manager in locks:
        found.set("package_manager", manager, folder.full(name))
    for manager in ("poetry", "pdm", "pixi", "uv"):
        if isinstance(tools, dict) and manager in tools:
            line = folder.line("pyproject.toml", f"[tool.{manager}")
            found.set("package_manager", manager, folder.full("pyproject.toml"), line)
    backend = str(_table(project, "build-system").get("build-backend", ""))
    for prefix, manager in (("poetry", "poetry"), ("pdm", "pdm"), ("uv_build", "uv")):
        if backend.startswith(prefix):
            line = folder.line("pyproject.toml", backend)
            found.set("package_manager", manager, folder.full("pyproject.toml"), line)
    for name, manager in (("Pipfile", "pipenv"), ("pixi.toml", "pixi"), ("hatch.toml", "hatch")):
        if folder.has(name):
            found.set("package_manager", manager, folder.full(name))
    if "envs" in _table(_table(project, "tool"), "hatch"):
        line = folder.line("pyproject.toml", "[tool.hatch.envs")
        found.set("package_manager", "hatch", folder.full("pyproject.toml"), line)
    conda = folder.has("environment.yml", "environment.yaml")
    if conda and not folder.has("requirements.txt", "setup.py", "pyproject.toml"):
        found.set("package_manager", "conda", folder.full(conda))
    found.set("package_manager", "pip", found.manifest)
    if folder.path and found.package_manager == "pip":
        root = Folder(folder.reader)
        tables = _table(root.toml("pyproject.toml", rank=0), "tool")
        if root.has("uv.lock") and "workspace" in _table(tables, "uv"):
            found.package_manager = "uv"
            found.say("package_manager=uv", "uv.lock")


def _table(table: Any, key: str) -> dict[str, Any]:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, dict) else {}


def _version(found: Found, folder: Folder, project: dict[str, Any]) -> None:
    """Pin files, asdf, mise, Pipfile, requires-python, poetry's python, setup files, conda."""
    versions.set_version(found, folder, "python")
    requires = _table(folder.toml("Pipfile", rank=0), "requires")
    pipfile = requires.get("python_full_version") or requires.get("python_version")
    if pipfile:
        line = folder.line("Pipfile", "python_")
        found.set("version", versions.pinned(str(pipfile)), folder.full("Pipfile"), line)
    poetry = _table(_table(_table(project, "tool"), "poetry"), "dependencies").get("python")
    poetry = poetry.get("version") if isinstance(poetry, dict) else poetry
    for wanted, needle in (
        (_table(project, "project").get("requires-python"), "requires-python"),
        (poetry, "python ="),
    ):
        version = versions.lower_bound(str(wanted), parts=2) if wanted else None
        found.set(
            "version", version, folder.full("pyproject.toml"), folder.line("pyproject.toml", needle)
        )
    python_tests.setup_version(found, folder)


def _framework(found: Found, folder: Folder, deps: Declared) -> None:
    own = normal(deps.name)
    run = {name: folder.full(file) for name, file in deps.run.items() if name != own}
    run = imports.seen(folder, run)
    frameworks.set_framework(found, folder, run, (name for name in deps.dev if name != own))
    if found.framework is None:
        scripts = [] if deps.name else folder.like("*.py")[: imports.MOST]
        entries = [name for name in imports.ENTRIES if folder.has(name)]
        imported = imports.python(folder, entries or scripts)
        frameworks.set_framework(found, folder, {n: f for n, f in imported.items() if n != own})


def _workspace(found: Found, folder: Folder, project: dict[str, Any]) -> None:
    workspace = _table(_table(_table(project, "tool"), "uv"), "workspace")
    globs = workspace.get("members")
    if not isinstance(globs, list):
        return
    excluded = workspace.get("exclude")
    globs = globs + [f"!{glob}" for glob in excluded] if isinstance(excluded, list) else globs
    found.members = expand(folder, [str(glob) for glob in globs], ("pyproject.toml",))
    if found.members:
        line = folder.line("pyproject.toml", "[tool.uv.workspace]")
        found.set("monorepo", "uv", folder.full("pyproject.toml"), line)


def _extension(found: Found, folder: Folder, project: dict[str, Any]) -> None:
    """C sources that the package's own build compiles belong to the package."""
    requires = str(_table(project, "build-system").get("requires", "")).lower()
    script = folder.text("setup.py", rank=1) or ""
    counts = folder.sources
    beside = 5 * counts.get("python", 0) < counts.get("c", 0) + counts.get("cpp", 0)
    called = "scikit-build" in requires or "cmake" in requires
    if beside and folder.has("CMakeLists.txt") and not called:
        return  # a library of C++ that CMake builds, and its bindings
    if "cython" in requires or "meson-python" in requires or "Extension(" in script:
        found.facts["extension"] = "c"


def _written_below(folder: Folder) -> bool:
    """Whether all sources stand in folders with a manifest of their own: the root only repeats."""
    parts = {path.rpartition("/")[0] for path in folder.find(*MANIFESTS) if "/" in path}
    sources = [path for path in folder.find("*.py", "*.ipynb") if not is_test(path)]
    below = [path for path in sources if any(path.startswith(part + "/") for part in parts)]
    return 0 < len(below) == len(sources) and not folder.unsure


def _strength(found: Found, folder: Folder, project: dict[str, Any], has_manifest: bool) -> float:
    own = "project" in project or folder.has("setup.py", "Pipfile", "manage.py")
    if not own and _written_below(folder):
        return 0.5
    if found.framework or own:
        return 1.0
    if "poetry" in _table(project, "tool"):
        return 1.0
    tools_only = folder.has("pyproject.toml") and not found.dependencies
    if tools_only and not folder.has("requirements.txt", "setup.cfg"):
        return 0.4 if folder.sources.get("python") else 0.1
    written = folder.unsure or bool(folder.sources.keys() & {"python", "notebook"})
    if not folder.sources.keys() - GLUE and not folder.like("*.sh", "*.html"):
        written = True  # nothing else is: a program of one command, or hooks of a platform
    return 0.3 if not has_manifest else 0.9 if written else 0.5
