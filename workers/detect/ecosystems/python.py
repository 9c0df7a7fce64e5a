"""Python: pyproject.toml, requirements, Pipfile, setup.py and the tools around them."""

from __future__ import annotations

import re
from typing import Any

from workers.detect import frameworks, versions
from workers.detect.ecosystems import imports, python_tests
from workers.detect.ecosystems.python_deps import Declared, declared, normal
from workers.detect.found import Folder, Found
from workers.detect.monorepo import expand

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
LOCKS = (
    ("uv.lock", "uv"),
    ("poetry.lock", "poetry"),
    ("pdm.lock", "pdm"),
    ("Pipfile.lock", "pipenv"),
    ("pixi.lock", "pixi"),
    ("pylock.toml", "pip"),
    ("conda-lock.yml", "conda"),
)
SERVERS = frozenset({"flask", "fastapi", "starlette", "litestar", "quart", "falcon", "bottle"})
SERVED_ENTRIES = ("app.py", "main.py", "wsgi.py", "asgi.py", "server.py", "application.py")
"""Where an application object usually stands, in the package of one that serves."""


def inspect(folder: Folder) -> Found | None:
    """The Python side of a folder; None without a manifest or a script at its top."""
    manifests = [name for name in MANIFESTS if folder.has(name)]
    scripts = folder.like("*.py")
    requirements = folder.like("requirements*.txt", "requirements*.in")
    if folder.folders & {"requirements"}:
        folder.reader.want_listing(folder.full("requirements"))
        found_below = (n for n in folder.below if n.startswith("requirements/"))
        requirements += [n for n in found_below if n.endswith((".txt", ".in"))]
    cause = next(iter(manifests + requirements + scripts), None)
    if cause is None:
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
    _entry(found, folder, project)
    python_tests.tests(found, folder, project)
    _extension(found, folder, project)
    _served(found, folder)
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


def _entry(found: Found, folder: Folder, project: dict[str, Any]) -> None:
    name = folder.has(*imports.ENTRIES)
    if name:
        found.set("entry_point", name, folder.full(name))
    scripts = _table(_table(project, "project"), "scripts") or _table(
        _table(_table(project, "tool"), "poetry"), "scripts"
    )
    for command, target in sorted(scripts.items()):
        line = folder.line("pyproject.toml", command)
        found.set("entry_point", str(target), folder.full("pyproject.toml"), line)
    source = _source_dir(folder, str(_table(project, "project").get("name", "")))
    if source:
        found.facts["source_dir"] = source
        served = folder.has(*(f"{source}/{name}" for name in SERVED_ENTRIES))
        if served and found.framework in SERVERS:
            found.set("entry_point", served, folder.full(served))
    if found.framework in ("django",) and folder.has("manage.py"):
        found.command("start", "python manage.py runserver 0.0.0.0:8000", folder.full("manage.py"))


def _extension(found: Found, folder: Folder, project: dict[str, Any]) -> None:
    """C sources that the package's own build compiles belong to the package."""
    requires = str(_table(project, "build-system").get("requires", "")).lower()
    script = folder.text("setup.py", rank=1) or ""
    if "cython" in requires or "meson-python" in requires or "Extension(" in script:
        found.facts["extension"] = "c"


_SERVED = re.compile(
    r"\b(gunicorn|uvicorn|hypercorn|daphne|waitress-serve|granian)\b[^\n]*?\s\"?([\w.]+):(\w+)"
)


def _served(found: Found, folder: Folder) -> None:
    """The module a server is given: by the Procfile or Dockerfile, else Django's wsgi.py."""
    manage = next(iter(folder.find("manage.py")), None) if found.framework == "django" else None
    if manage:
        found.facts["manage"] = manage
    for name in ("Procfile", "Dockerfile"):
        text = (folder.text(name, rank=2) or "").replace('", "', " ").replace('","', " ")
        match = _SERVED.search(text)
        if match:
            kind = "asgi" if match.group(1) in ("uvicorn", "hypercorn", "daphne") else "wsgi"
            found.facts.setdefault(kind, match.group(2))
            found.say(
                f"{kind}={match.group(2)}", folder.full(name), folder.line(name, match.group(2))
            )
    for kind in ("wsgi", "asgi") if found.framework == "django" else ():
        path = next((p for p in folder.find(f"{kind}.py") if p.count("/") <= 2), None)
        if path and kind not in found.facts:
            start = len(manage.rpartition("/")[0]) + 1 if manage and "/" in manage else 0
            found.facts[kind] = path[start:].removesuffix(".py").replace("/", ".")
            found.say(f"{kind}={found.facts[kind]}", folder.full(path))


def _source_dir(folder: Folder, name: str) -> str | None:
    module = normal(name).replace("-", "_")
    packages = sorted(
        path.rpartition("/")[0]
        for path in folder.below
        if path.endswith("/__init__.py") and path.count("/") <= 2
    )
    for package in (f"src/{module}", module):
        if package in packages:
            return package
    named = [p for p in packages if p.split("/")[0] not in ("test", "tests", "docs", "examples")]
    if any(package.startswith("src/") for package in named):
        return "src"
    return named[0] if named else None


def _strength(found: Found, folder: Folder, project: dict[str, Any], has_manifest: bool) -> float:
    if found.framework or "project" in project or folder.has("setup.py", "Pipfile", "manage.py"):
        return 1.0
    if "poetry" in _table(project, "tool"):
        return 1.0
    tools_only = folder.has("pyproject.toml") and not found.dependencies
    if tools_only and not folder.has("requirements.txt", "setup.cfg"):
        return 0.4 if folder.sources.get("python") else 0.1
    written = folder.unsure or folder.sources.keys() & {"python", "notebook"}
    return 0.3 if not has_manifest else 0.9 if written else 0.5
