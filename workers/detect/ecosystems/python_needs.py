"""What the tests of a Python project need beside its dependencies, and where that is written."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from workers.detect.ecosystems.python_deps import requirement
from workers.detect.found import Folder, Found

_OF_TESTS = (
    "requirements{}test.txt", "requirements{}tests.txt", "requirements{}testing.txt",
    "test{}requirements.txt", "tests{}requirements.txt", "requirements/test.txt",
    "requirements/tests.txt", "requirements/testing.txt", "requirements/ci.txt",
    "test/requirements.txt", "tests/requirements.txt",
)  # fmt: skip
_OF_DEVELOPERS = (
    "requirements{}dev.txt", "requirements{}development.txt", "dev{}requirements.txt",
    "requirements/dev.txt", "requirements/develop.txt", "requirements/development.txt",
)  # fmt: skip
"""Usual names of files of requirements; {} is how their words are put together."""

_LITERAL = re.compile(r"([A-Z][A-Z0-9_]*)\s*=\s*([\w./:,-]+)$", re.ASCII)
_OURS = re.compile(r"PATH$|^(?:CI|GITLAB|LD|PIP|UV|PYTHON)|TOKEN|SECRET|PASS|KEY|CREDENTIAL")
"""Variables that a pipeline sets itself, or that look like what no file should hold."""
_TAKE_A_FILE = ("-r", "-e", "-c", "--requirement", "--editable", "--constraint")
_SESSION = re.compile(r"pytest|unittest|coverage")


def facts(found: Found, folder: Folder, project: Mapping[str, Any]) -> None:
    """Sets the facts `test_requirements`, `dev_requirements` (files), `test_needs` (packages that
    only tox or nox name) and `test_environment` (`NAME=value` as tox sets it, apart by blanks).
    """
    found.facts["test_requirements"] = _first(folder, _OF_TESTS)
    found.facts["dev_requirements"] = _first(folder, _OF_DEVELOPERS)
    tox = _tox(folder, project)
    named = [*_tox_packages(tox), *_nox_packages(folder.text("noxfile.py") or "")]
    needed = (requirement(text) for text in named)
    brought = {*found.dependencies, "pytest", "pytest-cov", "coverage"}
    fresh = [name for name in needed if name and name not in brought]
    found.facts["test_needs"] = " ".join(dict.fromkeys(fresh[:12]))
    found.facts["test_environment"] = " ".join(_variables(tox))


def _first(folder: Folder, names: Iterable[str]) -> str:
    written = (name.format(sign) for name in names for sign in ("-", "_", "."))
    return folder.has(*written) or ""


def _tox(folder: Folder, project: Mapping[str, Any]) -> Mapping[str, str]:
    """The options of tox's own test environment, as an ini file has them; it is parsed only."""
    tool = project.get("tool")
    table = tool.get("tox") if isinstance(tool, dict) else None
    legacy = table.get("legacy_tox_ini") if isinstance(table, dict) else None
    texts = (folder.text("tox.ini"), legacy if isinstance(legacy, str) else None)
    for text in texts:
        parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
        try:
            parser.read_string(text or "")
        except configparser.Error:
            continue
        if parser.has_section("testenv"):
            return {name: value or "" for name, value in parser.items("testenv")}
    return {}


def _tox_packages(tox: Mapping[str, str]) -> Iterator[str]:
    """Plain requirements: no files, factors (`py39: …`) or substitutions (`{…}`)."""
    if not _SESSION.search(tox.get("commands", "")):
        return
    for line in tox.get("deps", "").splitlines():
        if line.strip() and not re.match(r"\s*[-.#/]|[^=<>~!;]*:", line) and "{" not in line:
            yield line.strip()


def _variables(tox: Mapping[str, str]) -> Iterator[str]:
    for line in (tox.get("setenv") or tox.get("set_env") or "").splitlines()[:20]:
        match = _LITERAL.match(line.strip())
        if match and not _OURS.search(match[1]):
            yield f"{match[1]}={match[2]}"


def _nox_packages(text: str) -> Iterator[str]:
    """What the session that tests installs by literal names; the file is parsed, never run."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
        if any(_SESSION.search(word) for call in _of(calls, "run") for word in _words(call)):
            yield from (w for call in _of(calls, "install") for w in _packages(_words(call)))


def _of(calls: Iterable[ast.Call], name: str) -> Iterator[ast.Call]:
    return (c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == name)


def _words(call: ast.Call) -> list[str]:
    return [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]


def _packages(words: list[str]) -> list[str]:
    """Names among `pip install`'s words: no options, and no file that an option names."""
    before = ["", *words]
    named = [word for word, last in zip(words, before, strict=False) if last not in _TAKE_A_FILE]
    return [word for word in named if word[:1].isalnum()]
