"""The webhooks that bring GitLab's events here: installed, and repaired where they are broken.

https://docs.gitlab.com/api/project_webhooks/, https://docs.gitlab.com/api/group_webhooks/ and
https://docs.gitlab.com/api/system_hooks/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import msgspec
from pydantic import SecretStr

from workers.clients.gitlab_http import Connection
from workers.clients.gitlab_types import Group, Hook
from workers.errors import Denied, NotFound, Rejected

NAME = "devops-backend"
Kind = Literal["system", "group", "project"]
_REFUSED_URL = re.compile(r"invalid url|url is blocked|requests to .* not allowed", re.IGNORECASE)
_EVENTS: dict[Kind, dict[str, bool]] = {
    "system": {
        "push_events": True,
        "repository_update_events": True,
        "tag_push_events": False,
        "merge_requests_events": False,
    },
    "group": {"push_events": True, "pipeline_events": True, "project_events": True},
    "project": {"push_events": True, "pipeline_events": True},
}
"""Events by kind of webhook. All are named: GitLab's defaults differ between kinds."""
_SAID = {
    "push_events": "push events were off",
    "pipeline_events": "pipeline events were off",
    "project_events": "births of projects were not told",
    "repository_update_events": "repository updates were off",
}


class HookState(msgspec.Struct, frozen=True):
    """A webhook as it stands after the call.

    `repaired` says what was wrong with it; empty where it was made or sound. `signed` is whether
    GitLab signs deliveries (19.0 and later, when given a signing token). `births` is False for a
    group's webhook on a GitLab before 17.6, which tells groups nothing of new projects.
    """

    id: int
    created: bool = False
    repaired: tuple[str, ...] = ()
    signed: bool = False
    births: bool = True


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
    never paused by GitLab.
    """

    kind: Kind
    hooks: Callable[[], tuple[Hook, ...]]
    create: Callable[[dict[str, Any]], Hook]
    update: Callable[[int, dict[str, Any]], Hook]
    delete: Callable[[int], None] | None = None


def of_project(gitlab: Hooks, project_id: int) -> Shelf:
    """The webhooks of a project."""
    return Shelf(
        "project",
        lambda: gitlab.project_hooks(project_id),
        lambda fields: gitlab.create_project_hook(project_id, fields),
        lambda hook, fields: gitlab.update_project_hook(project_id, hook, fields),
        lambda hook: gitlab.delete_project_hook(project_id, hook),
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


def ensure(
    shelf: Shelf,
    url: str,
    secret: SecretStr | str,
    signing_token: SecretStr | str | None = None,
    *,
    force: bool = False,
) -> HookState:
    """Our webhook stands on the shelf with its events, and GitLab delivers to it.

    Found by its address, or by its name where the address of this service has changed. `force`
    writes it anew in any case: GitLab does not tell which secret it holds. Raises Rejected naming
    the setting where GitLab refuses the address, Denied naming the right that is missing.
    """
    fields = _fields(shelf.kind, url, secret, signing_token)
    mine = find(shelf, url)
    found = faults(mine, shelf.kind, url, bool(signing_token)) if mine is not None else []
    if force and mine is not None:
        found.insert(0, "it was to be written anew")
    with _explained(url):
        if mine is not None and mine.disabled and shelf.delete is not None:
            # Only a delivery that succeeds would wake it, and an empty project has none to send.
            shelf.delete(mine.id)
            mine = None
        if mine is None:
            return _state(shelf.create(fields), found, created=not found)
        return _state(shelf.update(mine.id, fields) if found else mine, found)


def find(shelf: Shelf, url: str) -> Hook | None:
    """Ours by address, else by name."""
    hooks = shelf.hooks()
    same = [hook for hook in hooks if hook.url.rstrip("/") == url.rstrip("/")]
    return next(iter(same + [hook for hook in hooks if hook.name == NAME]), None)


def faults(hook: Hook, kind: Kind, url: str, sign: bool = False) -> list[str]:
    """What is wrong with a webhook of ours. `sign`: deliveries are to be signed."""
    found = {
        "its address was another": hook.url.rstrip("/") != url.rstrip("/"),
        "GitLab had disabled it": hook.disabled,
        "TLS certificates were not verified": hook.enable_ssl_verification is False,
        "deliveries were not signed": sign and hook.signing_token_present is False,
        "a filter or template of its own kept or changed events": bool(
            hook.push_events_branch_filter or hook.custom_webhook_template
        ),
    }
    # An event that this GitLab does not know is absent, and no fault.
    off = {name: getattr(hook, name) is False for name, on in _EVENTS[kind].items() if on}
    found |= {_SAID[name]: is_off for name, is_off in off.items()}
    return [fault for fault, holds in found.items() if holds]


def ensure_project_hook(
    gitlab: Hooks,
    project_id: int,
    url: str,
    secret: SecretStr | str,
    signing_token: SecretStr | str | None = None,
    *,
    force: bool = False,
) -> HookState:
    """A project's webhook with push and pipeline events; see `ensure`."""
    return ensure(of_project(gitlab, project_id), url, secret, signing_token, force=force)


def ensure_group_hook(
    gitlab: Hooks,
    group: int | str,
    url: str,
    secret: SecretStr | str,
    signing_token: SecretStr | str | None = None,
    *,
    force: bool = False,
) -> HookState:
    """A group's webhook with births of projects, pushes and pipelines below it; see `ensure`."""
    return ensure(of_group(gitlab, group), url, secret, signing_token, force=force)


def ensure_system_hook(
    gitlab: Hooks,
    url: str,
    secret: SecretStr | str,
    signing_token: SecretStr | str | None = None,
    *,
    force: bool = False,
) -> HookState:
    """The instance's system hook, pushes included; see `ensure`."""
    return ensure(of_instance(gitlab), url, secret, signing_token, force=force)


def _fields(
    kind: Kind, url: str, secret: SecretStr | str, signing_token: SecretStr | str | None
) -> dict[str, Any]:
    """What a webhook is written with."""
    fields: dict[str, Any] = {
        "url": url,
        "name": NAME,
        "token": _shown(secret),
        "enable_ssl_verification": True,
        **_EVENTS[kind],
    }
    if kind != "system":
        fields |= {"push_events_branch_filter": "", "custom_webhook_template": ""}
    if signing_token:
        fields["signing_token"] = _shown(signing_token)
    return fields


def _shown(secret: SecretStr | str) -> str:
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret


def _state(hook: Hook, found: list[str], created: bool = False) -> HookState:
    births = hook.project_events is not None or hook.group_id is None
    return HookState(hook.id, created, tuple(found), bool(hook.signing_token_present), births)


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """GitLab's refusal of an address, with the setting that allows it."""
    try:
        yield
    except Rejected as error:
        if not _REFUSED_URL.search(str(error)):
            raise
        raise Rejected(
            f"GitLab refuses the webhook address {url}: local and private addresses are blocked by"
            " default. An administrator allows them under Admin > Settings > Network > Outbound"
            ' requests: "Allow requests to the local network from webhooks and integrations"',
            error.status,
        ) from None
