"""Sends webhooks as GitLab does: real headers, ten seconds, never again on its own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import random
import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

from service.sandbox import payloads
from service.sandbox.forge import Forge
from service.sandbox.refusal import not_found
from service.sandbox.repository import Change
from service.sandbox.state import Hook, MergeRequest, Pipeline, Project, User, now, wildcard

TIMEOUT_S = 10.0
# GitLab's limit of refs of one type and action in a push, above which push hooks are not sent.
PUSH_EVENT_HOOKS_LIMIT = 3
# Auto-disabling: four failures in a row pause a hook, forty end it.
PAUSE_AFTER, END_AFTER = 4, 40
LONGEST_PAUSE = timedelta(hours=24)


class Delivery(msgspec.Struct):
    """One event for one hook, with every attempt to send it. `id` is its `Idempotency-Key`."""

    id: str
    number: int
    hook_id: int
    project_id: int | None
    url: str
    event: str
    kind: str
    body: bytes
    event_uuid: str
    at: datetime = msgspec.field(default_factory=now)
    statuses: list[int] = msgspec.field(default_factory=list)
    """HTTP status of each attempt, 0 where there was no answer."""
    error: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return bool(self.statuses) and 200 <= self.statuses[-1] < 400


class Courier:
    """Turns events into deliveries and sends each in a task of its own, so no order holds."""

    def __init__(self, forge: Forge, seed: int) -> None:
        self.forge = forge
        self.deliveries: list[Delivery] = []
        self.random = random.Random(seed)  # noqa: S311 - chaos by seed, not secrecy
        self.tasks: set[asyncio.Task[None]] = set()
        # Proxies of the environment are not for webhooks to this machine.
        self.http = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)

    async def close(self) -> None:
        """Ends what is on its way."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.http.aclose()

    def project_event(self, project: Project, event: str, old_path: str | None = None) -> None:
        """Tells about a project's birth, end, rename or transfer; groups hear the first two."""
        body = payloads.project_event(self.forge, project, event, old_path)
        self._send_all(self._system_hooks(), "System Hook", event, body)
        if event in ("project_create", "project_destroy"):
            hooks = [hook for hook in self._group_hooks(project) if hook.project_events]
            body = payloads.group_project_event(self.forge, project, event)
            self._send_all(hooks, "Project Hook", event, body)

    def push(self, project: Project, user: User, changes: Sequence[Change]) -> None:
        """Tells all hooks about one push of one or several refs."""
        few = len(changes) <= PUSH_EVENT_HOOKS_LIMIT
        for change in changes if few else ():
            body = payloads.push_event(self.forge, project, user, change)
            branch = change.ref.removeprefix("refs/heads/")
            hooks = [h for h in self._hooks(project) if h.push_events and _wants(h, branch)]
            self._send_all(hooks, "Push Hook", "push", body)
            wanting = [h for h in self._system_hooks() if h.push_events]
            if self.forge.switches.system_push_events:
                wanting = self._system_hooks()
            self._send_all(wanting, "System Hook", "push", body)
        body = payloads.repository_update(self.forge, project, user, changes)
        hooks = [h for h in self._system_hooks() if h.repository_update_events]
        self._send_all(hooks, "System Hook", "repository_update", body)

    def pipeline(self, project: Project, pipeline: Pipeline) -> None:
        """Tells the project's hooks how a pipeline stands now."""
        body = payloads.pipeline_event(self.forge, project, pipeline)
        hooks = [hook for hook in self._hooks(project) if hook.pipeline_events]
        self._send_all(hooks, "Pipeline Hook", f"pipeline:{pipeline.status}", body)

    def merge_request(
        self, project: Project, user: User, request: MergeRequest, action: str
    ) -> None:
        """Tells what was done to a merge request."""
        body = payloads.merge_request_event(self.forge, project, user, request, action)
        hooks = [hook for hook in self._hooks(project) if hook.merge_requests_events]
        self._send_all(hooks, "Merge Request Hook", f"merge_request:{action}", body)

    def _group_hooks(self, project: Project) -> list[Hook]:
        groups = self.forge.groups_of(project)
        return [hook for group in groups for hook in group.hooks.values()]

    def _hooks(self, project: Project) -> list[Hook]:
        """The project's own hooks and those of its groups."""
        return [*project.hooks.values(), *self._group_hooks(project)]

    def _system_hooks(self) -> list[Hook]:
        return list(self.forge.system_hooks.values())

    def _send_all(self, hooks: Sequence[Hook], event: str, kind: str, body: Any) -> None:
        if not self.forge.switches.hooks:
            return
        chain = str(uuid.uuid4())
        for hook in hooks:
            if hook.alert_status == "executable":
                self.queue(hook, event, kind, body, chain)

    def record(
        self, hook: Hook, event: str, kind: str, body: Any, chain: str | None = None
    ) -> Delivery:
        """A delivery that is noted but not sent yet."""
        number = self.forge.next_id("delivery")
        delivery = Delivery(
            str(uuid.uuid4()),
            number,
            hook.id,
            hook.project_id,
            hook.url,
            event,
            kind,
            msgspec.json.encode(body),
            chain or str(uuid.uuid4()),
        )
        self.deliveries.append(delivery)
        return delivery

    def queue(self, hook: Hook, event: str, kind: str, body: Any, chain: str) -> Delivery:
        """Records a delivery and sends it soon; switches may drop, delay or double it."""
        delivery = self.record(hook, event, kind, body, chain)
        switches = self.forge.switches
        if self.random.random() < switches.hook_drop:
            delivery.error = "dropped by a switch of the sandbox"
            return delivery
        copies = 2 if self.random.random() < switches.hook_duplicate else 1
        for _ in range(copies):
            self._spawn(hook, delivery, self.random.uniform(0, switches.hook_reorder_s))
        return delivery

    def _spawn(self, hook: Hook, delivery: Delivery, delay: float) -> None:
        task = asyncio.create_task(self._deliver_later(hook, delivery, delay))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _deliver_later(self, hook: Hook, delivery: Delivery, delay: float) -> None:
        await asyncio.sleep(delay)
        await self.deliver(hook, delivery)

    async def deliver(self, hook: Hook, delivery: Delivery) -> int:
        """Sends once and notes the answer. The status, or 0 where none came."""
        delivery.headers = self._headers(hook, delivery)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self.http.post(
                    delivery.url, content=delivery.body, headers=delivery.headers
                )
            status, delivery.error = answer.status_code, None
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            status, delivery.error = 0, f"{type(error).__name__}: {error}"
        delivery.statuses.append(status)
        self._judge(hook, 200 <= status < 400)
        return status

    def _headers(self, hook: Hook, delivery: Delivery) -> dict[str, str]:
        headers = {
            **hook.custom_headers,
            "Content-Type": "application/json",
            "User-Agent": "GitLab/18.8.0",
            "X-Gitlab-Event": delivery.event,
            "X-Gitlab-Event-UUID": delivery.event_uuid,
            "X-Gitlab-Webhook-UUID": str(uuid.uuid4()),
            "X-Gitlab-Instance": self.forge.url,
            "Idempotency-Key": delivery.id,
        }
        if hook.token:
            headers["X-Gitlab-Token"] = hook.token
        if hook.signing_token:
            headers |= signature(hook.signing_token, delivery.id, int(time.time()), delivery.body)
        return headers

    def _judge(self, hook: Hook, ok: bool) -> None:
        """GitLab's auto-disabling: project and group hooks, only where the switch is on."""
        if (
            hook.project_id is None and hook.group is None
        ) or not self.forge.switches.auto_disable_hooks:
            return
        if ok:
            hook.failures, hook.disabled_until, hook.disabled_for_good = 0, None, False
            return
        hook.failures += 1
        if hook.failures >= END_AFTER:
            hook.disabled_for_good = True
        elif hook.failures >= PAUSE_AFTER:
            pause = timedelta(minutes=min(2 ** (hook.failures - PAUSE_AFTER), 60 * 24))
            hook.disabled_until = now() + min(pause, LONGEST_PAUSE)

    def find(self, key: str) -> Delivery:
        """By id or number. Raises `Refusal` 404."""
        for delivery in self.deliveries:
            if key in (delivery.id, str(delivery.number)):
                return delivery
        raise not_found("Delivery")

    def hook_of(self, delivery: Delivery) -> Hook:
        """The hook a delivery was for. Raises `Refusal` 404 where it was removed."""
        stores = [self.forge.system_hooks]
        stores += [project.hooks for project in self.forge.all()]
        stores += [group.hooks for group in self.forge.groups.values()]
        for hooks in stores:
            if delivery.hook_id in hooks:
                return hooks[delivery.hook_id]
        raise not_found("Hook")


def _wants(hook: Hook, branch: str) -> bool:
    return not hook.push_events_branch_filter or wildcard(hook.push_events_branch_filter, branch)


def signature(signing_token: str, delivery: str, at: int, body: bytes) -> dict[str, str]:
    """Standard Webhooks headers, as GitLab 19 sends them; `at` is Unix seconds."""
    key = base64.b64decode(signing_token.removeprefix("whsec_"))
    signed = f"{delivery}.{at}.".encode() + body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": delivery,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{digest}",
    }
