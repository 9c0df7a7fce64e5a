"""A project's own webhook speaks for its project alone: in GitLab, at the receiver, rotating."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import redis
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from service.sandbox.hooks import signature
from service.sandbox.views import DeliveryView
from tests.support.gitlab import BOT_TOKEN, Instance
from tests.support.mailbox import mailbox
from tests.support.service import (
    OLD_SECRET,
    SECRET,
    SIGNING,
    Running,
    Server,
    payload,
    running_service,
    settings_for,
)
from workers import hooking
from workers.clients.gitlab import GitLab, ensure_system_hook
from workers.clients.gitlab_hook_care import WRITTEN_ANEW
from workers.embedded import EmbeddedRedis
from workers.hook_secrets import own_signing, own_token
from workers.store.ledger import Ledger
from workers.wiring import Parts

pytestmark = pytest.mark.timeout(90)
A, B = 7, 8
NEW, OLD = SecretStr(SECRET), SecretStr(OLD_SECRET)
BODIES = [
    "pipeline_hook", "push_hook", "push_hook_recorded_delivery", "system_hook_push",
    "system_hook_repository_update", "system_hook_project_create", "group_hook_project_create",
    "system_hook_project_destroy", "system_hook_project_rename", "system_hook_project_transfer",
]  # fmt: skip


@pytest.fixture(scope="module")
def receiver(redis_server: EmbeddedRedis) -> Iterator[Running]:
    with running_service(redis_server.url) as running:
        yield running


@pytest.fixture
def service(receiver: Running, redis_client: redis.Redis) -> Running:
    return receiver


def of(project: int, secret: SecretStr = NEW) -> str:
    return own_token(secret, project).decode()


def named(name: str, project: int) -> dict[str, Any]:
    """A documented delivery, of this project."""
    body = payload(name)
    if isinstance(body.get("project"), dict):
        body["project"]["id"] = project
    return body | ({"project_id": project} if "project_id" in body else {})


@pytest.mark.parametrize("secret", [NEW, OLD], ids=["new", "old"])
@pytest.mark.parametrize("name", BODIES)
def test_a_webhook_of_one_project_tells_nothing_of_another(
    service: Running, redis_client: redis.Redis, name: str, secret: SecretStr
) -> None:
    """Whatever it claims: 200, so that GitLab does not count it, a reason, and no trace; of its own
    project the same body is work. Sent again it is known, and no key of B's is taken."""
    answer = service.deliver(named(name, B), X_Gitlab_Token=of(A, secret), Idempotency_Key="k")
    assert answer.status_code == 200 and answer.json() == {
        "status": "ignored", "reason": "of another project: this webhook is project 7's",
    }  # fmt: skip
    assert not redis_client.exists("dob:deliveries", f"dob:project:{B}", f"dob:triggers:{B}")
    assert Ledger(redis_client).dirty("generate", 2**53) == []
    assert service.deliver(named(name, A), X_Gitlab_Token=of(A, secret)).status_code == 202
    assert service.deliver(named(name, A), X_Gitlab_Token=of(A, secret)).json()["status"] == (
        "duplicate"
    )
    assert service.deliver(named(name, B), Idempotency_Key="k").status_code == 202


def test_it_is_counted_and_said(service: Running) -> None:
    """A warning names both projects and no secret; the metric has a reason of its own."""
    with capture_logs() as said:
        service.deliver(named("push_hook", B), X_Gitlab_Token=of(A))
    [line] = [line for line in said if line["log_level"] == "warning"]
    assert (line["webhook_of"], line["told_of"]) == (A, B) and SECRET not in repr(said)
    metric = 'devops_backend_deliveries_ignored_total{reason="of another project"}'
    assert metric in service.http.get("/metrics").text


@pytest.mark.parametrize(
    "token",
    [of(B)[:3] + of(A)[3:], of(A)[:-1], of(A) + "=", "p7.", "p7", of(A, SecretStr("x" * 32)),
     of(A).replace("p7", "p07"), of(A).upper(), f"{of(A)},{of(B)}"],
)  # fmt: skip
def test_a_forged_one_is_401_before_its_body_is_read(service: Running, token: str) -> None:
    """The claim is checked by itself; 5 MiB that would be 413 are not looked at."""
    answer = service.deliver(b" " * 6_000_000, X_Gitlab_Token=token)
    assert answer.status_code == 401


def test_a_signature_binds_as_well(service: Running) -> None:
    """The signing token of A's webhook is A's own: with its secret taken off, or out of date, it
    still tells nothing of B."""

    def post(project: int, key: str, token: str | None) -> httpx.Response:
        body = json.dumps(named("push_hook", project)).encode()
        headers = signature(key, f"m-{project}", int(time.time()), body)
        more = {"X-Gitlab-Token": token} if token else {}
        return service.http.post("/webhooks/gitlab", content=body, headers=headers | more)

    mine = own_signing(SecretStr(SIGNING), A).get_secret_value()
    gone = of(A, SecretStr("a secret of long ago"))
    assert post(B, mine, of(A)).json()["status"] == "ignored"
    assert post(B, mine, gone).json()["status"] == "ignored"
    assert post(B, mine, of(B, SecretStr("a secret of long ago"))).status_code == 401
    assert post(B, mine, None).status_code == 401
    assert post(A, mine, gone).status_code == 202
    assert post(B, SIGNING, None).status_code == 202


def parts_at(
    at: Instance, redis_url: str, backend: str, *secrets: SecretStr, **changes: Any
) -> Parts:
    return Parts(
        settings_for(
            redis_url, gitlab_url=at.url, gitlab_token=BOT_TOKEN, devops_backend_url=backend,
            gitlab_webhook_secret=secrets, **changes,
        )
    )  # fmt: skip


def writes(at: Instance) -> list[str]:
    found = [call.method for call in at.control.calls("/hooks") if call.method != "GET"]
    at.control.forget_calls()
    return found


def test_each_project_is_given_its_own(
    at: Instance, redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """What GitLab sends carries it, signed with a key of its own; one that was installed before, or
    with another secret in front, is written anew once; nothing that is kept tells a secret."""
    with mailbox() as box:
        backend = box.url.removesuffix("/hook")
        parts = parts_at(at, redis_server.url, backend, OLD)
        project = at.control.create_project("own/first", files={"a": "1"}).id
        assert hooking.ensure(parts, project) == "created" and writes(at) == ["POST"]
        at.control.push(project, {"a": "2"})
        [push] = box.wait("push")
        assert push.headers["x-gitlab-token"] == of(project, OLD)
        key = own_signing(SecretStr(SIGNING), project).get_secret_value()
        stamp, name = int(push.headers["webhook-timestamp"]), push.headers["webhook-id"]
        made = signature(key, name, stamp, push.raw)
        assert push.headers["webhook-signature"] == made["webhook-signature"]
        assert hooking.ensure(parts, project) == "created" and writes(at) == []
        rotated = parts_at(at, redis_server.url, backend, NEW, OLD)
        assert hooking.ensure(rotated, project) == WRITTEN_ANEW
        assert writes(at) == ["PUT"]
        at.control.push(project, {"a": "3"})
        assert box.wait("push", 2)[1].headers["x-gitlab-token"] == of(project)
        assert hooking.ensure(rotated, project) and writes(at) == []
        parts.ledger.note_project(project, {"hook_secret": ""})  # as a version of before left it
        assert hooking.ensure(rotated, project) and writes(at) == ["PUT"]
        kept = repr(parts.ledger.project(project))
        assert of(project)[3:] not in kept and SECRET not in kept


def test_a_refusal_is_tried_again_a_day_later_not_each_time(
    at: Instance, redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """A Developer's token may install nothing: once a day is often enough, and no secret counts as
    given."""
    project = at.control.create_project("own/refused", bot_role=30).id
    parts = parts_at(at, redis_server.url, "http://localhost:8000", NEW)
    for _ in range(2):
        assert hooking.ensure(parts, project).startswith(hooking.REFUSED)
    assert len(at.control.calls("/hooks")) == 1
    at.control.set_members(project, **{"devops-backend": 40})
    parts.ledger.note_project(project, {"hook_at": 1})
    assert hooking.ensure(parts, project) == "created"


class Door:
    """The address that GitLab knows, before receivers that are replaced one by one."""

    def __init__(self) -> None:
        self.to = ""
        route = Route("/webhooks/gitlab", self._forward, methods=["POST"])
        self.app = Starlette(routes=[route], lifespan=self._open)

    @asynccontextmanager
    async def _open(self, _: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(trust_env=False, timeout=10) as self._http:
            yield

    async def _forward(self, request: Request) -> Response:
        body, headers = await request.body(), request.headers.raw
        answer = await self._http.post(f"{self.to}/webhooks/gitlab", content=body, headers=headers)
        return Response(answer.content, answer.status_code)


def test_rotation_loses_no_delivery(
    at: Instance, redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """Under traffic from a project's webhook and the system hook: the new secret is put in front,
    the hooks are rewritten, the old one is taken away. No answer but 2xx, no push unheard."""
    door, url, heads, stop = Door(), redis_server.url, list[str](), threading.Event()
    unsigned: dict[str, Any] = {"gitlab_signing_token": ()}  # else a signature would do as well

    def traffic() -> None:
        while not stop.wait(0.03):
            heads.append(at.control.push(project, {"a": str(len(heads))}))

    def rows() -> list[DeliveryView]:
        return [row for row in at.control.deliveries() if row.url == hook]

    def heard() -> None:
        """Eight more pushes go by, and all that was sent before was answered."""
        wanted = len(heads) + 8
        at.control.wait(lambda: len(heads) >= wanted)
        sent = {row.id for row in rows()}
        at.control.wait(lambda: all(row.statuses for row in rows() if row.id in sent))

    with (
        Server(door.app) as balancer,
        running_service(url, gitlab_webhook_secret=(OLD,), **unsigned) as before,
        running_service(url, gitlab_webhook_secret=(NEW, OLD), **unsigned) as between,
        running_service(url, gitlab_webhook_secret=(NEW,), **unsigned) as after,
        GitLab(at.url, at.admin_token) as admin,
    ):
        hook, door.to = f"{balancer.url}/webhooks/gitlab", before.url
        project = at.control.create_project("own/rotated", files={"a": "1"}).id
        hooking.ensure(parts_at(at, url, balancer.url, OLD, **unsigned), project)
        system = ensure_system_hook(admin, hook, OLD, force=True).id
        pushing = threading.Thread(target=traffic)
        pushing.start()
        try:
            heard()
            door.to = between.url
            heard()
            ensure_system_hook(admin, hook, NEW, force=True)
            hooking.ensure(parts_at(at, url, balancer.url, NEW, OLD, **unsigned), project)
            heard()
            door.to = after.url
            heard()
        finally:
            stop.set()
            pushing.join()
            admin.call("DELETE", "/hooks/{}", (system,), write=True)
        at.control.wait(lambda: all(row.statuses for row in rows()))
    answers = {status for row in rows() for status in row.statuses}
    assert answers <= {200, 202} and len(rows()) >= 96, answers
    known = {row.event.after for row in Ledger(redis_client).deliveries(limit=1000)}
    assert set(heads) <= known
