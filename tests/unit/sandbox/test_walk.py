"""Who may start in a pipeline, who is skipped, and how it ends."""

from __future__ import annotations

import pytest

from service.sandbox.repository import Blob
from service.sandbox.state import Job, Pipeline, User
from service.sandbox.walk import (
    FINAL,
    advance,
    count_tests,
    end_jobs,
    start_jobs,
    target_job,
    trace,
    verdict,
)

ADA = User(1, "ada", "Ada", "ada@example.com")


def job(name: str, stage: str, needs: list[str] | None = None, **more: object) -> Job:
    made = Job(hash(name) % 1000, name, stage, [f"run {name}"], needs)
    for key, value in more.items():
        setattr(made, key, value)
    return made


def pipeline(*jobs: Job) -> Pipeline:
    stages = list(dict.fromkeys(made.stage for made in jobs))
    return Pipeline(1, 1, "0" * 40, "0" * 40, "main", "main", "push", ADA, stages, list(jobs))


def walked(made: Pipeline, failing: str | None = None) -> dict[str, str]:
    """The states of all jobs after the pipeline went as far as it can."""
    bad = next((one for one in made.jobs if one.name == failing), None)
    while ready := advance(made):
        start_jobs(ready)
        end_jobs(ready, bad, cancel=False)
    return {one.name: one.status for one in made.jobs}


def test_stages_wait_for_each_other() -> None:
    """Jobs of a stage start together, those of the next one after all of them."""
    made = pipeline(job("a", "one"), job("b", "one"), job("c", "two"))
    first = advance(made)
    assert [one.name for one in first] == ["a", "b"]
    start_jobs(first)
    end_jobs(first[:1], None, cancel=False)
    assert advance(made) == []
    end_jobs(first[1:], None, cancel=False)
    assert [one.name for one in advance(made)] == ["c"]


def test_needs_overrule_stages() -> None:
    """A job with `needs` starts as soon as these ended; with none of them at once."""
    made = pipeline(job("a", "one"), job("b", "two", []), job("c", "three", ["b"]))
    assert [one.name for one in advance(made)] == ["a", "b"]


def test_a_failure_skips_what_depends_on_it() -> None:
    """By stage and by need; a job that needs a skipped one is skipped as well."""
    made = pipeline(job("a", "one"), job("b", "two"), job("c", "three", ["b"]), job("d", "two", []))
    assert walked(made, "a") == {"a": "failed", "b": "skipped", "c": "skipped", "d": "success"}
    assert verdict(made, cancel=False) == "failed"


@pytest.mark.parametrize(("failing", "status"), [(None, "skipped"), ("a", "success")])
def test_on_failure_runs_only_then(failing: str | None, status: str) -> None:
    """`on_failure` is for failures, `always` for both; neither changes the verdict."""
    made = pipeline(
        job("a", "one"), job("f", "two", when="on_failure"), job("z", "two", when="always")
    )
    states = walked(made, failing)
    assert (states["f"], states["z"]) == (status, "success")
    assert verdict(made, cancel=False) == ("failed" if failing else "success")


def test_an_allowed_failure_stops_nobody() -> None:
    """What comes after runs, and the pipeline succeeds."""
    made = pipeline(job("a", "one", allow_failure=True), job("b", "two"))
    assert walked(made, "a") == {"a": "failed", "b": "success"}
    assert verdict(made, cancel=False) == "success"


@pytest.mark.parametrize(
    ("allowed", "after", "end"), [(True, "success", "success"), (False, "created", "manual")]
)
def test_manual_jobs(allowed: bool, after: str, end: str) -> None:
    """One that may be left alone holds nobody back; the other blocks the pipeline."""
    made = pipeline(job("a", "one", when="manual", allow_failure=allowed), job("b", "two"))
    assert walked(made) == {"a": "manual", "b": after}
    assert verdict(made, cancel=False) == end


def test_an_outcome_finds_its_job() -> None:
    """By name, by stage, by default in stage test; a name that nothing has means nothing."""
    made = pipeline(job("build", "one"), job("unit", "test"), job("test", "late"))
    found = [target_job(made, name) for name in ("test", "late", None, "unit", "gone")]
    assert [one and one.name for one in found] == ["test", "test", "unit", "unit", None]
    assert target_job(pipeline(job("only", "one")), None) is not None


def test_cancelling_leaves_nothing_open() -> None:
    """What ended stays as it is, the rest is cancelled."""
    made = pipeline(job("a", "one", status="success"), job("b", "two"), job("c", "two"))
    assert verdict(made, cancel=True) == "canceled"
    assert [one.status for one in made.jobs] == ["success", "canceled", "canceled"]
    assert all(one.status in FINAL for one in made.jobs)


def test_tests_are_counted_in_the_sources() -> None:
    """Once per finished job with a report, in five ways of writing tests; nothing without one."""
    files = {
        "a_test.go": Blob(b"func TestA(t *testing.T) {}\nfunc helper() {}\n"),
        "test_b.py": Blob(b"def test_one():\n    pass\nasync def test_two(): ...\n"),
        "C.java": Blob(b"  @Test\n  void c() {}\n"),
        "d.test.js": Blob(b'test("x", () => {});\n  it(`y`, f);\n'),
    }
    made = pipeline(job("unit", "test", junit=True))
    assert count_tests(made, files) == {"total": 0, "failed": 0}
    walked(made, "unit")
    assert count_tests(made, files) == {"total": 6, "failed": 1}


def test_a_trace_says_what_was_not_done() -> None:
    """Each command stands there with the note that it was not run; before the start it is empty."""
    made = job("unit", "test")
    assert trace(made) == ""
    start_jobs([made])
    end_jobs([made], None, cancel=False)
    lines = trace(made).splitlines()
    assert lines[1:] == [
        "$ run unit",
        "simulated by the sandbox: this command was not run",
        "Job succeeded",
    ]
