"""GraphQL nodes of merge requests, pipelines and jobs, and how lists are paged."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.sandbox.core import Sandbox
from service.sandbox.graphql_query import BadQuery
from service.sandbox.payloads import addresses
from service.sandbox.state import Job, MergeRequest, Pipeline, Project, stamp

Node = dict[str, Any]
Arguments = Mapping[str, Any]
LARGEST_PAGE = 100


def connection(items: Sequence[Any], arguments: Arguments, node: Callable[[Any], Any]) -> Node:
    """A page of `items` by `first` and `after`, at most 100 of them."""
    size = min(int(arguments.get("first") or LARGEST_PAGE), LARGEST_PAGE)
    start = _position(arguments.get("after"))
    page = items[start : start + size]
    return {
        "nodes": [node(item) for item in page],
        "edges": [{"node": node(item)} for item in page],
        "count": len(items),
        "pageInfo": {
            "hasNextPage": start + size < len(items),
            "hasPreviousPage": start > 0,
            "startCursor": _cursor(start + 1) if page else None,
            "endCursor": _cursor(start + len(page)) if page else None,
        },
    }


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode()


def _position(after: Any) -> int:
    if not after:
        return 0
    try:
        return int(base64.urlsafe_b64decode(str(after)))
    except (binascii.Error, ValueError) as bad:
        raise BadQuery(f"Invalid cursor: {after}") from bad


def pipeline_node(sandbox: Sandbox, project: Project, pipeline: Pipeline) -> Node:
    def jobs(arguments: Arguments) -> Node:
        found = pipeline.jobs
        if not arguments.get("retried"):
            found = pipeline.latest_jobs()
        return connection(found, arguments, lambda job: job_node(sandbox, project, job))

    total, failed = pipeline.tests.get("total", 0), pipeline.tests.get("failed", 0)
    seconds = sum(job.duration or 0 for job in pipeline.latest_jobs() if job.junit)
    counts = {
        "count": total,
        "failed": failed,
        "skipped": 0,
        "success": total - failed,
        "error": 0,
        "time": round(seconds, 3),
        "suiteError": None,
    }
    web = addresses(sandbox.forge, project)["web"]
    return {
        "id": f"gid://gitlab/Ci::Pipeline/{pipeline.id}",
        "iid": str(pipeline.iid),
        "sha": pipeline.sha,
        "ref": pipeline.ref,
        "source": pipeline.source,
        "status": pipeline.status.upper(),
        "path": f"/{project.full_path}/-/pipelines/{pipeline.id}",
        "webUrl": f"{web}/-/pipelines/{pipeline.id}",
        "duration": pipeline.duration,
        "coverage": pipeline.coverage,
        "createdAt": stamp(pipeline.created_at),
        "finishedAt": stamp(pipeline.finished_at),
        "yamlErrors": pipeline.yaml_errors is not None,
        "yamlErrorMessages": pipeline.yaml_errors,
        "jobs": jobs,
        "testReportSummary": {"total": counts},
    }


def job_node(sandbox: Sandbox, project: Project, job: Job) -> Node:
    reason = "There was a script failure" if job.failure_reason else None
    return {
        "id": f"gid://gitlab/Ci::Build/{job.id}",
        "name": job.name,
        "status": job.status.upper(),
        "duration": job.duration,
        "allowFailure": job.allow_failure,
        "stage": {"id": f"gid://gitlab/Ci::Stage/{job.stage}", "name": job.stage},
        "kind": "BUILD",
        "failureMessage": reason,
        "retried": job.retried,
        "manualJob": job.when == "manual",
        "webPath": f"/{project.full_path}/-/jobs/{job.id}",
        "startedAt": stamp(job.started_at),
        "finishedAt": stamp(job.finished_at),
    }


def request_node(sandbox: Sandbox, project: Project, request: MergeRequest) -> Node:
    web = addresses(sandbox.forge, project)["web"]
    return {
        "id": f"gid://gitlab/MergeRequest/{request.id}",
        "iid": str(request.iid),
        "title": request.title,
        "description": request.description,
        "state": request.state,
        "draft": request.draft,
        "sourceBranch": request.source_branch,
        "targetBranch": request.target_branch,
        "webUrl": f"{web}/-/merge_requests/{request.iid}",
        "diffHeadSha": project.repository.branches.get(request.source_branch),
    }
