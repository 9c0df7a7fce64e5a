"""What GitLab tells, as small values. Members that GitLab adds later are dropped on reading.

Names are GitLab's own REST names where a struct is read from JSON as it comes; derived facts are
properties. https://docs.gitlab.com/api/rest/
"""

from __future__ import annotations

from typing import Any

import msgspec

GUEST, REPORTER, DEVELOPER, MAINTAINER, OWNER = 10, 20, 30, 40, 50
"""Access levels (https://docs.gitlab.com/api/access_requests/); 60 stands for an administrator."""
ADMIN = 60


class User(msgspec.Struct, frozen=True):
    """The user that a token acts as. `is_admin` is told to administrators only."""

    id: int
    username: str
    bot: bool | None = None
    is_admin: bool | None = None


class _Access(msgspec.Struct, frozen=True):
    access_level: int | None = None


class _Permissions(msgspec.Struct, frozen=True):
    project_access: _Access | None = None
    group_access: _Access | None = None


class _Namespace(msgspec.Struct, frozen=True):
    full_path: str = ""


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project now. `default_branch` is named even where `empty_repo` holds."""

    id: int
    path: str = msgspec.field(name="path_with_namespace")
    name: str = ""
    web_url: str = ""
    default_branch: str | None = None
    empty_repo: bool | None = False
    archived: bool | None = False
    import_status: str | None = None
    """none, scheduled, started, finished, failed or canceled."""
    import_error: str | None = None
    jobs_enabled: bool | None = None
    builds_access_level: str | None = None
    ci_config_path: str | None = None
    """None or "" for `.gitlab-ci.yml`; else a committed `.gitlab-ci.yml` is not read."""
    auto_devops: bool | None = msgspec.field(name="auto_devops_enabled", default=None)
    marked_for_deletion_on: str | None = None
    created_at: str | None = None
    last_activity_at: str | None = None
    """ISO 8601; GitLab moves it once an hour at most."""
    container_registry_enabled: bool | None = None
    container_registry_access_level: str | None = None
    merge_requests_enabled: bool | None = None
    merge_requests_access_level: str | None = None
    shared_runners_enabled: bool | None = None
    namespace: _Namespace | None = None
    permissions: _Permissions | None = None

    @property
    def ci_enabled(self) -> bool:
        """False where the project's CI/CD is switched off."""
        return self.jobs_enabled is not False and self.builds_access_level != "disabled"

    @property
    def registry_enabled(self) -> bool:
        """False where the project's container registry is switched off."""
        off = self.container_registry_access_level == "disabled"
        return not off and self.container_registry_enabled is not False

    @property
    def merge_requests_open(self) -> bool:
        """False where the project takes no merge requests."""
        off = self.merge_requests_access_level == "disabled"
        return not off and self.merge_requests_enabled is not False

    @property
    def importing(self) -> bool:
        """True until the import has ended."""
        return self.import_status in ("scheduled", "started")

    @property
    def access_level(self) -> int:
        """The token's own level from membership of project or group; 0 where GitLab names none."""
        found = self.permissions
        if found is None:
            return 0
        levels = (found.project_access, found.group_access)
        return max((a.access_level or 0 for a in levels if a is not None), default=0)


class Commit(msgspec.Struct, frozen=True):
    """A commit. `message` is whole, trailers included."""

    sha: str = msgspec.field(name="id")
    url: str = msgspec.field(name="web_url", default="")
    message: str = ""
    parent_ids: tuple[str, ...] = ()


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """A branch now."""

    name: str
    commit: Commit
    protected: bool | None = False
    can_push: bool | None = True
    default: bool | None = False

    @property
    def sha(self) -> str:
        """40 hexadecimal digits of its head."""
        return self.commit.sha


class TreeEntry(msgspec.Struct, frozen=True):
    """One row of a repository tree. `type` is blob, tree or commit (a submodule)."""

    path: str
    type: str
    mode: str = "100644"
    id: str = ""


class FileState(msgspec.Struct, frozen=True):
    """A file at a ref. `last_commit_id` is the last commit that changed it."""

    content: bytes
    last_commit_id: str
    blob_id: str = ""


class MergeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A merge request; `iid` is its number in the project."""

    iid: int
    web_url: str = ""
    state: str = "opened"
    title: str = ""
    description: str | None = ""
    draft: bool | None = False
    source_branch: str = ""
    target_branch: str = ""
    sha: str | None = None
    project_id: int = 0
    labels: tuple[str, ...] = ()
    updated_at: str | None = None
    closed_at: str | None = None
    """ISO 8601, of the last time; stays when it is opened again."""


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook of a project, a group or the instance. GitLab never tells its tokens."""

    id: int
    url: str
    name: str | None = None
    group_id: int | None = None
    """Of a group's webhook."""
    push_events: bool | None = False
    pipeline_events: bool | None = False
    repository_update_events: bool | None = False
    merge_requests_events: bool | None = False
    project_events: bool | None = None
    """None where this GitLab tells groups nothing of new projects (before 17.6)."""
    enable_ssl_verification: bool | None = True
    push_events_branch_filter: str | None = None
    custom_webhook_template: str | None = None
    alert_status: str | None = None
    """executable, temporarily_disabled or disabled."""
    disabled_until: str | None = None
    signing_token_present: bool | None = None

    @property
    def disabled(self) -> bool:
        """True where GitLab paused or ended its deliveries."""
        return self.alert_status in ("temporarily_disabled", "disabled")


class HookEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a project's webhook to deliver, the body as it was sent."""

    id: int
    response_status: str | None = None
    """The HTTP status as text, or "internal error" where no answer came."""
    request_headers: dict[str, Any] | None = None
    request_data: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def failed(self) -> bool:
        """Whether GitLab counts it as a failure: anything but 2xx and 3xx."""
        return (self.response_status or "")[:1] not in ("2", "3")

    @property
    def key(self) -> str:
        """`Idempotency-Key` of the delivery, the same when it is sent again; "" without one."""
        found = (self.request_headers or {}).get("Idempotency-Key")
        return found if isinstance(found, str) else ""


class Group(msgspec.Struct, frozen=True):
    """A group."""

    id: int
    full_path: str = ""


class GraphQLAnswer(msgspec.Struct, frozen=True):
    """`data` and `errors` as they came."""

    data: dict[str, Any] | None = None
    errors: list[Any] | None = None
