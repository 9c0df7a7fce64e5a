"""What `/_sandbox` tells, typed: a project and what belongs to it, from behind the scenes."""

from __future__ import annotations

from typing import Any

import msgspec


class MergeRequestView(msgspec.Struct, frozen=True):
    """A merge request, from behind the scenes."""

    iid: int
    title: str
    description: str
    state: str
    draft: bool
    source_branch: str
    target_branch: str
    labels: list[str]
    author: str
    notes: list[str]


class PipelineView(msgspec.Struct, frozen=True):
    """A pipeline with its latest jobs' states by name."""

    id: int
    sha: str
    ref: str
    source: str
    status: str
    yaml_errors: str | None
    jobs: dict[str, str]


class CommitView(msgspec.Struct, frozen=True):
    """A commit; `branches` are those whose head it is."""

    sha: str
    message: str
    author: str
    parents: list[str]
    branches: list[str]


class HookView(msgspec.Struct, frozen=True):
    """A webhook of a project."""

    id: int
    url: str
    alert_status: str
    push_events: bool
    pipeline_events: bool


class ProjectView(msgspec.Struct, frozen=True):
    """Everything about a project."""

    id: int
    path: str
    url: str
    default_branch: str
    branches: dict[str, str]
    merge_requests: list[MergeRequestView]
    pipelines: list[PipelineView]
    commits: list[CommitView]
    hooks: list[HookView]


class DeliveryView(msgspec.Struct, frozen=True):
    """A webhook that was sent; `statuses` hold one HTTP status an attempt, 0 for no answer."""

    id: str
    number: int
    hook_id: int
    project_id: int | None
    url: str
    event: str
    kind: str
    statuses: list[int]
    error: str | None
    body: dict[str, Any]


class UserView(msgspec.Struct, frozen=True):
    """A user with a fresh token."""

    id: int
    username: str
    token: str
