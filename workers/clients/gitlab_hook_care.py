"""Our webhook: found, judged, installed, and repaired where it is broken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
from pydantic import SecretStr

from workers.clients.gitlab_hooks import Hooks, Kind, Shelf, of_group, of_instance, of_project
from workers.clients.gitlab_types import Hook
from workers.errors import Rejected

NAME = "devops-backend"
WRITTEN_ANEW = "written anew with today's secret"
_REFUSED_URL = re.compile(r"invalid url|url is blocked|requests to .* not allowed", re.IGNORECASE)
_EVENTS: dict[Kind, dict[str, bool]] = {
    "system": {
        "push_events": True,
        "repository_update_events": True,
        "tag_push_events": False,
        "merge_requests_events": False,
    },
    "group": {
        "push_events": True,
        "pipeline_events": True,
        "merge_requests_events": True,
        "project_events": True,
    },
    "project": {"push_events": True, "pipeline_events": True, "merge_requests_events": True},
}
"""Events by kind of webhook. All are named: GitLab's defaults differ between kinds. Those of merge
requests tell that ours was closed, which is an opt-out."""
_SAID = {
    "push_events": "push events were off",
    "pipeline_events": "pipeline events were off",
    "merge_requests_events": "merge request events were off",
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
    if force and mine is not None and not found:
        found = [WRITTEN_ANEW]
    if mine is not None and not _same(mine.url, url):
        found[0] += f"; rewritten to {url}"  # the address is the first that is looked at
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
    same = [hook for hook in hooks if _same(hook.url, url)]
    return next(iter(same + [hook for hook in hooks if hook.name == NAME]), None)


def faults(hook: Hook, kind: Kind, url: str, sign: bool = False) -> list[str]:
    """What is wrong with a webhook of ours. `sign`: deliveries are to be signed."""
    found = {
        f"its address was {_public(hook.url)}": not _same(hook.url, url),
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


def _same(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


def _public(url: str) -> str:
    """An address without what could be a secret in it: user, query, fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


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
