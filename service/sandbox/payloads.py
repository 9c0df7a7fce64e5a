"""Bodies of webhooks, shaped as GitLab's documented samples, filled from the state."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from service.sandbox.forge import Forge
from service.sandbox.repository import ZERO, Change, Commit
from service.sandbox.state import Job, MergeRequest, Pipeline, Project, Role, User, stamp

Payload = dict[str, Any]
LEVELS = {"private": 0, "internal": 10, "public": 20}
NEWEST_COMMITS = 20


def hook_time(at: datetime | None) -> str | None:
    """The older form that pipeline hooks still carry: `2016-08-12 15:23:28 UTC`."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else None


def avatar(user: User) -> str:
    digest = hashlib.sha256(user.email.encode()).hexdigest()
    return f"https://www.gravatar.com/avatar/{digest}?s=80&d=identicon"


def addresses(forge: Forge, project: Project) -> dict[str, str]:
    """`web`, `http` and `ssh` addresses of a project."""
    web = f"{forge.url}/{project.full_path}"
    host = urlsplit(forge.url).hostname or "localhost"
    return {"web": web, "http": f"{web}.git", "ssh": f"git@{host}:{project.full_path}.git"}


def user_block(user: User) -> Payload:
    return {
        "id": user.id,
        "name": user.name,
        "username": user.username,
        "avatar_url": avatar(user),
        "email": "[REDACTED]",
    }


def project_block(forge: Forge, project: Project) -> Payload:
    where = addresses(forge, project)
    return {
        "id": project.id,
        "name": project.name,
        "description": "",
        "web_url": where["web"],
        "avatar_url": None,
        "git_ssh_url": where["ssh"],
        "git_http_url": where["http"],
        "namespace": project.namespace,
        "visibility_level": LEVELS[project.visibility],
        "path_with_namespace": project.full_path,
        "default_branch": project.repository.default_branch,
        "ci_config_path": project.ci_config_path,
        "homepage": where["web"],
        "url": where["ssh"],
        "ssh_url": where["ssh"],
        "http_url": where["http"],
    }


def commit_block(forge: Forge, project: Project, commit: Commit, files: bool = True) -> Payload:
    block: Payload = {
        "id": commit.sha,
        "message": commit.message,
        "title": commit.title,
        "timestamp": commit.at.isoformat(timespec="seconds"),
        "url": f"{addresses(forge, project)['web']}/-/commit/{commit.sha}",
        "author": {"name": commit.author.name, "email": "[REDACTED]"},
    }
    if files:
        added, modified, removed = project.repository.difference(commit)
        block |= {"added": added, "modified": modified, "removed": removed}
    return block


def project_event(
    forge: Forge, project: Project, event: str, old_path: str | None = None
) -> Payload:
    """System hook `project_create`, `_destroy`, `_rename`, `_transfer` or `_update`."""
    owners = [forge.users[uid] for uid, role in project.members.items() if role >= Role.OWNER]
    payload: Payload = {
        "created_at": stamp(project.created_at),
        "updated_at": stamp(project.updated_at),
        "event_name": event,
        "name": project.name,
        "owner_email": owners[0].email if owners else None,
        "owner_name": owners[0].name if owners else None,
        "owners": [{"name": owner.name, "email": owner.email} for owner in owners],
        "path": project.path,
        "path_with_namespace": project.full_path,
        "project_id": project.id,
        "project_namespace_id": project.id + 1000,
        "project_visibility": project.visibility,
    }
    if old_path is not None:
        payload["old_path_with_namespace"] = old_path
    return payload


def group_project_event(forge: Forge, project: Project, event: str) -> Payload:
    """A group's Project Hook: as the system hook's, without the owner's own fields."""
    body = project_event(forge, project, event)
    return {key: value for key, value in body.items() if key not in ("owner_name", "owner_email")}


def push_event(forge: Forge, project: Project, user: User, change: Change) -> Payload:
    """Push Hook, and the system hook's `push`."""
    commits = project.repository.between(change.before, change.after)
    block = project_block(forge, project)
    branch = change.ref.removeprefix("refs/heads/")
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": change.before,
        "after": change.after,
        "ref": change.ref,
        "ref_protected": project.is_protected(branch),
        "checkout_sha": None if change.after == ZERO else change.after,
        "message": None,
        "user_id": user.id,
        "user_name": user.name,
        "user_username": user.username,
        "user_email": None,
        "user_avatar": avatar(user),
        "project_id": project.id,
        "project": block,
        "commits": [commit_block(forge, project, c) for c in commits[-NEWEST_COMMITS:]],
        "total_commits_count": len(commits),
        "push_options": {},
        "repository": {
            "name": project.name,
            "url": block["git_ssh_url"],
            "description": "",
            "homepage": block["web_url"],
            "git_http_url": block["git_http_url"],
            "git_ssh_url": block["git_ssh_url"],
            "visibility_level": block["visibility_level"],
        },
    }


def repository_update(
    forge: Forge, project: Project, user: User, changes: Sequence[Change]
) -> Payload:
    """System hook `repository_update`: once per push, all refs together."""
    return {
        "event_name": "repository_update",
        "user_id": user.id,
        "user_name": user.name,
        "user_email": "[REDACTED]",
        "user_avatar": avatar(user),
        "project_id": project.id,
        "project": project_block(forge, project),
        "changes": [{"before": c.before, "after": c.after, "ref": c.ref} for c in changes],
        "refs": [change.ref for change in changes],
    }


LABELS = {"success": "passed", "failed": "failed", "manual": "blocked"}


def pipeline_event(forge: Forge, project: Project, pipeline: Pipeline) -> Payload:
    """Pipeline Hook: the row as it is at this moment."""
    request = project.merge_requests.get(pipeline.merge_request or 0)
    commit = project.repository.commits[pipeline.sha]
    started = pipeline.started_at
    queued = int((started - pipeline.created_at).total_seconds()) if started else None
    return {
        "object_kind": "pipeline",
        "object_attributes": {
            "id": pipeline.id,
            "iid": pipeline.iid,
            "name": None,
            "ref": pipeline.branch,
            "tag": False,
            "sha": pipeline.sha,
            "before_sha": pipeline.before_sha,
            "source": pipeline.source,
            "status": pipeline.status,
            "detailed_status": LABELS.get(pipeline.status, pipeline.status),
            "stages": pipeline.stages,
            "created_at": hook_time(pipeline.created_at),
            "finished_at": hook_time(pipeline.finished_at),
            "duration": pipeline.duration,
            "queued_duration": queued,
            "protected_ref": project.is_protected(pipeline.branch),
            "variables": [],
            "url": f"{addresses(forge, project)['web']}/-/pipelines/{pipeline.id}",
        },
        "merge_request": request and merge_request_block(forge, project, request),
        "user": user_block(pipeline.user),
        "project": project_block(forge, project),
        "commit": commit_block(forge, project, commit, files=False),
        "builds": [build_block(pipeline, job) for job in reversed(pipeline.latest_jobs())],
    }


def merge_request_block(forge: Forge, project: Project, request: MergeRequest) -> Payload:
    return {
        "id": request.id,
        "iid": request.iid,
        "title": request.title,
        "source_branch": request.source_branch,
        "source_project_id": project.id,
        "target_branch": request.target_branch,
        "target_project_id": project.id,
        "state": request.state,
        "merge_status": "can_be_merged",
        "detailed_merge_status": "draft_status" if request.draft else "mergeable",
        "url": f"{addresses(forge, project)['web']}/-/merge_requests/{request.iid}",
    }


def build_block(pipeline: Pipeline, job: Job) -> Payload:
    started = job.started_at
    block: Payload = {
        "id": job.id,
        "stage": job.stage,
        "name": job.name,
        "status": job.status,
        "created_at": hook_time(job.created_at),
        "started_at": hook_time(started),
        "finished_at": hook_time(job.finished_at),
        "duration": job.duration,
        "queued_duration": (started - job.created_at).total_seconds() if started else None,
        "failure_reason": job.failure_reason if job.status == "failed" else None,
        "when": job.when,
        "manual": job.when == "manual",
        "allow_failure": job.allow_failure,
        "user": user_block(pipeline.user),
        "runner": runner_block() if started else None,
        "artifacts_file": {"filename": None, "size": None},
        "environment": None,
    }
    return block


def runner_block() -> Payload:
    return {
        "id": 1,
        "description": "simulated-runner",
        "active": True,
        "runner_type": "instance_type",
        "is_shared": True,
        "tags": ["simulated"],
    }


def merge_request_event(
    forge: Forge, project: Project, user: User, request: MergeRequest, action: str
) -> Payload:
    """Merge Request Hook: what was done to it, and how it stands."""
    labels = [{"title": name} for name in request.labels]
    attributes = merge_request_block(forge, project, request) | {
        "state": request.state,
        "action": action,
        "description": request.description,
        "draft": request.draft,
        "labels": labels,
        "updated_at": hook_time(request.updated_at),
    }
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": user_block(user),
        "project": project_block(forge, project),
        "object_attributes": attributes,
        "labels": labels,
        "changes": {},
    }
