"""The webhooks that bring GitLab's events here: installed, and repaired where they are broken.

https://docs.gitlab.com/api/project_webhooks/ and https://docs.gitlab.com/api/system_hooks/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
from pydantic import SecretStr

from workers.clients.gitlab_http import Connection
from workers.clients.gitlab_types import Hook
from workers.errors import NotFound, Rejected

NAME = "devops-backend"
_REFUSED_URL = re.compile(r"invalid url|url is blocked|requests to .* not allowed", re.IGNORECASE)


class HookState(msgspec.Struct, frozen=True):
    """A webhook as it stands after the call.

    `repaired` says what was wrong with it; empty where it was made or sound. `signed` is whether
    GitLab signs deliveries (19.0 and later, when given a signing token).
    """

    id: int
    created: bool = False
    repaired: tuple[str, ...] = ()
    signed: bool = False


class Hooks(Connection):
    """Lists and writes of webhooks: project hooks as Maintainer, system hooks as administrator."""

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

    def system_hooks(self) -> tuple[Hook, ...]:
        """The instance's system hooks."""
        return tuple(self.get("/hooks", per_page=100).decode(list[Hook]))

    def create_system_hook(self, fields: dict[str, Any]) -> Hook:
        """Add a system hook."""
        return self.post("/hooks", body=fields).decode(Hook)

    def update_system_hook(self, hook_id: int, fields: dict[str, Any]) -> Hook:
        """Change a system hook."""
        return self.put("/hooks/{}", hook_id, body=fields).decode(Hook)


def ensure_project_hook(
    gitlab: Hooks,
    project_id: int,
    url: str,
    secret: SecretStr | str,
    signing_token: SecretStr | str | None = None,
    *,
    force: bool = False,
) -> HookState:
    """The project has our webhook with push and pipeline events, and GitLab delivers to it.

    Found by its address, or by its name where the address of this service has changed. `force`
    writes it anew in any case: GitLab does not tell which secret it holds. Raises Rejected naming
    the setting where GitLab refuses the address, Denied below Maintainer.
    """
    fields = _fields(url, secret, signing_token) | {
        "pipeline_events": True,
        "push_events_branch_filter": "",
        "custom_webhook_template": "",
    }
    mine = _mine(gitlab.project_hooks(project_id), url)
    faults = [] if mine is None else _faults(mine, url, signing_token, force)
    if mine is not None and mine.disabled:
        # Only a delivery that succeeds would wake it, and an empty project has none to send.
        gitlab.delete_project_hook(project_id, mine.id)
        mine = None
    with _explained(url):
        if mine is None:
            return _state(
                gitlab.create_project_hook(project_id, fields), faults, created=not faults
            )
        if not mine.pipeline_events:
            faults.append("pipeline events were off")
        if mine.push_events_branch_filter or mine.custom_webhook_template:
            faults.append("a filter or template of its own kept or changed events")
        if faults:
            mine = gitlab.update_project_hook(project_id, mine.id, fields)
    return _state(mine, faults)


def ensure_system_hook(
    gitlab: Hooks,
    url: str,
    secret: SecretStr | str,
    signing_token: SecretStr | str | None = None,
    *,
    force: bool = False,
) -> HookState:
    """The instance has our system hook, pushes included. Raises Denied but for administrators.

    GitLab lets system hooks reach local addresses, and never pauses them.
    """
    fields = _fields(url, secret, signing_token) | {
        "repository_update_events": True,
        "tag_push_events": False,
        "merge_requests_events": False,
    }
    mine = _mine(gitlab.system_hooks(), url)
    with _explained(url):
        if mine is None:
            return _state(gitlab.create_system_hook(fields), [], created=True)
        faults = _faults(mine, url, signing_token, force)
        if not mine.repository_update_events:
            faults.append("repository updates were off")
        if faults:
            mine = gitlab.update_system_hook(mine.id, fields)
    return _state(mine, faults)


def _mine(hooks: tuple[Hook, ...], url: str) -> Hook | None:
    """Ours by address, else by name."""
    same = [hook for hook in hooks if hook.url.rstrip("/") == url.rstrip("/")]
    return next(iter(same + [hook for hook in hooks if hook.name == NAME]), None)


def _faults(hook: Hook, url: str, signing_token: SecretStr | str | None, force: bool) -> list[str]:
    """What is wrong with a webhook, whichever kind it is."""
    found = {
        "it was to be written anew": force,
        "its address was another": hook.url.rstrip("/") != url.rstrip("/"),
        "GitLab had disabled it": hook.disabled,
        "push events were off": not hook.push_events,
        "TLS certificates were not verified": hook.enable_ssl_verification is False,
        "deliveries were not signed": bool(signing_token) and hook.signing_token_present is False,
    }
    return [fault for fault, holds in found.items() if holds]


def _fields(
    url: str, secret: SecretStr | str, signing_token: SecretStr | str | None
) -> dict[str, Any]:
    """What both kinds of webhook are written with. The events are named: defaults differ."""
    fields: dict[str, Any] = {
        "url": url,
        "name": NAME,
        "token": _shown(secret),
        "push_events": True,
        "enable_ssl_verification": True,
    }
    if signing_token:
        fields["signing_token"] = _shown(signing_token)
    return fields


def _shown(secret: SecretStr | str) -> str:
    return secret.get_secret_value() if isinstance(secret, SecretStr) else secret


def _state(hook: Hook, faults: list[str], created: bool = False) -> HookState:
    return HookState(hook.id, created, tuple(faults), bool(hook.signing_token_present))


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
