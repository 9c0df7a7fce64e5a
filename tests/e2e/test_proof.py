"""Generated pipelines proved by running them; what this machine lacks is named in a warning.

`python -m tests.proof` runs every program; here are those that take seconds.
"""

from __future__ import annotations

import os
import subprocess
import warnings
from pathlib import Path

import pytest
import yaml

from tests.proof import machine
from tests.proof.generate import generate
from tests.proof.program import Program
from tests.proof.programs import PROGRAMS
from tests.proof.prove import prove
from tests.proof.reports import Tests, count, coverage_ok
from tests.proof.rules import adapt
from tests.proof.runner import Workspace
from workers.pipeline.templates import Templates

ROOT = Path(__file__).parents[2]
QUICK = [program for program in PROGRAMS if program.quick]
INSTALL_S = 240


class NotRunHere(UserWarning):
    """A job that this machine could not carry out, and why."""


@pytest.fixture(scope="module")
def templates() -> Templates:
    return Templates.load()


@pytest.fixture(scope="module")
def runner() -> None:
    """`gitlab-ci-local` and rsync, installed once. Without them nothing is proved: CI fails."""
    if machine.runner_absent():
        script = ROOT / "tests" / "proof" / "toolchains.sh"
        subprocess.run([script, "--runner"], timeout=INSTALL_S, stdin=subprocess.DEVNULL)
    if lacking := machine.runner_absent():
        assert not os.environ.get("CI"), lacking
        pytest.skip(lacking)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_every_program_gets_files_that_all_judges_accept(
    program: Program, templates: Templates
) -> None:
    """Schema, semantics, policy and hadolint have nothing to say, and tests get a test job."""
    generated = generate(program.folder, templates)
    assert generated.problems == ()
    assert not program.tests or any(job.stage == "test" for job in generated.plan.jobs.values())


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_each_program_can_be_broken_as_described(program: Program) -> None:
    """Every edit names a text that stands in its file just once, so no proof breaks nothing."""
    for edit in (program.broken_test, program.broken_compile):
        before = (program.folder / edit.path).read_text()
        assert edit.apply(before) != before


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("program", QUICK, ids=lambda program: program.name)
def test_a_first_pipeline_is_green_and_a_broken_program_red(
    program: Program, templates: Templates, tmp_path: Path
) -> None:
    """Jobs green, reports there with every test counted; then red for a test, red for a build."""
    proof = prove(program, templates, tmp_path / program.name)
    for job in proof.jobs:
        if job.verdict == "static":
            message = f"{program.name}: {job.job} was checked statically only: {job.reason}"
            warnings.warn(message, NotRunHere, stacklevel=1)
    assert proof.findings == ()
    ran = {job.stage for job in proof.jobs if job.verdict == "green"}
    assert proof.broken_test == ("red" if "test" in ran else "static")
    assert proof.broken_compile == ("red" if "compile" in ran else "static")


@pytest.mark.usefixtures("runner")
def test_a_job_that_hangs_is_killed_with_all_it_started(tmp_path: Path) -> None:
    """The time runs out, the exit code says so, and no process of the job is left."""
    program = tmp_path / "program"
    program.mkdir()
    marker = f"hang.{os.getpid()}"
    script = {"compile": {"stage": "compile", "script": [f"bash -c 'sleep 300; : {marker}'"]}}
    text = yaml.safe_dump({"stages": ["compile"], **script})
    workspace = Workspace(tmp_path / "work", program, {".gitlab-ci.yml": text})
    ran = workspace.run("compile", machine.Bench({}), timeout=4)
    assert ran.code == 137
    assert f"$ bash -c 'sleep 300; : {marker}'" in ran.output
    shown = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert marker not in shown.stdout


def test_counting_knows_failures_errors_and_skipped_tests(tmp_path: Path) -> None:
    """A skipped test did not run; an error is a failure."""
    report = tmp_path / "report.xml"
    report.write_text(
        "<testsuites><testsuite><testcase/><testcase><failure/></testcase>"
        "<testcase><error/></testcase><testcase><skipped/></testcase></testsuite></testsuites>"
    )
    assert count([report]) == Tests(ran=3, failed=2, skipped=1)


def test_an_empty_coverage_report_is_none(tmp_path: Path) -> None:
    """A report that counts no line proves nothing."""
    empty, full = tmp_path / "empty.xml", tmp_path / "full.xml"
    empty.write_text("<coverage/>")
    full.write_text('<coverage><line number="1" hits="1"/></coverage>')
    assert coverage_ok([full])
    assert not coverage_ok([empty])
    assert not coverage_ok([])


def test_nothing_is_changed_in_a_line_without_saying_so() -> None:
    """Whatever is left out or replaced stands among the changes, with a reason."""
    lines = ("apt-get update -qq", "make test")
    adapted = adapt(lines)
    assert adapted.lines == ("make test",)
    assert adapted.changes == ("apt-get update -qq: the machine's own packages",)
