"""Lint and pipelines."""

from __future__ import annotations

import importlib
from typing import Any

from service.sandbox import ci
from service.sandbox.ci_config import ConfigError, parse
from service.sandbox.payloads import addresses
from service.sandbox.refusal import error, message, not_found
from service.sandbox.rest.call import Answer, Call, paginate
from service.sandbox.rest.projects import show_user
from service.sandbox.state import Pipeline, Project, Role, stamp
from service.sandbox.variables import variables_for

FORBIDDEN = (
    "You do not have sufficient permission to run a pipeline on '{}'. Please select a different"
    " branch or contact your administrator for assistance."
)


def own_lint(text: str) -> tuple[list[str], list[str]]:
    """Errors and warnings: the sandbox's parser first, then the product's validator."""
    try:
        parse(text)
    except ConfigError as bad:
        return bad.errors, []
    try:
        check = importlib.import_module("workers.pipeline.lint").check
    except (ImportError, AttributeError):
        # Not installed beside the sandbox: its own parser has judged already.
        return [], []
    report = check(text)
    return [f.message for f in report.errors], [
        # GitLab does not look for variables that nobody declares.
        f.message
        for f in report.warnings
        if f.code != "undefined-variable"
    ]


def lint(call: Call) -> Answer:
    """`POST ci/lint`: 200 whatever the verdict; `dry_run` also asks whether `ref` could run it."""
    project = call.project(Role.DEVELOPER)
    (content,) = call.require("content")
    errors, warnings = own_lint(content)
    jobs: list[dict[str, Any]] = []
    if not errors and call.flag("dry_run"):
        errors = _dry_run(call, project, content, jobs)
    body: dict[str, Any] = {
        "valid": not errors,
        "errors": errors,
        "warnings": warnings,
        "merged_yaml": content if not errors else None,
        "includes": [],
    }
    if call.flag("include_jobs"):
        body["jobs"] = jobs
    return Answer(body)


def _dry_run(call: Call, project: Project, content: str, jobs: list[dict[str, Any]]) -> list[str]:
    ref = call.text("ref") or project.repository.default_branch
    commit = project.repository.resolve(f"refs/heads/{ref}")
    if commit is None:
        return ["Reference not found"]
    if call.sandbox.forge.role(project, call.user) < project.push_role(ref):
        return [FORBIDDEN.format(ref)]
    variables = variables_for(call.sandbox.forge, project, commit, ref, "push")
    try:
        planned = ci.plan(parse(content), variables, commit.files)
    except ci.FilteredOut as out:
        return [str(out)]
    except ConfigError as bad:
        return bad.errors
    for job in planned:
        jobs.append(
            {
                "name": job.name,
                "stage": job.stage,
                "script": job.script,
                "when": job.when,
                "allow_failure": job.allow_failure,
            }
        )
    return []


def show_pipeline(call: Call, project: Project, pipeline: Pipeline) -> dict[str, Any]:
    """A row of the list; the detail adds to it."""
    web = addresses(call.sandbox.forge, project)["web"]
    return {
        "id": pipeline.id,
        "iid": pipeline.iid,
        "project_id": project.id,
        "sha": pipeline.sha,
        "ref": pipeline.ref,
        "status": pipeline.status,
        "source": pipeline.source,
        "created_at": stamp(pipeline.created_at),
        "updated_at": stamp(pipeline.updated_at),
        "web_url": f"{web}/-/pipelines/{pipeline.id}",
        "name": None,
    }


def show_detail(call: Call, project: Project, pipeline: Pipeline) -> dict[str, Any]:
    started = pipeline.started_at
    queued = (started - pipeline.created_at).total_seconds() if started else None
    return show_pipeline(call, project, pipeline) | {
        "before_sha": pipeline.before_sha,
        "tag": False,
        "yaml_errors": pipeline.yaml_errors,
        "user": show_user(call.sandbox.forge, pipeline.user),
        "started_at": stamp(started),
        "finished_at": stamp(pipeline.finished_at),
        "committed_at": None,
        "duration": pipeline.duration,
        "queued_duration": queued,
        "coverage": None if pipeline.coverage is None else str(pipeline.coverage),
        "detailed_status": {"text": pipeline.status, "group": pipeline.status},
    }


def _pipelines(call: Call) -> tuple[Project, list[Pipeline]]:
    project = call.project(Role.REPORTER)
    return project, list(project.pipelines.values())[::-1]


def list_pipelines(call: Call) -> Answer:
    """Newest first; filters `sha`, `ref`, `status`, `source`, `yaml_errors`."""
    project, found = _pipelines(call)
    for name in ("sha", "ref", "status", "source"):
        wanted = call.query.get(name)
        found = [p for p in found if wanted in (None, getattr(p, name))]
    if "yaml_errors" in call.query:
        found = [p for p in found if (p.yaml_errors is not None) is call.flag("yaml_errors")]
    return paginate(call, found, lambda p: show_pipeline(call, project, p))


def latest(call: Call) -> Answer:
    """`pipelines/latest`: 403 where there is none, as GitLab answers."""
    project, found = _pipelines(call)
    ref = call.query.get("ref", project.repository.default_branch)
    found = [p for p in found if p.ref == ref]
    if not found:
        raise message(403, "403 Forbidden")
    return Answer(show_detail(call, project, found[0]))


def find_pipeline(call: Call, needed: Role = Role.REPORTER) -> tuple[Project, Pipeline]:
    project = call.project(needed)
    pipeline = project.pipelines.get(call.number("pipeline"))
    if pipeline is None:
        raise not_found()
    return project, pipeline


def get_pipeline(call: Call) -> Answer:
    return Answer(show_detail(call, *find_pipeline(call)))


def create_pipeline(call: Call) -> Answer:
    """`POST pipeline`: runs the branch's file; 400 where nothing would run."""
    project = call.project(Role.DEVELOPER)
    (ref,) = call.require("ref")
    if ref not in project.repository.branches:
        raise message(400, "Reference not found")
    pipeline = call.sandbox.runner.create(project, call.user, ref, "api")
    if pipeline is None:
        raise error(400, "Pipeline will not run for the selected trigger.")
    return Answer(show_detail(call, project, pipeline), 201)


def retry_pipeline(call: Call) -> Answer:
    project, pipeline = find_pipeline(call, Role.DEVELOPER)
    if call.sandbox.runner.retry_failed(pipeline):
        call.sandbox.runner.start(project, pipeline)
    return Answer(show_detail(call, project, pipeline), 201)


def cancel_pipeline(call: Call) -> Answer:
    project, pipeline = find_pipeline(call, Role.DEVELOPER)
    call.sandbox.runner.cancel(project, pipeline)
    return Answer(show_detail(call, project, pipeline))


def test_report_summary(call: Call) -> Answer:
    _, pipeline = find_pipeline(call)
    total, failed = pipeline.tests.get("total", 0), pipeline.tests.get("failed", 0)
    counts = {
        "time": round(sum(j.duration or 0 for j in pipeline.latest_jobs() if j.junit), 3),
        "count": total,
        "success": total - failed,
        "failed": failed,
        "skipped": 0,
        "error": 0,
        "suite_error": None,
    }
    suites = [
        {"name": job.name, "total_count": total, "build_ids": [job.id], "suite_error": None}
        for job in pipeline.latest_jobs()
        if job.junit
    ]
    return Answer({"total": counts, "test_suites": suites})
