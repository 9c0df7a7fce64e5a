"""What GitLab knows: users and tokens, projects, merge requests, pipelines, hooks."""

from __future__ import annotations

import fnmatch
import re
from datetime import UTC, datetime
from enum import IntEnum

import msgspec

from service.sandbox.repository import Repository
from service.sandbox.runners import CiRunner


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


def stamp(at: datetime | None) -> str | None:
    """GitLab's API form of a time: ISO 8601 with milliseconds."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


class Role(IntEnum):
    """GitLab's access levels."""

    NONE = 0
    GUEST = 10
    REPORTER = 20
    DEVELOPER = 30
    MAINTAINER = 40
    OWNER = 50


class User(msgspec.Struct):
    """A person or a bot."""

    id: int
    username: str
    name: str
    email: str
    admin: bool = False
    bot: bool = False


class Token(msgspec.Struct):
    """An access token. `scopes` as GitLab names them: `api`, `read_api`, `admin_mode` …"""

    user: User
    scopes: frozenset[str]
    active: bool = True


class Outcome(msgspec.Struct):
    """How the project's next pipelines end.

    `kind`: `success`, `fail` (at `job`), `flaky` (fails at `job`, then a retry succeeds), `hang`
    (pending for want of a runner), `cancel`, `manual` (blocked by `job`). `job` names a job, or a
    stage for its first job; None: the first job of stage `test`, else the first of all.
    """

    kind: str = "success"
    job: str | None = None


class Job(msgspec.Struct):
    """One job of a pipeline. Durations are seconds."""

    id: int
    name: str
    stage: str
    script: list[str]
    needs: list[str] | None = None
    status: str = "created"
    when: str = "on_success"
    allow_failure: bool = False
    junit: bool = False
    coverage: bool = False
    tags: list[str] = msgspec.field(default_factory=list)
    retried: bool = False
    failure_reason: str | None = None
    created_at: datetime = msgspec.field(default_factory=now)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration: float | None = None


class Pipeline(msgspec.Struct):
    """A pipeline; `jobs` in the order of their stages, retried attempts included."""

    id: int
    iid: int
    sha: str
    before_sha: str
    ref: str
    branch: str
    source: str
    user: User
    stages: list[str] = msgspec.field(default_factory=list)
    jobs: list[Job] = msgspec.field(default_factory=list)
    status: str = "created"
    yaml_errors: str | None = None
    merge_request: int | None = None
    created_at: datetime = msgspec.field(default_factory=now)
    updated_at: datetime = msgspec.field(default_factory=now)
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration: int | None = None
    tests: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def coverage(self) -> float | None:
        """Per cent, made up: that of every job with a `coverage` expression that succeeded."""
        told = any(job.coverage and job.status == "success" for job in self.latest_jobs())
        return 87.5 if told else None

    def latest_jobs(self) -> list[Job]:
        """Jobs without the attempts that were retried."""
        return [job for job in self.jobs if not job.retried]


class Note(msgspec.Struct):
    """A comment on a merge request."""

    id: int
    body: str
    author: User
    created_at: datetime = msgspec.field(default_factory=now)


class MergeRequest(msgspec.Struct):
    """A merge request. `state` is `opened`, `closed` or `merged`."""

    id: int
    iid: int
    title: str
    description: str
    source_branch: str
    target_branch: str
    author: User
    labels: list[str] = msgspec.field(default_factory=list)
    state: str = "opened"
    notes: list[Note] = msgspec.field(default_factory=list)
    remove_source_branch: bool = False
    closed_at: datetime | None = None
    created_at: datetime = msgspec.field(default_factory=now)
    updated_at: datetime = msgspec.field(default_factory=now)

    @property
    def draft(self) -> bool:
        return bool(re.match(r"(draft:|\[draft\]|\(draft\))", self.title, re.IGNORECASE))


class Hook(msgspec.Struct):
    """A webhook of a project, a group or the instance. Tokens are kept, and never answered."""

    id: int
    url: str
    project_id: int | None = None
    group: str | None = None
    """Full path of the group whose hook it is; neither project nor group: the instance's."""
    group_id: int | None = None
    name: str | None = None
    description: str | None = None
    token: str | None = None
    signing_token: str | None = None
    push_events: bool = True
    pipeline_events: bool = False
    job_events: bool = False
    merge_requests_events: bool = False
    tag_push_events: bool = False
    repository_update_events: bool = True
    project_events: bool = False
    enable_ssl_verification: bool = True
    push_events_branch_filter: str = ""
    custom_headers: dict[str, str] = msgspec.field(default_factory=dict)
    failures: int = 0
    disabled_until: datetime | None = None
    disabled_for_good: bool = False
    created_at: datetime = msgspec.field(default_factory=now)

    @property
    def alert_status(self) -> str:
        if self.disabled_for_good:
            return "disabled"
        waiting = self.disabled_until is not None and self.disabled_until > now()
        return "temporarily_disabled" if waiting else "executable"


class Group(msgspec.Struct):
    """A namespace; `kind` is `group`, or `user` for a person's own."""

    id: int
    full_path: str
    kind: str = "group"
    owners: set[int] = msgspec.field(default_factory=set)
    hooks: dict[int, Hook] = msgspec.field(default_factory=dict)


class Variable(msgspec.Struct):
    """A CI/CD variable of a project."""

    key: str
    value: str
    protected: bool = False
    masked: bool = False


class Project(msgspec.Struct):
    """A project with everything below it. `members` maps user ids to roles."""

    id: int
    name: str
    path: str
    namespace: str
    visibility: str = "private"
    repository: Repository = msgspec.field(default_factory=Repository)
    members: dict[int, Role] = msgspec.field(default_factory=dict)
    protected: dict[str, Role] = msgspec.field(default_factory=dict)
    merge_requests: dict[int, MergeRequest] = msgspec.field(default_factory=dict)
    pipelines: dict[int, Pipeline] = msgspec.field(default_factory=dict)
    hooks: dict[int, Hook] = msgspec.field(default_factory=dict)
    variables: dict[str, Variable] = msgspec.field(default_factory=dict)
    archived: bool = False
    import_status: str = "none"
    builds_access_level: str = "enabled"
    ci_config_path: str | None = None
    auto_devops_enabled: bool = False
    container_registry_enabled: bool = True
    merge_requests_enabled: bool = True
    runners: list[CiRunner] | None = None
    """None: the instance's simulated one."""
    outcome: Outcome = msgspec.field(default_factory=Outcome)
    created_at: datetime = msgspec.field(default_factory=now)
    updated_at: datetime = msgspec.field(default_factory=now)

    @property
    def full_path(self) -> str:
        return f"{self.namespace}/{self.path}"

    def push_role(self, branch: str) -> Role:
        """The role that pushing to `branch` needs; most permissive match wins, as GitLab's."""
        if self.repository.empty:
            return Role.MAINTAINER
        rules = [role for glob, role in self.protected.items() if wildcard(glob, branch)]
        return min(rules, default=Role.DEVELOPER)

    def is_protected(self, branch: str) -> bool:
        return any(wildcard(glob, branch) for glob in self.protected)


def wildcard(pattern: str, name: str) -> bool:
    """GitLab's branch patterns: only `*` is special, and it spans slashes."""
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]").replace("?", "[?]"))
