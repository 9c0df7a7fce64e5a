"""Plug-ins that pytest needs before it starts: those whose options or settings a project uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workers.detect.found import Folder, Found

OPTIONS: Mapping[str, str] = {
    "pytest-xdist": r"(?:^|\s)-n[ =]?(?:\d|auto|logical)|--numprocesses\b|--dist\b",
    "pytest-timeout": r"--timeout\b|^timeout\s*=",
    "pytest-asyncio": r"--asyncio-mode\b|^asyncio_\w+\s*=",
    "pytest-django": r"--ds\b|--reuse-db\b|--no-?migrations\b|^DJANGO_SETTINGS_MODULE\s*=",
    "pytest-rerunfailures": r"--reruns\b|^reruns\s*=",
    "pytest-benchmark": r"--benchmark-",
    "pytest-html": r"--html\b|--self-contained-html\b",
    "pytest-env": r"^env\s*=",
    "pytest-socket": r"--disable-socket\b|--allow-hosts\b",
    "pytest-recording": r"--block-network\b|--record-mode\b",
    "pytest-instafail": r"--instafail\b",
    "pytest-mypy": r"--mypy\b",
    "pytest-randomly": r"-p[ =]?randomly\b|--randomly-",
}
"""Plug-in by what stands in pytest's settings; without it pytest refuses the option."""

BY_PYTEST = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test)\.py$")
"""Files that pytest takes for tests without being told (docs.pytest.org, `python_files`)."""

USES: Mapping[str, str] = {
    "pytest-asyncio": r"@pytest\.mark\.asyncio|@pytest_asyncio\.",
    "pytest-mock": r"def \w+\([^)]*\bmocker\b",
    "pytest-django": r"@pytest\.mark\.django_db",
}
"""Plug-in by what stands in a test."""


def named(settings: str) -> list[str]:
    """The patterns of files that pytest is told to take for tests (`python_files`)."""
    found = re.search(r"(?m)^python_files\s*=\s*((?:.|\n[ \t]+)*)", settings)
    return [name for name in found[1].split()[:10] if name.endswith(".py")] if found else []


def plugins(found: Found, folder: Folder, settings: str, test: str) -> None:
    """Sets the fact `pytest_plugins`, names apart by one blank; `test` is a file of tests.

    Where pytest is told to, the examples in docstrings are tests, whatever the files are called.
    """
    if "--doctest-modules" in settings:
        found.has_tests = True
    text = folder.reader.text(test, rank=3) or "" if test else ""
    used = [name for name, pattern in OPTIONS.items() if re.search(pattern, settings, re.M)]
    used += [name for name, pattern in USES.items() if re.search(pattern, text)]
    found.facts["pytest_plugins"] = " ".join(dict.fromkeys(used))
    if test and not BY_PYTEST.search(test) and "python_files" not in settings:
        found.facts["tests_named"] = "otherwise"


def settings(folder: Folder, project: Mapping[str, Any]) -> str:
    """Pytest's own settings in each of the files that may hold them, as lines of an ini file."""
    return "\n".join(_settings(folder, project))


def _settings(folder: Folder, project: Mapping[str, Any]) -> Iterator[str]:
    tool = project.get("tool")
    table = tool.get("pytest") if isinstance(tool, dict) else None
    options = table.get("ini_options") if isinstance(table, dict) else None
    for key, value in options.items() if isinstance(options, dict) else ():
        yield f"{key} = {' '.join(map(str, value)) if isinstance(value, list) else value}"
    for file, section in (
        ("pytest.ini", "[pytest]"),
        (".pytest.ini", "[pytest]"),
        ("tox.ini", "[pytest]"),
        ("setup.cfg", "[tool:pytest]"),
    ):
        _, _, rest = (folder.text(file) or "").partition(section)
        yield rest.partition("\n[")[0]
