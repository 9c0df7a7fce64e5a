"""What the end of a pipeline proves about the plan that it ran. Pure: truth in, verdict out.

A green pipeline is no proof by itself: jobs may be skipped, filtered, allowed to fail, or test
nothing. A red one is no proof against the plan where the runner, not a script, failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from workers.clients.gitlab_ci_types import Job, PipelineState

Outcome = Literal["running", "succeeded", "failed", "canceled", "skipped", "infrastructure"]

PROVING = ("compile", "build", "test")
"""The stages whose jobs prove a plan."""

SCRIPT_REASONS = frozenset(
    (
        "script_failure",
        "job_execution_timeout",
        "missing_dependency_failure",
        "trace_size_exceeded",
    )
)
"""`failure_reason`s that a plan can cause. All others are of runners, quotas, rights and GitLab
itself (app/models/concerns/enums/ci/commit_status.rb), and say nothing about it."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How a pipeline ended.

    `proven` holds for a success that really compiled, built and tested. `reasons` says in
    sentences why it does not, or what failed; they may hold names of jobs as GitLab tells them.
    """

    outcome: Outcome
    proven: bool = False
    reasons: tuple[str, ...] = ()

    @property
    def final(self) -> bool:
        """False while the pipeline goes on."""
        return self.outcome != "running"

    @property
    def counts(self) -> bool:
        """True where it tells something about the plan: proof, or a failure of its own."""
        return self.proven or self.outcome == "failed"


def verdict(state: PipelineState, our_jobs: Mapping[str, str]) -> Verdict:
    """The verdict on `state`. `our_jobs` maps the plan's jobs to their stages."""
    if state.status == "success":
        doubts = tuple(_doubts(state, our_jobs))
        return Verdict(outcome="succeeded", proven=not doubts, reasons=doubts)
    if state.status == "failed":
        return _failed(state)
    if state.status == "canceled":
        return Verdict(outcome="canceled", reasons=("the pipeline was canceled",))
    if state.status == "skipped":
        return Verdict(outcome="skipped", reasons=("GitLab skipped the pipeline",))
    waiting = state.status in ("manual", "scheduled")
    reasons = (f"the pipeline waits ({state.status})",) if waiting else ()
    return Verdict(outcome="running", reasons=reasons)


def _doubts(state: PipelineState, our_jobs: Mapping[str, str]) -> Iterable[str]:
    """Why a green pipeline proves nothing; nothing where it does."""
    if not state.jobs_told:
        yield "GitLab does not show its jobs"
        return
    ran = {job.name: job for job in state.jobs}
    stages = set(our_jobs.values())
    if "test" not in stages:
        yield "the plan has no test"
    if not stages & {"compile", "build"}:
        yield "the plan compiles and builds nothing"
    proving = {name: stage for name, stage in our_jobs.items() if stage in PROVING}
    # A job that its rule left out (no registry, no server) proves nothing and disproves nothing.
    seen = {stage for name, stage in proving.items() if name in ran}
    # Where GitLab names no job of a stage as the plan does, the stage is judged by what ran in it.
    otherwise = {j.name: j.stage for j in state.jobs if j.stage in {*proving.values()} - seen}
    proving |= otherwise
    seen |= {*otherwise.values()}
    if "test" in stages and "test" not in seen:
        yield "no job of the stage test ran"
    if stages & {"compile", "build"} and not seen & {"compile", "build"}:
        yield "no job of the stages compile and build ran"
    for name in proving:
        if name in ran and (doubt := _doubt(ran[name])) is not None:
            yield f"{name} {doubt}"
    tests = state.tests
    if tests is not None and tests.executed == 0:
        yield "no test was executed"
    if tests is not None and tests.failed + tests.error:
        yield f"{tests.failed + tests.error} tests failed in a job that succeeded"


def _doubt(job: Job) -> str | None:
    """Why one job proves nothing."""
    if job.status != "success":
        return f"ended as {job.status}"
    if job.allow_failure:
        return "was allowed to fail"
    if job.timed and not job.duration:
        return "took no time"
    return None


def _failed(state: PipelineState) -> Verdict:
    """A failed pipeline: by its configuration, by a script, or by what runs it."""
    if not state.jobs and state.jobs_told:
        if state.yaml_errors:
            reason = f"GitLab could not read the configuration: {state.yaml_errors}"
            return Verdict(outcome="failed", reasons=(reason,))
        reason = "GitLab made no job: its user may not run pipelines, or must be verified"
        return Verdict(outcome="infrastructure", reasons=(reason,))
    failed = [job for job in state.jobs if job.status == "failed" and not job.allow_failure]
    reasons = tuple(f"{job.name} failed ({job.failure_reason or 'unknown'})" for job in failed)
    own = [job for job in failed if (job.failure_reason or "script_failure") in SCRIPT_REASONS]
    if own or not failed:
        return Verdict(outcome="failed", reasons=reasons or ("no job tells why",))
    return Verdict(outcome="infrastructure", reasons=reasons)
