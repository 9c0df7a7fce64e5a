"""How jobs of a pipeline follow each other: who may start, who is skipped, how it ends.

No command is run. What a job would have done is simulated, and its trace says so.
"""

from __future__ import annotations

import re

from service.sandbox.repository import Files
from service.sandbox.state import Job, Pipeline, now

FINAL = frozenset({"success", "failed", "canceled", "skipped"})
TEST = re.compile(
    rb"^\s*(?:func Test\w+\(|(?:async )?def test_\w*\(|@Test\b|(?:test|it)\(['\"`])", re.MULTILINE
)
SIMULATED = "simulated by the sandbox: this command was not run"


def target_job(pipeline: Pipeline, name: str | None) -> Job | None:
    """The job an outcome is about: by its name, else the first of the stage of that name.

    Without a name: the first of stage test, else the first of all.
    """
    jobs = pipeline.latest_jobs()
    named = [job for job in jobs if job.name == name]
    staged = [job for job in jobs if job.stage == (name or "test")]
    return next(iter([*named, *staged, *(jobs if name is None else ())]), None)


def advance(pipeline: Pipeline) -> list[Job]:
    """Settles what needs no runner (skipped, waiting for a person) and answers who may start."""
    changed = True
    while changed:
        changed = False
        for job in _waiting(pipeline):
            verdict = _verdict(pipeline, job)
            if verdict in ("skipped", "manual"):
                job.status = verdict
                changed = True
    return [job for job in _waiting(pipeline) if _verdict(pipeline, job) == "start"]


def _waiting(pipeline: Pipeline) -> list[Job]:
    return [job for job in pipeline.latest_jobs() if job.status == "created"]


def _before(pipeline: Pipeline, job: Job) -> list[Job]:
    """Jobs that this one waits for: its `needs`, else all of earlier stages."""
    jobs = pipeline.latest_jobs()
    if job.needs is not None:
        return [other for other in jobs if other.name in job.needs]
    earlier = pipeline.stages[: pipeline.stages.index(job.stage)]
    return [other for other in jobs if other.stage in earlier]


def _verdict(pipeline: Pipeline, job: Job) -> str:
    """`wait`, `skipped`, `manual` or `start`, by GitLab's `when`."""
    before = _before(pipeline, job)
    if any(other.status not in FINAL and not _optional(other) for other in before):
        return "wait"
    failed = any(_failed(other) for other in before)
    if job.needs is not None:
        failed = failed or any(other.status == "skipped" for other in before)
    if job.when == "always":
        return "start"
    if (job.when == "on_failure") is not failed:
        return "skipped"
    return "manual" if job.when == "manual" else "start"


def _optional(job: Job) -> bool:
    """A manual job that may be left alone holds nobody back."""
    return job.status == "manual" and job.allow_failure


def _failed(job: Job) -> bool:
    return job.status == "canceled" or (job.status == "failed" and not job.allow_failure)


def start_jobs(jobs: list[Job]) -> None:
    """Gives jobs to the runner."""
    for job in jobs:
        job.status, job.started_at = "running", now()


def end_jobs(jobs: list[Job], failing: Job | None, cancel: bool) -> None:
    """Ends running jobs: with success, but for the one that is to fail, or all cancelled."""
    for job in jobs:
        started, job.finished_at = job.started_at or now(), now()
        job.duration = max(round((job.finished_at - started).total_seconds(), 6), 0.000001)
        if cancel:
            job.status = "canceled"
        elif job is failing:
            job.status, job.failure_reason = "failed", "script_failure"
        else:
            job.status = "success"


def verdict(pipeline: Pipeline, cancel: bool) -> str:
    """The pipeline's state once no job can start; `cancel` cancels what has not ended."""
    jobs = pipeline.latest_jobs()
    if cancel:
        for job in jobs:
            job.status = job.status if job.status in FINAL else "canceled"
        return "canceled"
    if any(job.status == "manual" and not job.allow_failure for job in jobs):
        return "manual"
    return "failed" if any(_failed(job) for job in jobs) else "success"


def count_tests(pipeline: Pipeline, files: Files) -> dict[str, int]:
    """Counts for the test report: test functions in the sources, per finished job with a report."""
    reports = [j for j in pipeline.latest_jobs() if j.junit and j.status in ("success", "failed")]
    if not reports:
        return {"total": 0, "failed": 0}
    found = sum(len(TEST.findall(blob.content)) for blob in files.values())
    failed = sum(1 for job in reports if job.status == "failed" and found)
    return {"total": found * len(reports), "failed": failed}


def trace(job: Job) -> str:
    """A job's log: each command, and that it was not run."""
    if job.started_at is None:
        return ""
    lines = [f"Running with simulated-runner of the sandbox, job {job.name} ({job.id})"]
    for command in job.script:
        lines += [f"$ {command}", SIMULATED]
    end = {"success": "Job succeeded", "failed": "ERROR: Job failed: exit code 1"}
    return "\n".join([*lines, end.get(job.status, f"Job is {job.status}"), ""])
