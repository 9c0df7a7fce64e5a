"""GitLab's API as this program uses it. Its parts stand in the modules beside this one."""

from __future__ import annotations

from workers.clients.gitlab_ci_types import PipelineRow, PipelineState, ServerLint
from workers.clients.gitlab_hook_care import (
    HookState,
    ensure_group_hook,
    ensure_project_hook,
    ensure_system_hook,
)
from workers.clients.gitlab_hooks import Hooks
from workers.clients.gitlab_merge_requests import MergeRequests
from workers.clients.gitlab_pipelines import Pipelines
from workers.clients.gitlab_source import ApiSource
from workers.clients.gitlab_types import (
    DEVELOPER,
    MAINTAINER,
    Branch,
    Commit,
    MergeRequest,
    Project,
)

__all__ = [
    "DEVELOPER",
    "MAINTAINER",
    "ApiSource",
    "Branch",
    "Commit",
    "GitLab",
    "HookState",
    "MergeRequest",
    "PipelineRow",
    "PipelineState",
    "Project",
    "ServerLint",
    "ensure_group_hook",
    "ensure_project_hook",
    "ensure_system_hook",
]


class GitLab(Pipelines, MergeRequests, Hooks):
    """One GitLab, one token. See `gitlab_http.Connection` for what every method may raise.

    Not for several threads at once, and to be made after a fork, never before: two processes on
    one connection would read each other's answers.
    """
