"""Webhooks of projects and of the instance, their events and test deliveries."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from typing import Any
from urllib.parse import urlsplit

import msgspec

from service.sandbox import payloads
from service.sandbox.hooks import Delivery
from service.sandbox.refusal import Refusal, error, message, not_found
from service.sandbox.repository import ZERO, Change
from service.sandbox.rest.call import Answer, Call, paginate
from service.sandbox.state import Group, Hook, Project, Role, stamp

EVENTS = ("push_events", "pipeline_events", "job_events", "merge_requests_events",
          "tag_push_events", "repository_update_events", "project_events")  # fmt: skip
MOST_HOOKS = 100


def show(hook: Hook) -> dict[str, Any]:
    """A hook as GitLab answers it: tokens never, whether there is one always."""
    body: dict[str, Any] = {"id": hook.id, "url": hook.url, "name": hook.name}
    body |= {event: getattr(hook, event) for event in EVENTS}
    body |= {
        "description": hook.description,
        "created_at": stamp(hook.created_at),
        "enable_ssl_verification": hook.enable_ssl_verification,
        "push_events_branch_filter": hook.push_events_branch_filter,
        "branch_filter_strategy": "wildcard",
        "custom_webhook_template": "",
        "custom_headers": [{"key": key} for key in hook.custom_headers],
        "url_variables": [],
        "token_present": hook.token is not None,
        "signing_token_present": hook.signing_token is not None,
    }
    if hook.project_id is not None or hook.group is not None:
        owner = "project_id" if hook.group_id is None else "group_id"
        body[owner] = hook.project_id or hook.group_id
        body["alert_status"] = hook.alert_status
        body["disabled_until"] = stamp(hook.disabled_until)
    return body


def local(url: str) -> bool:
    """Whether an address is on this machine or a private network."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private or address.is_loopback or address.is_link_local


def _check_url(call: Call, url: str, project_hook: bool) -> None:
    parts = urlsplit(url)
    blocked = project_hook and not call.sandbox.forge.switches.local_requests and local(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or blocked:
        raise error(422, "Invalid url given")


def _fill(call: Call, hook: Hook) -> None:
    """Takes over the parameters that were sent."""
    for event in EVENTS:
        setattr(hook, event, call.flag(event, getattr(hook, event)))
    hook.enable_ssl_verification = call.flag(
        "enable_ssl_verification", hook.enable_ssl_verification
    )
    for name in ("name", "description", "token", "push_events_branch_filter"):
        if call.get(name) is not None:
            setattr(hook, name, call.text(name) or None)
    hook.push_events_branch_filter = hook.push_events_branch_filter or ""
    headers = call.get("custom_headers")
    if isinstance(headers, list):
        hook.custom_headers = {str(h["key"]): str(h["value"]) for h in headers}
    signing = call.text("signing_token")
    if signing is not None and call.sandbox.forge.switches.signing_tokens:
        hook.signing_token = _signing_token(signing)


def _signing_token(text: str) -> str | None:
    if not text:
        return None
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32 or not text.startswith("whsec_"):
        raise error(422, "Signing token is invalid")
    return text


class Place(msgspec.Struct):
    """Where hooks are kept: in a project, in a group, or on the instance."""

    hooks: dict[int, Hook]
    project: Project | None = None
    group: Group | None = None

    @property
    def guarded(self) -> bool:
        """Local addresses can be forbidden to all but system hooks."""
        return self.project is not None or self.group is not None


def _place(call: Call) -> Place:
    """The place that the path names. Raises `Refusal` where the caller has no right to it."""
    forge = call.sandbox.forge
    if "id" in call.ids:
        project = call.project(Role.MAINTAINER)
        return Place(project.hooks, project=project)
    if "group" in call.ids:
        group = forge.find_group(call.ids["group"])
        if not forge.switches.premium:
            raise Refusal(404, {"error": "404 Not Found"})
        if not call.user.admin and call.user.id not in group.owners:
            raise message(403, "403 Forbidden")
        return Place(group.hooks, group=group)
    call.admin()
    return Place(forge.system_hooks)


def _find(call: Call) -> tuple[Place, Hook]:
    place = _place(call)
    hook = place.hooks.get(call.number("hook"))
    if hook is None:
        raise not_found()
    return place, hook


def list_hooks(call: Call) -> Answer:
    return paginate(call, list(_place(call).hooks.values()), show)


def get_hook(call: Call) -> Answer:
    return Answer(show(_find(call)[1]))


def create_hook(call: Call) -> Answer:
    """201 with the hook; system hooks may be local, as GitLab's."""
    place = _place(call)
    (url,) = call.require("url")
    _check_url(call, url, place.guarded)
    if place.guarded and len(place.hooks) >= MOST_HOOKS:
        raise message(422, f"Maximum number of project hooks ({MOST_HOOKS}) exceeded")
    hook = Hook(call.sandbox.forge.next_id("hook"), url, push_events=place.guarded)
    hook.project_id = place.project.id if place.project else None
    if place.group:
        hook.group, hook.group_id = place.group.full_path, place.group.id
    _fill(call, hook)
    place.hooks[hook.id] = hook
    return Answer(show(hook), 201)


def update_hook(call: Call) -> Answer:
    """`PUT` needs `url`, but for system hooks; another one forgets token and custom headers."""
    place, hook = _find(call)
    url = call.require("url")[0] if place.guarded else call.text("url") or hook.url
    _check_url(call, url, place.guarded)
    if url != hook.url:
        hook.url, hook.token, hook.custom_headers = url, None, {}
    _fill(call, hook)
    return Answer(show(hook))


def delete_hook(call: Call) -> Answer:
    place, hook = _find(call)
    del place.hooks[hook.id]
    return Answer(status=204)


async def test_hook(call: Call) -> Answer:
    """`POST hooks/:id/test/:trigger`: one delivery now; its success enables the hook again."""
    place, hook = _find(call)
    project = place.project
    assert project is not None
    trigger = call.ids["trigger"]
    forge = call.sandbox.forge
    event, body = "Push Hook", {}
    if trigger == "push_events":
        commit = project.repository.resolve(None)
        if commit is None:
            raise message(422, "Ensure the project has at least one commit.")
        ref = f"refs/heads/{project.repository.default_branch}"
        parent = commit.parents[0] if commit.parents else ZERO
        body = payloads.push_event(forge, project, call.user, Change(parent, commit.sha, ref))
    elif trigger == "pipeline_events":
        if not project.pipelines:
            raise message(422, "Ensure the project has CI pipelines.")
        last = list(project.pipelines.values())[-1]
        event, body = "Pipeline Hook", payloads.pipeline_event(forge, project, last)
    else:
        raise error(400, "trigger does not have a valid value")
    delivery = call.sandbox.courier.record(hook, event, trigger, body)
    status = await call.sandbox.courier.deliver(hook, delivery)
    if not 200 <= status < 300:
        raise message(422, delivery.error or f"Hook executed but returned HTTP {status}")
    hook.failures, hook.disabled_until, hook.disabled_for_good = 0, None, False
    return Answer({"message": "201 Created"}, 201)


def show_event(delivery: Delivery) -> dict[str, Any]:
    """A row of `hooks/:id/events`."""
    answered = bool(delivery.statuses) and delivery.statuses[-1] > 0
    return {
        "id": delivery.number,
        "url": delivery.url,
        "trigger": delivery.kind.partition(":")[0] + "_hooks",
        "request_headers": {
            key: "[REDACTED]" if key == "X-Gitlab-Token" else value
            for key, value in delivery.headers.items()
        },
        "request_data": msgspec.json.decode(delivery.body),
        "response_status": str(delivery.statuses[-1]) if answered else "internal error",
        "execution_duration": 0.0,
        "created_at": stamp(delivery.at),
    }


def hook_events(call: Call) -> Answer:
    _, hook = _find(call)
    found = [d for d in reversed(call.sandbox.courier.deliveries) if d.hook_id == hook.id]
    wanted = call.query.get("status")
    if wanted:
        found = [d for d in found if d.statuses and str(d.statuses[-1]) == wanted]
    return paginate(call, found, show_event)


async def resend_event(call: Call) -> Answer:
    """`POST hooks/:id/events/:event/resend`: the same body under the same `Idempotency-Key`."""
    _, hook = _find(call)
    delivery = call.sandbox.courier.find(call.ids["event"])
    if delivery.hook_id != hook.id:
        raise not_found()
    status = await call.sandbox.courier.deliver(hook, delivery)
    return Answer({"response_status": status}, 201)


async def test_system_hook(call: Call) -> Answer:
    """`POST /hooks/:id`: a sample event, as GitLab's test button."""
    _, hook = _find(call)
    body = {
        "event_name": "project_create",
        "name": "Ruby",
        "path": "ruby",
        "path_with_namespace": "mike/ruby",
        "project_id": 1,
        "owner_name": "Someone",
        "owner_email": "example@gitlabhq.com",
    }
    delivery = call.sandbox.courier.record(hook, "System Hook", "test", body)
    await call.sandbox.courier.deliver(hook, delivery)
    return Answer(body, 201)
