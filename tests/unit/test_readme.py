"""The README names commands, tests, settings and files: each of them is there."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from service.cli import app
from workers.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CODE = re.findall(r"`([^`\n]+)`", README) + [
    line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()
]


def named_tests() -> list[str]:
    return sorted({code for code in CODE if re.match(r"(\S*/)?pytest tests/", code)})


def functions(path: Path) -> set[str]:
    files = [path] if path.is_file() else sorted(path.rglob("test_*.py"))
    return {
        node.name
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    }


@pytest.mark.parametrize("command", named_tests())
def test_a_test_that_the_readme_names_is_there(command: str) -> None:
    """The file exists, and each word of `-k` is in a test's name."""
    words = shlex.split(command)
    path = ROOT / next(word for word in words if word.startswith("tests/"))
    found = functions(path)
    assert found, command
    wanted = words[words.index("-k") + 1] if "-k" in words else ""
    for word in re.split(r"\s+or\s+", wanted):
        assert any(word in name for name in found), f"{command}: no test has {word!r} in its name"


def test_every_command_that_the_readme_shows_exists() -> None:
    """`devops-backend X` is a command of the program."""
    known = set(typer.main.get_group(app).commands)
    shown = {
        word for code in CODE for word in re.findall(r"devops-backend ([a-z][a-z-]*)\b(?!/)", code)
    }
    assert shown and shown <= known, shown - known


def test_every_module_that_is_run_by_name_exists() -> None:
    """`python -m tests.x` can be run."""
    for name in {m for code in CODE for m in re.findall(r"python -m (tests[.\w]*)", code)}:
        path = ROOT / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name


def test_every_setting_has_its_row() -> None:
    """The table of settings and the program's own agree, both ways."""
    section = README.split("## Settings")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    shown = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert shown == {name.upper() for name in Settings.model_fields}


def test_every_file_that_the_readme_points_at_exists() -> None:
    """Paths in backticks, as they stand in the checkout."""
    for path in {
        c for c in CODE if re.fullmatch(r"(service|workers|templates|tests|\.ci)/[\w./]+", c)
    }:
        assert (ROOT / path).exists(), path
