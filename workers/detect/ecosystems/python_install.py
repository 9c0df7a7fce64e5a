"""What a pipeline installs before a Python project is tested, beside what its manager locks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from workers.detect.ecosystems import imports
from workers.detect.found import Folder, Found

_TESTING = ("test", "tests", "testing", "dev", "develop", "development", "all")
"""Names of extras and dependency groups that hold what tests need, the surest first."""

KNOWN: Mapping[str, str] = {
    **{name: name for name in ("aiohttp", "click", "django", "flask", "httpx", "matplotlib")},
    **{name: name for name in ("numpy", "pandas", "pydantic", "requests", "rich", "scipy")},
    **{name: name for name in ("sqlalchemy", "typer", "jinja2", "networkx", "tqdm", "tabulate")},
    "bs4": "beautifulsoup4",
    "dotenv": "python-dotenv",
    # its test client needs the other one
    "fastapi": "fastapi httpx",
    "pil": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Packages on PyPI by the module that a program imports, in lower case."""


def facts(found: Found, folder: Folder, project: Mapping[str, Any]) -> None:
    """Sets the facts `install`, `extra`, `group`, `hatch_env`, `notebooks`, `imported`,
    `conda_file` and `src`, where sources stand in a folder of that name which nothing installs.

    `install` is `package` where the project can be installed, `dependencies` where pyproject.toml
    only lists some: without a build system setuptools would guess what the packages are, and
    refuses where several folders could be one. It is absent where neither is so.
    """
    own = _table(project, "project")
    # pip refuses a setup.cfg alone; and many hold nothing but settings of tools
    described = folder.has("pyproject.toml") and "[metadata]" in (folder.text("setup.cfg") or "")
    built = "build-system" in project or bool(folder.has("setup.py") or described)
    if built or (own and "src" in folder.folders):
        found.facts["install"] = "package"
    elif own or "dependency-groups" in project:
        found.facts["install"] = "dependencies"
    settings = "".join(folder.text(name) or "" for name in ("pytest.ini", "setup.cfg", "tox.ini"))
    named = "pythonpath" in settings + str(_table(project, "tool").get("pytest", ""))
    if found.facts.get("install") != "package" and "src" in folder.folders and not named:
        found.facts["src"] = "true"
    _choose(found, "extra", _table(own, "optional-dependencies"))
    if "setup.cfg" in found.manifests and "extra" not in found.facts:
        text = folder.text("setup.cfg") or ""
        _, _, extras = text.partition("[options.extras_require]")
        _choose(found, "extra", re.findall(r"(?m)^(\w[\w-]*)\s*=", extras.partition("\n[")[0]))
    _choose(found, "group", _table(project, "dependency-groups"))
    environments = _table(_table(_table(project, "tool"), "hatch"), "envs")
    for name, settings in environments.items():
        if re.search(r"\bpytest\b", str(settings)) and re.fullmatch(r"[\w-]+", name):
            found.facts.setdefault("hatch_env", name)
    if folder.sources.get("notebook"):
        found.facts["notebooks"] = "true"
    found.facts["imported"] = _imported(found, folder)
    found.facts["conda_file"] = folder.has("environment.yml", "environment.yaml") or ""


def _imported(found: Found, folder: Folder) -> str:
    """Packages that a program which declares none imports, as far as everybody knows them."""
    if found.manifests or "notebooks" in found.facts:
        return ""
    entries = [name for name in imports.ENTRIES if folder.has(name)]
    names = imports.python(folder, entries or folder.like("*.py")[: imports.MOST])
    own = {name.partition(".")[0].lower() for name in (*folder.names, *folder.folders)}
    known = (package for name, package in KNOWN.items() if name in names and name not in own)
    return " ".join(known)


def _choose(found: Found, fact: str, names: Iterable[str]) -> None:
    known = {name.lower(): name for name in names}
    chosen = next((known[name] for name in _TESTING if name in known), None)
    if chosen is not None:
        found.facts[fact] = chosen


def _table(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = table.get(key)
    return value if isinstance(value, dict) else {}
