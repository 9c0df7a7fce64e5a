"""Nodes of the GraphQL answer: mappings whose values may be functions of a field's arguments."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.sandbox.core import Sandbox
from service.sandbox.graphql_query import BadQuery
from service.sandbox.languages import shares
from service.sandbox.payloads import addresses
from service.sandbox.refusal import Refusal
from service.sandbox.repository import Blob, Commit, TreeEntry
from service.sandbox.state import Job, MergeRequest, Pipeline, Project, Role, User, stamp

Node = dict[str, Any]
Arguments = Mapping[str, Any]
LARGEST_PAGE = 100
MOST_PATHS = 100


def root(sandbox: Sandbox, user: User | None) -> Node:
    """The query's root for this caller; what it may not see is null, without an error."""

    def project(arguments: Arguments) -> Node | None:
        try:
            found = sandbox.forge.find_project(str(arguments.get("fullPath", "")))
        except Refusal:
            return None
        role = sandbox.forge.role(found, user)
        return None if role < Role.GUEST else project_node(sandbox, found, role)

    return {
        "project": project,
        "currentUser": user and {
            "id": f"gid://gitlab/User/{user.id}",
            "username": user.username,
            "name": user.name,
            "bot": user.bot,
        },
        "metadata": user and {"version": "18.8.0", "revision": "sandbox", "enterprise": False},
    }  # fmt: skip


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


def project_node(sandbox: Sandbox, project: Project, role: Role) -> Node:
    code = role >= Role.REPORTER
    commit = project.repository.resolve(None)
    pipelines = list(project.pipelines.values())[::-1] if code else []

    def find_pipeline(arguments: Arguments) -> Node | None:
        for pipeline in pipelines:
            if _is(pipeline, arguments):
                return pipeline_node(sandbox, project, pipeline)
        return None

    def list_pipelines(arguments: Arguments) -> Node:
        wanted = {k: arguments[k] for k in ("sha", "ref", "source") if arguments.get(k)}
        found = [p for p in pipelines if all(getattr(p, k) == v for k, v in wanted.items())]
        return connection(found, arguments, lambda p: pipeline_node(sandbox, project, p))

    def find_request(arguments: Arguments) -> Node | None:
        request = project.merge_requests.get(int(arguments.get("iid") or 0))
        return request_node(sandbox, project, request) if request and code else None

    def list_requests(arguments: Arguments) -> Node:
        branches, state = arguments.get("sourceBranches"), arguments.get("state")
        found = [
            r
            for r in project.merge_requests.values()
            if code
            and (not branches or r.source_branch in branches)
            and (not state or state in ("all", r.state))
        ]
        return connection(found, arguments, lambda r: request_node(sandbox, project, r))

    languages = shares(commit.files) if commit and code else {}
    return {
        "id": f"gid://gitlab/Project/{project.id}",
        "name": project.name,
        "path": project.path,
        "fullPath": project.full_path,
        "webUrl": addresses(sandbox.forge, project)["web"],
        "archived": project.archived,
        "visibility": project.visibility,
        "importStatus": project.import_status,
        "jobsEnabled": project.builds_access_level != "disabled",
        "ciConfigPathOrDefault": project.ci_config_path or ".gitlab-ci.yml",
        "languages": [{"name": name, "share": share} for name, share in languages.items()],
        "repository": repository_node(project) if code else None,
        "pipeline": find_pipeline,
        "pipelines": list_pipelines,
        "mergeRequest": find_request,
        "mergeRequests": list_requests,
    }


def _is(pipeline: Pipeline, arguments: Arguments) -> bool:
    if arguments.get("id"):
        return str(arguments["id"]).rpartition("/")[2] == str(pipeline.id)
    if arguments.get("iid"):
        return str(arguments["iid"]) == str(pipeline.iid)
    return bool(arguments.get("sha")) and arguments["sha"] == pipeline.sha


def repository_node(project: Project) -> Node:
    repository = project.repository

    def tree(arguments: Arguments) -> Node | None:
        commit = repository.resolve(arguments.get("ref"))
        if commit is None:
            return None
        path = str(arguments.get("path") or "")
        entries = repository.listing(commit, path, bool(arguments.get("recursive"))) or []
        return tree_node(commit, entries)

    def blobs(arguments: Arguments) -> Node:
        paths = [str(path) for path in arguments.get("paths") or []]
        if len(paths) > MOST_PATHS:
            raise BadQuery(f"At most {MOST_PATHS} paths can be asked for at once")
        commit = repository.resolve(arguments.get("ref"))
        files = commit.files if commit else {}
        found = [(path, files[path]) for path in paths if path in files]
        return connection(found, arguments, lambda item: blob_node(*item))

    return {
        "empty": repository.empty,
        "exists": True,
        "rootRef": None if repository.empty else repository.default_branch,
        "tree": tree,
        "blobs": blobs,
        "branchNames": lambda _: sorted(repository.branches),
    }


def tree_node(commit: Commit, entries: Sequence[TreeEntry]) -> Node:
    def some(kind: str) -> Callable[[Arguments], Node]:
        found = [entry for entry in entries if entry.type == kind]
        return lambda arguments: connection(found, arguments, entry_node)

    last = {
        "sha": commit.sha,
        "shortId": commit.sha[:8],
        "title": commit.title,
        "message": commit.message,
        "authorName": commit.author.name,
        "committedDate": stamp(commit.at),
    }
    return {
        "lastCommit": last,
        "blobs": some("blob"),
        "trees": some("tree"),
        "submodules": some("commit"),
    }


def entry_node(entry: TreeEntry) -> Node:
    """An entry of a tree: no size, as GitLab's."""
    return {
        "id": f"gid://gitlab/Gitlab::Graphql::Representation::TreeEntry/{entry.id}",
        "sha": entry.id,
        "name": entry.name,
        "path": entry.path,
        "type": entry.type,
        "flatPath": entry.path,
        "mode": entry.mode,
    }


def blob_node(path: str, blob: Blob) -> Node:
    """Sizes are BigInt, hence text; a binary file has no text."""
    text: str | None = None
    if b"\0" not in blob.content[:8000]:
        text = blob.content.decode("utf-8", "replace")
    return {
        "id": f"gid://gitlab/Blob/{blob.sha}",
        "oid": blob.sha,
        "path": path,
        "name": path.rpartition("/")[2],
        "mode": blob.mode,
        "size": str(len(blob.content)),
        "rawSize": str(len(blob.content)),
        "rawBlob": text,
        "rawTextBlob": text,
    }


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
