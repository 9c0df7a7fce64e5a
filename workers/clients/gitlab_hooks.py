"""Webhooks of a project, a group or the instance as GitLab keeps them, and what they delivered.

https://docs.gitlab.com/api/project_webhooks/, https://docs.gitlab.com/api/group_webhooks/ and
https://docs.gitlab.com/api/system_hooks/
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import msgspec

from workers.clients.gitlab_http import Connection
from workers.clients.gitlab_types import Group, Hook, HookEvent
from workers.errors import Denied, NotFound

Kind = Literal["system", "group", "project"]


class Hooks(Connection):
    """Lists and writes of webhooks.

    Project hooks need a Maintainer, group hooks GitLab Premium and an Owner, system hooks an
    administrator.
    """

    def project_hooks(self, project_id: int) -> tuple[Hook, ...]:
        """The project's webhooks; GitLab allows a hundred."""
        return tuple(self.get("/projects/{}/hooks", project_id, per_page=100).decode(list[Hook]))

    def create_project_hook(self, project_id: int, fields: dict[str, Any]) -> Hook:
        """Add a webhook."""
        return self.post("/projects/{}/hooks", project_id, body=fields).decode(Hook)

    def update_project_hook(self, project_id: int, hook_id: int, fields: dict[str, Any]) -> Hook:
        """Change a webhook; GitLab demands its `url` every time."""
        return self.put("/projects/{}/hooks/{}", project_id, hook_id, body=fields).decode(Hook)

    def delete_project_hook(self, project_id: int, hook_id: int) -> None:
        """Remove a webhook; one that is gone already is no error."""
        with suppress(NotFound):
            self.call("DELETE", "/projects/{}/hooks/{}", (project_id, hook_id), write=True)

    def hook_events(self, project_id: int, hook_id: int, page: int = 1) -> tuple[HookEvent, ...]:
        """What a project's webhook delivered in the last 7 days, newest first, 20 a page."""
        template = "/projects/{}/hooks/{}/events"
        answer = self.get(template, project_id, hook_id, per_page=20, page=page)
        return tuple(answer.decode(list[HookEvent]))

    def group(self, group: int | str) -> Group:
        """A group by id or full path. Raises NotFound where the token may not see it."""
        return self.get("/groups/{}", group, with_projects="false").decode(Group)

    def group_hooks(self, group_id: int) -> tuple[Hook, ...]:
        """The group's webhooks; GitLab allows fifty."""
        return tuple(self.get("/groups/{}/hooks", group_id, per_page=100).decode(list[Hook]))

    def create_group_hook(self, group_id: int, fields: dict[str, Any]) -> Hook:
        """Add a webhook."""
        return self.post("/groups/{}/hooks", group_id, body=fields).decode(Hook)

    def update_group_hook(self, group_id: int, hook_id: int, fields: dict[str, Any]) -> Hook:
        """Change a webhook; GitLab demands its `url` every time."""
        return self.put("/groups/{}/hooks/{}", group_id, hook_id, body=fields).decode(Hook)

    def delete_group_hook(self, group_id: int, hook_id: int) -> None:
        """Remove a webhook; one that is gone already is no error."""
        with suppress(NotFound):
            self.call("DELETE", "/groups/{}/hooks/{}", (group_id, hook_id), write=True)

    def system_hooks(self) -> tuple[Hook, ...]:
        """The instance's system hooks."""
        return tuple(self.get("/hooks", per_page=100).decode(list[Hook]))

    def create_system_hook(self, fields: dict[str, Any]) -> Hook:
        """Add a system hook."""
        return self.post("/hooks", body=fields).decode(Hook)

    def update_system_hook(self, hook_id: int, fields: dict[str, Any]) -> Hook:
        """Change a system hook."""
        return self.put("/hooks/{}", hook_id, body=fields).decode(Hook)


class Shelf(msgspec.Struct, frozen=True):
    """Where webhooks of one kind are kept, as its calls.

    `hooks` raises Denied or NotFound with the right that is missing. Without `delete` they are
    never paused by GitLab. `project` is whose they are, where they are one project's.
    """

    kind: Kind
    hooks: Callable[[], tuple[Hook, ...]]
    create: Callable[[dict[str, Any]], Hook]
    update: Callable[[int, dict[str, Any]], Hook]
    delete: Callable[[int], None] | None = None
    project: int | None = None


def of_project(gitlab: Hooks, project_id: int) -> Shelf:
    """The webhooks of a project."""
    return Shelf(
        "project",
        lambda: gitlab.project_hooks(project_id),
        lambda fields: gitlab.create_project_hook(project_id, fields),
        lambda hook, fields: gitlab.update_project_hook(project_id, hook, fields),
        lambda hook: gitlab.delete_project_hook(project_id, hook),
        project_id,
    )


def of_group(gitlab: Hooks, group: int | str) -> Shelf:
    """The webhooks of a group, by id or full path. Raises NotFound where there is none."""
    known = gitlab.group(group)

    def hooks() -> tuple[Hook, ...]:
        try:
            return gitlab.group_hooks(known.id)
        except (Denied, NotFound) as error:
            # GitLab refuses alike for want of a licence and of a role.
            raise Denied(
                f"GitLab shows no webhooks of the group {known.full_path} ({error.status}): group"
                " webhooks need GitLab Premium or Ultimate, and a token whose user is Owner of the"
                " group. Without them use the system hook (`hooks install` with an administrator's"
                " token) or the webhooks of projects (`hooks install --project`)",
                error.status,
            ) from None

    return Shelf(
        "group",
        hooks,
        lambda fields: gitlab.create_group_hook(known.id, fields),
        lambda hook, fields: gitlab.update_group_hook(known.id, hook, fields),
        lambda hook: gitlab.delete_group_hook(known.id, hook),
    )


def of_instance(gitlab: Hooks) -> Shelf:
    """The system hooks. GitLab lets them reach local addresses, and never pauses them."""

    def hooks() -> tuple[Hook, ...]:
        try:
            return gitlab.system_hooks()
        except (Denied, NotFound) as error:
            if error.status == 401:
                raise
            raise Denied(
                f"GitLab shows no system hooks to this token ({error.status}): they need the token"
                " of an administrator, with the scope admin_mode where Admin Mode is on. GitLab.com"
                " has none: use `--group` (Premium) or `--project` there",
                error.status,
            ) from None

    return Shelf("system", hooks, gitlab.create_system_hook, gitlab.update_system_hook)
