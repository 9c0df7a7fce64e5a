"""GitLab's own schema tests, as data."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path

import pytest

from workers.pipeline.lint import check, check_schema

SUITE = Path(__file__).parents[2] / "samples" / "ci" / "suite"
MANIFEST = json.loads((SUITE / "manifest.json").read_text())
CASES = {entry["path"]: entry["expect"] for entry in MANIFEST}


def test_the_suite_is_whole() -> None:
    """36 valid and 76 invalid files, every one of them named in the manifest."""
    files = {str(path.relative_to(SUITE)) for path in SUITE.rglob("*.yml")}
    assert files == set(CASES)
    assert sorted(CASES.values()) == ["invalid"] * 76 + ["valid"] * 36


@pytest.mark.parametrize("path", CASES)
def test_the_schema_layer_agrees_with_gitlab(path: str) -> None:
    """Every file gets the verdict that GitLab's editor gives it."""
    report = check_schema((SUITE / path).read_bytes())
    assert report.valid == (CASES[path] == "valid"), report.errors


@pytest.mark.parametrize("path", [path for path, expect in CASES.items() if expect == "invalid"])
def test_the_whole_validator_refuses_what_the_schema_refuses(path: str) -> None:
    """No invalid file passes, and every finding has a line inside the file and words."""
    text = (SUITE / path).read_text()
    report = check(text)
    assert not report.valid
    lines = len(text.splitlines())
    assert all(1 <= found.line <= lines and found.message for found in report.errors)


def test_the_schema_is_the_one_that_its_note_names() -> None:
    """The data file was not edited: its digest stands beside its origin."""
    folder = resources.files("workers.pipeline.lint")
    meta = json.loads(folder.joinpath("ci-schema.meta.json").read_bytes())
    digest = hashlib.sha256(folder.joinpath("ci-schema.json").read_bytes()).hexdigest()
    assert digest == meta["sha256"]
    assert meta["license"].startswith("MIT") and meta["version"]
