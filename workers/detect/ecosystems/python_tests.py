"""How a Python project is tested and checked, and which Python its setup files ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from workers.detect import versions
from workers.detect.ecosystems import python_plugins
from workers.detect.found import Folder, Found
from workers.detect.rules import table
from workers.detect.sources import is_test

PREFIX = {
    "uv": "uv run ",
    "poetry": "poetry run ",
    "pdm": "pdm run ",
    "pipenv": "pipenv run ",
    "pixi": "pixi run ",
}
RUN = {
    "pytest": "pytest",
    "unittest": "python -m unittest discover",
    "django": "python manage.py test",
    "nose2": "nose2",
    "nose": "nosetests",
    "behave": "behave",
    "stestr": "stestr run",
}
BUILD = {
    "uv": "uv build",
    "poetry": "poetry build",
    "pdm": "pdm build",
    "hatch": "hatch build",
}
RUNNER = r"\brun_?tests\.py\b"
"""A project's own program that runs its tests."""
RUNNERS = tuple(
    f"{folder}{name}.py" for folder in ("", "tests/", "test/") for name in ("runtests", "run_tests")
)
CALLS = (
    ("pytest", r"\b(py\.test|pytest)\b"),
    ("unittest", rf"-m unittest|{RUNNER}"),
)
FILES = ("test_*.py", "*_test.py", "*_tests.py", "tests.py", "test.py")


def tests(found: Found, folder: Folder, project: dict[str, Any]) -> None:
    """Sets test tool, test, lint and build commands, coverage and linters."""
    tool = project.get("tool")
    tool = tool if isinstance(tool, dict) else {}
    settings = python_plugins.settings(folder, project)
    files = _files(folder, python_plugins.named(settings))
    found.has_tests = bool(files) or (
        folder.unsure and (_may_hold_tests(folder) or found.framework == "django")
    )
    named = next((path for path in files if python_plugins.BY_PYTEST.search(path)), "")
    python_plugins.plugins(found, folder, settings, named or next(iter(files), ""))
    for name, file, line in _tools(found, folder, tool, files):
        found.set("test_tool", name, file, line)
    _commands(found, folder, tool, files)
    _linters(found, folder, tool)
    if {"pytest-cov", "coverage"} & found.dependencies.keys() or "coverage" in tool:
        cause = found.dependencies.get("pytest-cov") or found.dependencies.get("coverage")
        found.set("coverage_tool", "coverage", cause or folder.full("pyproject.toml"))
    if "build-system" in project or folder.has("setup.py"):
        command = BUILD.get(found.package_manager or "", "python -m build")
        found.command("build", command, found.manifest)


def _may_hold_tests(folder: Folder) -> bool:
    """Whether a folder of tests that was not listed to its end may hold some."""
    tree = folder.reader.tree
    for path in (folder.full(name) for name in sorted(folder.folders & {"test", "tests"})):
        folder.reader.want_listing(path)
        inner = tree.subfolders.get(path, ())
        if tree.is_open(path) or any(tree.is_open(below) for below in inner):
            return True
        if any(file.endswith(".py") for file in tree.below(path)):
            return True
    return False


def _files(folder: Folder, told: Iterable[str]) -> list[str]:
    """Test files from the root; an app in a folder of its own is often tested from outside.

    `told` are patterns that pytest's settings name: what else they find is used where nothing is
    named as usual.
    """
    inside = [folder.full(path) for path in folder.find(*FILES) or folder.find(*told)]
    if inside or not folder.path:
        return inside
    return [path for path in Folder(folder.reader).find(*FILES) if is_test(path)]


def _tools(
    found: Found, folder: Folder, tool: dict[str, Any], files: list[str]
) -> Iterator[tuple[str, str, int]]:
    """Test tools with their evidence, the surest first."""
    if "pytest" in tool:
        line = folder.line("pyproject.toml", "[tool.pytest")
        yield "pytest", folder.full("pyproject.toml"), line
    for name, rule in table("tools")["python_test"].items():
        for dependency in rule["dependencies"]:
            if dependency in found.dependencies:
                file = found.dependencies[dependency]
                yield name, file, folder.line(file[len(folder.path) :].lstrip("/"), dependency)
        yield from ((name, folder.full(p), 0) for p in folder.find(*rule.get("files", ()))[:1])
    for name, section in (("setup.cfg", "[tool:pytest]"), ("tox.ini", "[pytest]")):
        if section in (folder.text(name) or ""):
            yield "pytest", folder.full(name), folder.line(name, section)
    environments = str(tool.get("hatch", ""))
    for name, pattern in (("pytest", r"\bpytest\b"), ("unittest", r"-m unittest")):
        if re.search(pattern, environments):
            line = folder.line("pyproject.toml", "[tool.hatch.envs")
            yield name, folder.full("pyproject.toml"), line
    for file in ("tox.ini", "noxfile.py", "Makefile"):
        text = folder.text(file, rank=1 if file != "Makefile" else 2) or ""
        for name, pattern in CALLS:
            match = re.search(pattern, text)
            if match:
                yield name, folder.full(file), folder.line(file, match.group())
    runner = folder.has(*RUNNERS)
    if runner:
        yield "unittest", folder.full(runner), 0
    manage = _manage(folder) if found.has_tests and found.framework == "django" else None
    if manage:
        yield "django", files[0] if files else folder.full(manage), 0
    if found.has_tests and not files:
        yield "pytest", found.manifest, 0
    if files:
        yield _by_content(folder, files), files[0], 0


def _manage(folder: Folder) -> str | None:
    """Django's program, in the folder itself or in the one of the project."""
    return folder.has("manage.py") or next(
        (path for path in folder.find("manage.py") if path.count("/") == 1), None
    )


def _by_content(folder: Folder, files: list[str]) -> str:
    text = folder.reader.text(files[0], rank=3) or ""
    standard = re.search(r"^\s*(import unittest|from unittest import)", text, re.M)
    return "unittest" if standard and "pytest" not in text else "pytest"


def _commands(found: Found, folder: Folder, tool: dict[str, Any], files: list[str]) -> None:
    prefix = PREFIX.get(found.package_manager or "", "")
    cause = files[0] if files else found.manifest
    hatch = tool.get("hatch")
    environments = hatch.get("envs") if isinstance(hatch, dict) else None
    if found.package_manager == "hatch" or isinstance(environments, dict) and files:
        scripts = str(environments or {})
        if re.search(r"'test'\s*:", scripts):
            line = folder.line("pyproject.toml", "[tool.hatch.envs")
            found.command("test", "hatch run test", folder.full("pyproject.toml"), line)
        elif found.package_manager == "hatch":
            found.command("test", "hatch test", cause)
    if re.search(RUNNER, folder.text("tox.ini") or ""):
        found.command("test", "tox", folder.full("tox.ini"))
    runner = folder.has(*RUNNERS) if found.test_tool == "unittest" else None
    if runner:
        found.command("test", f"{prefix}python {runner}", folder.full(runner))
    if found.test_tool:
        run = RUN.get(found.test_tool, "pytest")
        place, _, name = (_manage(folder) or "").rpartition("/")
        if found.test_tool == "django" and place:
            run = f"python {place}/{name} test {place}"
        found.command("test", prefix + run, cause)
    if folder.has("tox.ini") or "tox" in tool:
        found.command("test", "tox", folder.full(folder.has("tox.ini") or "pyproject.toml"))
    if folder.has("noxfile.py"):
        found.command("test", "nox", folder.full("noxfile.py"))


def _linters(found: Found, folder: Folder, tool: dict[str, Any]) -> None:
    sections = "".join(folder.text(name) or "" for name in ("setup.cfg", "tox.ini"))
    for name, rule in table("tools")["python_lint"].items():
        dependency = next((d for d in rule["dependencies"] if d in found.dependencies), None)
        file = folder.has(*rule.get("files", ()))
        if dependency:
            found.say(f"linter={name}", found.dependencies[dependency])
        elif name in tool:
            line = folder.line("pyproject.toml", f"[tool.{name}")
            found.say(f"linter={name}", folder.full("pyproject.toml"), line)
        elif file or re.search(rf"(?m)^\[{name}\]", sections):
            found.say(
                f"linter={name}", folder.full(file or folder.has("setup.cfg", "tox.ini") or "")
            )
        else:
            continue
        found.note("linters", [name])
        if "command" in rule:
            prefix = PREFIX.get(found.package_manager or "", "")
            found.command("lint", prefix + rule["command"], found.evidence[-1].file)


def setup_version(found: Found, folder: Folder) -> None:
    """python_requires of setup.py or setup.cfg, and the python of conda or pixi."""
    pattern = r"python_requires\s*=\s*['\"]?([^'\"\n]+)"
    for name in ("setup.cfg", "setup.py"):
        match = re.search(pattern, folder.text(name, rank=2) or "")
        if match:
            version = versions.lower_bound(match.group(1), parts=2)
            found.set("version", version, folder.full(name), folder.line(name, "python_requires"))
    for name in ("environment.yml", "environment.yaml"):
        listed = folder.yaml(name).get("dependencies")
        for item in listed if isinstance(listed, list) else ():
            match = re.match(r"python\s*[=<>~]+\s*(\d+(?:\.\d+)*)", str(item))
            if match:
                line = folder.line(name, str(item))
                found.set("version", match.group(1), folder.full(name), line)
    pixi = folder.toml("pixi.toml").get("dependencies")
    wanted = pixi.get("python") if isinstance(pixi, dict) else None
    if isinstance(wanted, str):
        version = versions.lower_bound(wanted, parts=2)
        found.set("version", version, folder.full("pixi.toml"), folder.line("pixi.toml", "python"))
