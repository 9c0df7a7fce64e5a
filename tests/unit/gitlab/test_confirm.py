"""What the end of a pipeline proves."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.clients.gitlab_ci_types import Job, PipelineState, Tests
from workers.steps.confirm import Verdict, verdict

OURS = {"compile": "compile", "image": "build", "unit": "test", "scan": "sast", "learn": "learn"}


def job(name: str, **changes: Any) -> Job:
    stage = OURS.get(name, "test")
    fields = {"id": 1, "name": name, "stage": stage, "status": "success", "duration": 3.0}
    return Job(**{**fields, **changes})


def state(status: str = "success", **changes: Any) -> PipelineState:
    jobs = tuple(job(name) for name in OURS)
    fields = {"id": 7, "status": status, "sha": "a" * 40, "ref": "b", "jobs": jobs}
    return PipelineState(**{**fields, **changes})


def with_job(name: str, **changes: Any) -> PipelineState:
    jobs = tuple(job(other, **changes) if other == name else job(other) for other in OURS)
    return state(jobs=jobs)


def test_a_real_success_is_proven() -> None:
    """Compiled, built and tested, each for a while, nothing masked."""
    assert verdict(state(), OURS) == Verdict(outcome="succeeded", proven=True)
    assert verdict(state(tests=Tests(10, 9, 0, 0, 1)), OURS).proven


@pytest.mark.parametrize("name", ["compile", "image", "unit"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"allow_failure": True}, "allowed to fail"),
        ({"duration": None}, "took no time"),
        ({"duration": 0.0}, "took no time"),
        ({"status": "skipped", "duration": None}, "skipped"),
        ({"status": "manual", "duration": None}, "manual"),
        ({"status": "failed", "allow_failure": True}, "failed"),
        ({"status": "canceled"}, "canceled"),
    ],
)
def test_a_masked_success_is_not(name: str, changes: dict[str, Any], reason: str) -> None:
    """Every job of compile, build and test must have succeeded, unmasked, in some time."""
    found = verdict(with_job(name, **changes), OURS)
    assert (found.outcome, found.proven) == ("succeeded", False)
    assert [name in text and reason in text for text in found.reasons] == [True]


@pytest.mark.parametrize("name", ["scan", "learn"])
def test_advisory_stages_prove_nothing_either_way(name: str) -> None:
    """Scans and notices may fail without taking the proof away."""
    assert verdict(with_job(name, status="failed", allow_failure=True), OURS).proven


def test_a_job_left_out_by_its_rule_proves_nothing_and_disproves_nothing() -> None:
    """Without a registry no image is built; without any test, or any build, there is no proof."""
    assert verdict(state(jobs=(job("compile"), job("unit"))), OURS).proven
    untested = verdict(state(jobs=(job("compile"), job("image"))), OURS)
    assert (untested.proven, untested.reasons) == (False, ("no job of the stage test ran",))
    unbuilt = verdict(state(jobs=(job("unit"), job("scan"))), OURS)
    assert unbuilt.reasons == ("no job of the stages compile and build ran",)
    assert not verdict(state(jobs=()), OURS).proven


def test_a_stage_of_other_names_is_judged_by_what_ran_in_it() -> None:
    """Where GitLab names no job of a stage as the plan does: in a matrix, say."""
    other = Job(id=9, name="unit: [3.12]", stage="test", status="success", duration=4.0)
    assert verdict(state(jobs=(job("compile"), other)), OURS).proven
    masked = msgspec.structs.replace(other, allow_failure=True)
    assert not verdict(state(jobs=(job("compile"), masked)), OURS).proven
    elsewhere = msgspec.structs.replace(other, stage="deploy")
    assert not verdict(state(jobs=(job("compile"), elsewhere)), OURS).proven
    assert not verdict(state(jobs=(job("compile"), other)), {"compile": "compile"}).proven
    ran = (job("compile"), job("unit"), masked)
    assert verdict(state(jobs=ran), OURS).proven, "ours ran: another's job says nothing"


def test_a_time_that_is_not_told_is_no_time_of_none() -> None:
    """Absent is unknown; null is GitLab's word for a job that never ran."""
    assert verdict(with_job("unit", duration=None, timed=False), OURS).proven
    assert not verdict(with_job("unit", duration=None), OURS).proven


def test_jobs_that_are_kept_from_us_prove_nothing() -> None:
    """Green is green and red is red, by the pipeline's own word; green is no proof."""
    hidden = verdict(state(jobs=(), jobs_told=False), OURS)
    assert (hidden.outcome, hidden.proven) == ("succeeded", False)
    assert hidden.reasons == ("GitLab does not show its jobs",)
    assert verdict(state("failed", jobs=(), jobs_told=False), OURS).outcome == "failed"


def test_a_plan_without_tests_is_never_proven() -> None:
    """Green without a test is green, and no proof; so is a test of nothing built."""
    assert not verdict(state(), {"compile": "compile"}).proven
    assert not verdict(state(), {"unit": "test"}).proven
    assert verdict(state(), {"compile": "compile", "unit": "test"}).proven


@pytest.mark.parametrize(
    "tests", [Tests(5, 0, 0, 0, 5), Tests(5, 4, 1), Tests(5, 4, 0, 1), Tests(3)]
)
def test_what_the_reports_say_counts(tests: Tests) -> None:
    """All skipped, or failures in a job that succeeded: not proven."""
    assert not verdict(state(tests=tests), OURS).proven


@pytest.mark.parametrize(
    "status",
    (
        *("created", "waiting_for_resource", "preparing", "waiting_for_callback", "pending"),
        *("running", "canceling", "manual", "scheduled", "something_new"),
    ),
)
def test_it_goes_on(status: str) -> None:
    """No status but the four final ones ends a pipeline, not even one that is unknown."""
    found = verdict(state(status), OURS)
    assert (found.outcome, found.final, found.counts) == ("running", False, False)


@pytest.mark.parametrize("status", ["canceled", "skipped"])
def test_canceled_and_skipped_are_no_failures(status: str) -> None:
    """Superseded or skipped pipelines end, and say nothing about the plan."""
    found = verdict(state(status), OURS)
    assert (found.outcome, found.final, found.counts, found.proven) == (status, True, False, False)


@pytest.mark.parametrize("reason", ["script_failure", "job_execution_timeout", None])
def test_a_script_that_fails_is_the_plans_failure(reason: str | None) -> None:
    """Named job and reason; counted against the plan."""
    jobs = (job("compile"), job("unit", status="failed", failure_reason=reason))
    found = verdict(state("failed", jobs=jobs), OURS)
    assert (found.outcome, found.counts) == ("failed", True)
    assert found.reasons == (f"unit failed ({reason or 'unknown'})",)


@pytest.mark.parametrize(
    "reason",
    [
        "runner_system_failure",
        "stuck_or_timeout_failure",
        "no_matching_runner",
        "ci_quota_exceeded",
        "user_blocked",
        "api_failure",
        "scheduler_failure",
        "a_reason_that_is_new",
    ],
)
def test_a_runner_that_fails_is_not(reason: str) -> None:
    """Runners, quotas and GitLab itself: the plan keeps its record."""
    jobs = (job("compile", status="failed", failure_reason=reason), job("unit", status="skipped"))
    found = verdict(state("failed", jobs=jobs), OURS)
    assert (found.outcome, found.counts, found.proven) == ("infrastructure", False, False)


def test_a_script_failure_beside_a_runners_counts() -> None:
    """One failure of the plan's own is enough; allowed ones are not looked at."""
    jobs = (
        job("compile", status="failed", failure_reason="runner_system_failure"),
        job("unit", status="failed", failure_reason="script_failure"),
    )
    assert verdict(state("failed", jobs=jobs), OURS).outcome == "failed"
    allowed = msgspec.structs.replace(jobs[1], allow_failure=True)
    assert verdict(state("failed", jobs=(jobs[0], allowed)), OURS).outcome == "infrastructure"


def test_without_jobs_it_is_the_configuration_or_the_user() -> None:
    """`yaml_errors` are ours; without them GitLab refused for reasons of its own."""
    broken = verdict(state("failed", jobs=(), yaml_errors="jobs:x config invalid"), OURS)
    assert (broken.outcome, broken.counts) == ("failed", True)
    assert "jobs:x config invalid" in broken.reasons[0]
    refused = verdict(state("failed", jobs=()), OURS)
    assert (refused.outcome, refused.counts) == ("infrastructure", False)


STATUS = st.sampled_from(["success", "failed", "canceled", "skipped", "running", "manual"])
JOBS = st.lists(
    st.builds(
        Job,
        id=st.integers(1, 9),
        name=st.sampled_from([*OURS, "other"]),
        stage=st.just("test"),
        status=STATUS,
        duration=st.sampled_from([None, 0.0, 2.5]),
        allow_failure=st.booleans(),
        failure_reason=st.sampled_from([None, "script_failure", "runner_system_failure"]),
    ),
    max_size=8,
).map(tuple)


def judged(job: Job) -> bool:
    """A job of another name that stands for a stage in which none of ours ran."""
    return job.status == "success" and bool(job.duration) and not job.allow_failure


@given(status=STATUS, jobs=JOBS, tests=st.none() | st.builds(Tests, *[st.integers(0, 3)] * 5))
def test_proof_is_never_cheap(status: str, jobs: tuple[Job, ...], tests: Tests | None) -> None:
    """Whatever comes: proven means that our jobs ran and succeeded; final means final."""
    found = verdict(state(status, jobs=jobs, tests=tests), OURS)
    assert found.final == (status in ("success", "failed", "canceled", "skipped"))
    if found.proven:
        ran = {job.name: job for job in jobs}
        assert status == "success"
        assert "unit" in ran or any(judged(job) for job in jobs)
        assert {"compile", "image"} & set(ran)
        for name in {"compile", "image", "unit"} & set(ran):
            assert ran[name].status == "success"
            assert ran[name].duration
            assert not ran[name].allow_failure
    assert found.proven or found.outcome == "failed" or not found.counts
