"""Jobs of pipelines: lists, traces, retries, playing manual ones."""

from __future__ import annotations

from typing import Any

from service.sandbox.payloads import addresses
from service.sandbox.refusal import message, not_found
from service.sandbox.rest.call import Answer, Call, paginate
from service.sandbox.rest.pipelines import find_pipeline, show_pipeline
from service.sandbox.rest.projects import show_user
from service.sandbox.state import Job, Pipeline, Project, Role, stamp
from service.sandbox.walk import FINAL, trace


def show_job(call: Call, project: Project, pipeline: Pipeline, job: Job) -> dict[str, Any]:
    web = addresses(call.sandbox.forge, project)["web"]
    started = job.started_at
    return {
        "id": job.id,
        "status": job.status,
        "stage": job.stage,
        "name": job.name,
        "ref": pipeline.ref,
        "tag": False,
        "coverage": None,
        "allow_failure": job.allow_failure,
        "created_at": stamp(job.created_at),
        "started_at": stamp(started),
        "finished_at": stamp(job.finished_at),
        "erased_at": None,
        "duration": job.duration,
        "queued_duration": (started - job.created_at).total_seconds() if started else None,
        "failure_reason": job.failure_reason if job.status == "failed" else None,
        "user": show_user(call.sandbox.forge, pipeline.user),
        "pipeline": show_pipeline(call, project, pipeline),
        "web_url": f"{web}/-/jobs/{job.id}",
        "artifacts": [],
        "runner": {"id": 1, "description": "simulated-runner"} if started else None,
        "retried": job.retried,
    }


def pipeline_jobs(call: Call) -> Answer:
    """Latest attempts, all with `include_retried`; `scope[]` filters by state."""
    project, pipeline = find_pipeline(call)
    jobs = pipeline.jobs if call.flag("include_retried") else pipeline.latest_jobs()
    scope = call.query.get("scope[]") or call.query.get("scope")
    jobs = [job for job in jobs if scope in (None, job.status)]
    return paginate(call, jobs[::-1], lambda job: show_job(call, project, pipeline, job))


def _find_job(call: Call, needed: Role = Role.REPORTER) -> tuple[Project, Pipeline, Job]:
    project = call.project(needed)
    number = call.number("job")
    for pipeline in project.pipelines.values():
        for job in pipeline.jobs:
            if job.id == number:
                return project, pipeline, job
    raise not_found()


def get_job(call: Call) -> Answer:
    return Answer(show_job(call, *_find_job(call)))


def job_trace(call: Call) -> Answer:
    *_, job = _find_job(call)
    return Answer(trace(job).encode(), media="text/plain")


def retry_job(call: Call) -> Answer:
    project, pipeline, job = _find_job(call, Role.DEVELOPER)
    if job.status not in FINAL or job.retried:
        raise message(403, "403 Forbidden - Job is not retryable")
    fresh = call.sandbox.runner.retry(pipeline, job)
    call.sandbox.runner.start(project, pipeline)
    return Answer(show_job(call, project, pipeline, fresh), 201)


def play_job(call: Call) -> Answer:
    """Starts a manual job: the pipeline runs again, then ends anew."""
    project, pipeline, job = _find_job(call, Role.DEVELOPER)
    if job.status != "manual":
        raise message(400, "Unplayable Job")
    job.status, job.when = "created", "on_success"
    call.sandbox.runner.wake(pipeline)
    call.sandbox.runner.start(project, pipeline)
    return Answer(show_job(call, project, pipeline, job))
