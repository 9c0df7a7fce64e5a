"""Rendered files of known stacks: their bytes, and what outside judges say of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.readme import README, rewritten
from tests.golden.stacks import STACKS, plan_of
from workers.pipeline import lint, policy
from workers.pipeline.render import render
from workers.pipeline.templates import Templates

GOLDEN = Path(__file__).resolve().parents[2] / "golden"


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates.load()


@pytest.mark.parametrize("name", STACKS)
def test_rendered_files_are_the_golden_ones(name: str, templates: Templates) -> None:
    """A template's change shows as a diff; `python -m tests.golden.update` accepts it."""
    kept = {path.name: path.read_text() for path in (GOLDEN / name).iterdir()}
    assert render(plan_of(name, templates)) == kept


def test_the_readme_shows_what_is_generated_today() -> None:
    """One pipeline and its merge request in full; `python -m tests.golden.update` writes it."""
    text = README.read_text()
    assert rewritten(text) == text
    for part in ("learn_record:", "FROM scratch", "```mermaid", "## How it went"):
        assert part in text
    with pytest.raises(ValueError, match="no markers"):
        rewritten("no such block")


@pytest.mark.parametrize("name", STACKS)
def test_policy_lets_every_golden_plan_through(name: str, templates: Templates) -> None:
    plan = plan_of(name, templates)
    assert policy.check(plan, render(plan)) == []


@pytest.mark.parametrize("name", STACKS)
def test_linter_has_nothing_to_say(name: str, templates: Templates) -> None:
    """GitLab's CI schema and semantics. Only variables that the plan asks for may be undefined."""
    report = lint.check((GOLDEN / name / ".gitlab-ci.yml").read_text())
    asked = {row.name for row in plan_of(name, templates).required_variables}
    undefined = [w for w in report.warnings if w.code == "undefined-variable"]
    assert report.errors == ()
    assert [w for w in report.warnings if w not in undefined] == []
    assert {w.message.split("`")[1] for w in undefined} <= asked


@pytest.mark.parametrize("name", [n for n in STACKS if (GOLDEN / n / "Dockerfile").exists()])
def test_hadolint_finds_nothing_above_info(name: str) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    run = subprocess.run(
        [hadolint, "--format", "json", "--no-fail", str(GOLDEN / name / "Dockerfile")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = [f for f in json.loads(run.stdout) if f["level"] in ("error", "warning")]
    assert found == []
