"""How a Python project is tested and checked, and which Python its setup files ask for."""

from __future__ import annotations

import re
from typing import Any

from workers.detect import versions
from workers.detect.found import Folder, Found
from workers.detect.rules import table

PREFIX = {
    "uv": "uv run ",
    "poetry": "poetry run ",
    "pdm": "pdm run ",
    "pipenv": "pipenv run ",
    "pixi": "pixi run ",
}


def tests(found: Found, folder: Folder, project: dict[str, Any]) -> None:
    """Sets test tool, test, lint and build commands, coverage and linters."""
    tool = project.get("tool") if isinstance(project.get("tool"), dict) else {}
    configured = tool if isinstance(tool, dict) else {}
    files = folder.find("test_*.py", "*_test.py", "tests.py", "test.py")
    found.has_tests = bool(files)
    _tool(found, folder, configured, files)
    _commands(found, folder, files)
    _linters(found, folder, configured)
    if {"pytest-cov", "coverage"} & found.dependencies.keys() or "coverage" in configured:
        file = found.dependencies.get("pytest-cov") or found.dependencies.get("coverage")
        found.set("coverage_tool", "coverage", file or folder.full("pyproject.toml"))
    if "build-system" in project or folder.has("setup.py"):
        build = {
            "uv": "uv build",
            "poetry": "poetry build",
            "pdm": "pdm build",
            "hatch": "hatch build",
        }
        command = build.get(found.package_manager or "", "python -m build")
        found.command("build", command, found.manifest)


def _tool(found: Found, folder: Folder, tool: dict[str, Any], files: list[str]) -> None:
    if "pytest" in tool:
        line = folder.line("pyproject.toml", "[tool.pytest")
        found.set("test_tool", "pytest", folder.full("pyproject.toml"), line)
    for name, rule in table("tools")["python_test"].items():
        for dependency in rule["dependencies"]:
            if dependency in found.dependencies:
                file = found.dependencies[dependency]
                relative = file[len(folder.path) :].lstrip("/")
                found.set("test_tool", name, file, folder.line(relative, dependency))
        present = folder.has(*rule.get("files", ())) or next(
            (path for path in folder.find(*rule.get("files", ()))), None
        )
        if present:
            found.set("test_tool", name, folder.full(present))
    for name, section in (("setup.cfg", "[tool:pytest]"), ("tox.ini", "[pytest]")):
        if section in (folder.text(name) or ""):
            found.set("test_tool", "pytest", folder.full(name), folder.line(name, section))
    if folder.has("tox.ini"):
        text = folder.text("tox.ini") or ""
        for name, pattern in (("pytest", r"\b(py\.test|pytest)\b"), ("unittest", r"-m unittest")):
            match = re.search(pattern, text)
            if match:
                found.set(
                    "test_tool", name, folder.full("tox.ini"), folder.line("tox.ini", match.group())
                )
    if found.framework == "django" and folder.has("manage.py") and files:
        found.set("test_tool", "django", folder.full(files[0]))
    if files and not found.test_tool:
        found.set("test_tool", _by_content(folder, files[0]), folder.full(files[0]))


def _by_content(folder: Folder, file: str) -> str:
    text = folder.text(file, rank=3) or ""
    if (
        re.search(r"^\s*(import unittest|from unittest import)", text, re.M)
        and "pytest" not in text
    ):
        return "unittest"
    return "pytest"


def _commands(found: Found, folder: Folder, files: list[str]) -> None:
    prefix = PREFIX.get(found.package_manager or "", "")
    direct = {
        "pytest": f"{prefix}pytest",
        "unittest": f"{prefix}python -m unittest discover",
        "django": f"{prefix}python manage.py test",
        "nose2": f"{prefix}nose2",
        "nose": f"{prefix}nosetests",
        "behave": f"{prefix}behave",
        "stestr": f"{prefix}stestr run",
    }
    cause = folder.full(files[0]) if files else found.manifest
    if found.test_tool:
        found.command("test", direct.get(found.test_tool, f"{prefix}pytest"), cause)
    if folder.has("tox.ini"):
        found.command("test", "tox", folder.full("tox.ini"))
    if folder.has("noxfile.py"):
        found.command("test", "nox", folder.full("noxfile.py"))


def _linters(found: Found, folder: Folder, tool: dict[str, Any]) -> None:
    for name, rule in table("tools")["python_lint"].items():
        dependency = next((d for d in rule["dependencies"] if d in found.dependencies), None)
        file = folder.has(*rule.get("files", ()))
        if dependency:
            found.say(f"linter={name}", found.dependencies[dependency])
        elif name in tool:
            line = folder.line("pyproject.toml", f"[tool.{name}")
            found.say(f"linter={name}", folder.full("pyproject.toml"), line)
        elif file:
            found.say(f"linter={name}", folder.full(file))
        else:
            continue
        found.note("linters", [name])


def setup_version(found: Found, folder: Folder) -> None:
    """python_requires of setup.py or setup.cfg, and conda's python."""
    pattern = r"python_requires\s*=\s*['\"]?([^'\"\n]+)"
    for name in ("setup.cfg", "setup.py"):
        match = re.search(pattern, folder.text(name, rank=2) or "")
        if match:
            version = versions.lower_bound(match.group(1), parts=2)
            found.set("version", version, folder.full(name), folder.line(name, "python_requires"))
    for name in ("environment.yml", "environment.yaml"):
        match = re.search(r"^\s*-\s*python\s*[=<>~]+\s*([\d.]+)", folder.text(name) or "", re.M)
        if match:
            found.set("version", match.group(1), folder.full(name), folder.line(name, "python"))
