"""What the schema cannot say: our own cases, each expected finding marked on its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workers.pipeline.lint import check

FOLDER = Path(__file__).parents[2] / "samples" / "ci" / "semantic"
CASES = sorted(path.stem for path in FOLDER.glob("*.yml"))


def marked(text: str, sign: str) -> set[tuple[int, str]]:
    """The findings that comments ask for: `#! code` or `#? code`, with their lines."""
    found = re.compile(rf"#{re.escape(sign)} ([a-z0-9-]+)")
    lines = enumerate(text.splitlines(), 1)
    return {(number, code) for number, line in lines for code in found.findall(line)}


def test_there_are_enough_cases() -> None:
    """At least eighty files, both kinds, and every invalid one marks an error."""
    assert len(CASES) >= 80
    valid = [name for name in CASES if name.startswith("valid-")]
    assert len(valid) >= 40
    for name in set(CASES) - set(valid):
        assert marked((FOLDER / f"{name}.yml").read_text(), "!"), name


@pytest.mark.parametrize("name", CASES)
def test_every_fault_is_found_where_it_is_and_nothing_else(name: str) -> None:
    """The errors are exactly the marked ones, by code and line; marked warnings are given."""
    text = (FOLDER / f"{name}.yml").read_text()
    report = check(text)
    errors = {(found.line, found.code) for found in report.errors}
    warnings = {(found.line, found.code) for found in report.warnings}
    assert errors == marked(text, "!"), report.errors
    assert marked(text, "?") <= warnings, report.warnings
    assert report.valid == name.startswith("valid-")


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("valid-clean-")])
def test_a_clean_file_gets_no_warning(name: str) -> None:
    """What a shell knows by itself, or never expands, is no undefined variable."""
    assert check((FOLDER / f"{name}.yml").read_text()).warnings == ()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("invalid-")])
def test_every_error_says_what_to_do(name: str) -> None:
    """An error has a cause in words and a fix, and fits on a line."""
    for found in check((FOLDER / f"{name}.yml").read_text()).errors:
        assert found.message and found.fix, found
        assert "\n" not in found.message + found.fix
        assert len(found.message) <= 600


@pytest.mark.parametrize("name", CASES)
def test_line_ends_and_bytes_do_not_matter(name: str) -> None:
    """CRLF files and byte strings get the same verdict and lines as LF text."""
    text = (FOLDER / f"{name}.yml").read_text()
    plain = check(text)
    assert check(text.replace("\n", "\r\n")) == plain
    assert check(text.encode()) == plain
