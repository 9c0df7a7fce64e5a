"""The receiver over real HTTP and a real Valkey: every row of the table of answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import redis
from pydantic import SecretStr
from standardwebhooks import Webhook

from tests.support.ports import closed_port
from tests.support.service import (
    OLD_SECRET,
    SECRET,
    SIGNING,
    Running,
    payload,
    running_service,
    settings_for,
)
from workers.embedded import EmbeddedRedis
from workers.store.ledger import Ledger

pytestmark = pytest.mark.timeout(60)
PUSH = payload("system_hook_push")


@pytest.fixture(scope="module")
def server(redis_server: EmbeddedRedis) -> Iterator[Running]:
    with running_service(redis_server.url) as running:
        yield running


@pytest.fixture
def service(server: Running, redis_client: redis.Redis) -> Running:
    return server


def push(project: int, after: str = "a" * 40) -> dict[str, Any]:
    return PUSH | {"project_id": project, "after": after}


def test_a_new_event_is_stored_and_then_answered_202(
    service: Running, redis_client: redis.Redis
) -> None:
    """202 with the delivery's id; the ledger holds it and the project has work."""
    answer = service.deliver(push(7))
    assert answer.status_code == 202
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"status", "delivery"} and body["status"] == "accepted"
    ledger = Ledger(redis_client)
    stored = ledger.delivery(body["delivery"])
    assert stored is not None and (stored.event.kind, stored.event.project_id) == ("push", 7)
    assert ledger.dirty("generate", int(time.time() * 1000) + 1) == [7]


def test_the_same_event_again_is_a_duplicate(service: Running, redis_client: redis.Redis) -> None:
    """200 duplicate, whichever hook sends it; nothing is stored."""
    first = service.deliver(push(7))
    again = service.deliver(push(7))
    assert again.status_code == 200
    assert again.json()["status"] == "duplicate"
    assert first.json()["delivery"] in again.json()["reason"]
    assert set(again.json()) == {"status", "reason"}
    assert redis_client.xlen("dob:deliveries") == 1


@pytest.mark.parametrize("header", ["webhook-id", "Idempotency-Key"])
def test_gitlabs_own_key_makes_a_duplicate(service: Running, header: str) -> None:
    """A resent delivery has the same key, even where its body was rendered anew."""
    assert service.deliver(push(7), **{header: "key-1"}).status_code == 202
    again = service.deliver(push(7, "b" * 40), **{header: "key-1"})
    assert again.json()["status"] == "duplicate"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (PUSH | {"ref": "refs/tags/v1"}, "tag"),
        (PUSH | {"ref": "refs/heads/devops-backend/ci-abc"}, "our own branch"),
        (PUSH | {"after": "0" * 40}, "deleted"),
        ({"event_name": "user_create", "user_id": 3}, "user_create"),
        ({"object_kind": "note", "project_id": 3}, "note"),
        ({"event_name": "push"}, "no project id"),
    ],
)
def test_what_is_no_work_is_ignored_with_its_reason(
    service: Running, body: dict[str, Any], reason: str
) -> None:
    """200 ignored: never 4xx, which GitLab would count against the hook."""
    answer = service.deliver(body)
    assert answer.status_code == 200
    assert answer.json()["status"] == "ignored"
    assert reason in answer.json()["reason"]


@pytest.mark.parametrize(
    "name",
    [
        "group_hook_project_create", "job_hook", "pipeline_hook", "push_hook",
        "push_hook_recorded_delivery", "system_hook_project_create", "system_hook_project_destroy",
        "system_hook_project_rename", "system_hook_project_transfer", "system_hook_project_update",
        "system_hook_push", "system_hook_repository_update", "system_hook_tag_push",
    ],
)  # fmt: skip
def test_every_documented_delivery_gets_2xx(service: Running, name: str) -> None:
    """GitLab's own samples are all understood or ignored."""
    assert service.deliver(payload(name)).status_code in (200, 202)


@pytest.mark.parametrize(
    "media", ["text/plain", "", "application/x-www-form-urlencoded", "a;b=\xff"]
)
def test_the_content_type_has_no_effect(service: Running, media: str) -> None:
    """A custom header or a proxy may change it; the body is what counts."""
    answer = service.http.post(
        "/webhooks/gitlab",
        content=json.dumps(push(7)).encode(),
        headers=[(b"X-Gitlab-Token", SECRET.encode()), (b"Content-Type", media.encode("latin-1"))],
    )
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:1234", "127.0.0.1", "[::1]:99", "gitlab.internal"]
)
def test_the_host_has_no_effect(service: Running, host: str) -> None:
    """No address is made from `Host`."""
    answer = service.deliver(push(7), Host=host)
    assert answer.status_code == 202
    assert "evil" not in answer.text + str(answer.headers)


def test_a_malformed_host_is_refused(service: Running) -> None:
    """`Host: x/allowed?` once decided which route was authorised (CVE-2026-48710)."""
    assert service.deliver(push(7), Host="x/health?").status_code == 400


@pytest.mark.parametrize(
    "token",
    [b"", b"wrong", SECRET.encode()[:-1], SECRET.encode() + b"x", b"\xff\xfe",
     SECRET.upper().encode(), b"x" * 4000, f"{SECRET},{OLD_SECRET}".encode()],
)  # fmt: skip
def test_a_wrong_secret_is_401_and_stores_nothing(
    service: Running, redis_client: redis.Redis, token: bytes
) -> None:
    """The same answer for every wrong secret; it echoes nothing."""
    answer = service.http.post(
        "/webhooks/gitlab",
        content=json.dumps(push(7)).encode(),
        headers=[(b"X-Gitlab-Token", token), (b"Content-Type", b"application/json")],
    )
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "about:blank", "title": "Unauthorized", "status": 401,
        "detail": "the secret or signature is wrong or missing",
    }  # fmt: skip
    assert redis_client.exists("dob:deliveries") == 0


def test_every_active_secret_is_taken(service: Running) -> None:
    """Rotating: the old secret still works beside the new one."""
    assert service.deliver(push(7), X_Gitlab_Token=OLD_SECRET).status_code == 202


def test_guessing_gets_429_and_the_right_secret_still_passes(service: Running) -> None:
    """Fifty wrong secrets a minute, then 429; GitLab behind the same address is not locked out."""
    codes = [service.deliver(push(7), X_Gitlab_Token=f"guess-{n}").status_code for n in range(54)]
    assert codes == [401] * 50 + [429] * 4
    assert service.deliver(push(7)).status_code == 202


def signed(
    body: bytes, *, key: str = SIGNING, at: float | None = None, id: str = "msg_1"
) -> dict[str, str]:
    """Headers of a signed delivery, made by the specification's own library."""
    stamp = datetime.fromtimestamp(int(time.time() if at is None else at), tz=UTC)
    signature = Webhook(key).sign(id, stamp, body.decode())
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(stamp.timestamp())),
        "webhook-signature": signature,
    }


def post_signed(service: Running, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return service.http.post(
        "/webhooks/gitlab", content=body, headers={"Content-Type": "application/json"} | headers
    )


BODY = json.dumps(push(9)).encode()
OTHER_KEY = "whsec_" + base64.b64encode(b"another key of thirty-two bytes!").decode()


def test_a_signed_delivery_needs_no_secret(service: Running) -> None:
    """Standard Webhooks: HMAC-SHA256 over id, timestamp and raw body."""
    assert post_signed(service, BODY, signed(BODY)).status_code == 202


def test_the_signature_is_what_gitlab_documents(service: Running) -> None:
    """base64(HMAC(base64-decoded key, `{id}.{timestamp}.{body}`)), written out."""
    stamp = str(int(time.time()))
    key = base64.b64decode(SIGNING.removeprefix("whsec_"))
    mac = hmac.new(key, f"m.{stamp}.".encode() + BODY, hashlib.sha256).digest()
    headers = {
        "webhook-id": "m",
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
    assert post_signed(service, BODY, headers).status_code == 202


def test_one_good_signature_of_a_list_is_enough(service: Running) -> None:
    """Rotating on GitLab's side: it signs with both keys; malformed entries do not matter."""
    headers = signed(BODY)
    bad = signed(BODY, key=OTHER_KEY)["webhook-signature"]
    headers["webhook-signature"] = f"junk v2,x {bad} {headers['webhook-signature']}"
    assert post_signed(service, BODY, headers).status_code == 202


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h | {"webhook-signature": "v1,AAAA"},
        lambda h: h | {"webhook-signature": h["webhook-signature"].replace("v1,", "v2,")},
        lambda h: h | {"webhook-signature": ""},
        lambda h: h | {"webhook-signature": "\xff,\xff"},
        lambda h: h | {"webhook-id": "another"},
        lambda h: h | {"webhook-timestamp": str(int(h["webhook-timestamp"]) + 1)},
        lambda h: {k: v for k, v in h.items() if k != "webhook-id"},
        lambda h: {k: v for k, v in h.items() if k != "webhook-timestamp"},
        lambda h: h | {"webhook-timestamp": "nan"},
        lambda h: h | {"webhook-timestamp": "9" * 400},
        lambda h: h | {"webhook-timestamp": "-1"},
        lambda h: h | {"webhook-timestamp": "\xb2"},
    ],
)
def test_a_bad_signature_is_401(service: Running, change: Any) -> None:
    """Any change to id, timestamp, signature or version refuses it."""
    headers = {k: v.encode("latin-1") for k, v in change(signed(BODY)).items()}
    answer = service.http.post("/webhooks/gitlab", content=BODY, headers=headers)
    assert answer.status_code == 401


def test_a_changed_body_and_another_key_are_401(service: Running) -> None:
    """The signature covers the raw bytes."""
    assert post_signed(service, BODY + b" ", signed(BODY)).status_code == 401
    assert post_signed(service, BODY, signed(BODY, key=OTHER_KEY)).status_code == 401


@pytest.mark.parametrize(("age", "status"), [(290, 202), (-290, 202), (310, 401), (-310, 401)])
def test_a_stale_or_early_signature_is_401(service: Running, age: int, status: int) -> None:
    """Five minutes either way."""
    answer = post_signed(service, BODY, signed(BODY, at=time.time() - age))
    assert answer.status_code == status


def test_a_forged_or_stale_delivery_is_refused_before_its_body_is_read(service: Running) -> None:
    """Secret and timestamp are looked at first: the answer comes though the body never does."""
    stale = str(int(time.time()) - 4000)
    for headers in (
        f"X-Gitlab-Token: {SECRET[:-1]}",
        f"webhook-id: a\r\nwebhook-signature: v1,AA\r\nwebhook-timestamp: {stale}",
    ):
        with socket.create_connection(("127.0.0.1", _port(service)), 5) as sock:
            head = f"POST /webhooks/gitlab HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n{headers}"
            sock.sendall(head.encode() + b"\r\n\r\n{")
            sock.settimeout(3)
            assert b" 401 " in sock.recv(4096)


def test_a_body_over_five_mebibytes_is_413(service: Running) -> None:
    """By its declared length, and by counting where none is declared."""
    big = b'{"event_name":"push","pad":"' + b"x" * (5 * 1024 * 1024) + b'"}'
    assert service.deliver(big).status_code == 413

    def parts() -> Iterator[bytes]:
        for _ in range(90):
            yield b"x" * 65536

    answer = service.http.post(
        "/webhooks/gitlab", content=parts(), headers={"X-Gitlab-Token": SECRET}
    )
    assert answer.status_code == 413
    assert answer.json()["status"] == 413


def test_a_body_just_below_the_cap_is_read(service: Running) -> None:
    """The cap is 5 MiB, not less."""
    pad = "x" * (5 * 1024 * 1024 - 4096)
    assert service.deliver(push(7) | {"pad": pad}).status_code == 202


def test_a_slow_body_is_408_and_the_connection_ends(service: Running) -> None:
    """Five seconds for the whole body, however often a byte comes."""
    with socket.create_connection(("127.0.0.1", _port(service)), 5) as sock:
        head = f"POST /webhooks/gitlab HTTP/1.1\r\nHost: x\r\nX-Gitlab-Token: {SECRET}\r\n"
        sock.sendall(head.encode() + b"Content-Length: 500\r\n\r\n")
        began, answer = time.monotonic(), b""
        sock.settimeout(0.5)
        while b"\r\n\r\n" not in answer and time.monotonic() - began < 9:
            sock.sendall(b"{")
            try:
                answer += sock.recv(4096)
            except TimeoutError:
                continue
        assert b" 408 " in answer
        assert 4 < time.monotonic() - began < 8


def test_wrong_methods_and_paths_are_problems(service: Running) -> None:
    """405 and 404 as problem+json."""
    for answer, status in (
        (service.http.get("/webhooks/gitlab"), 405),
        (service.http.post("/webhooks/gitlab/x"), 404),
        (service.http.get("/nothing"), 404),
    ):
        assert answer.status_code == status == answer.json()["status"]
        assert answer.headers["content-type"] == "application/problem+json"


def test_what_cannot_be_stored_is_503_with_retry_after() -> None:
    """Redis gone: 503, soon and while it stays away; a forged delivery still gets 401."""
    with closed_port() as port, running_service(f"redis://127.0.0.1:{port}/0") as service:
        began = time.monotonic()
        answer = service.deliver(push(7))
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["content-type"] == "application/problem+json"
        assert time.monotonic() - began < 5
        assert service.deliver(push(7), X_Gitlab_Token="wrong").status_code == 401
        assert service.deliver({"event_name": "user_create"}).status_code == 200


def test_redis_refusing_writes_is_503(service: Running, redis_client: redis.Redis) -> None:
    """A full Redis refuses the script; the sender hears of it, and again when there is room."""
    redis_client.config_set("maxmemory", "1")
    try:
        assert service.deliver(push(7)).status_code == 503
    finally:
        redis_client.config_set("maxmemory", "512mb")
    assert service.deliver(push(7)).status_code == 202


def test_redis_that_hangs_is_503_within_gitlabs_patience(
    service: Running, redis_client: redis.Redis
) -> None:
    """Two seconds for Redis, where GitLab waits ten."""
    redis_client.client_pause(4000)
    began = time.monotonic()
    assert service.deliver(push(7)).status_code == 503
    assert time.monotonic() - began < 5
    redis_client.client_unpause()


def test_a_restarted_redis_is_found_again(tmp_path: Any) -> None:
    """Neither a lost connection nor lost scripts cost a delivery once Redis is back."""
    store = EmbeddedRedis(tmp_path)
    store.start()
    try:
        with running_service(store.url) as service:
            assert service.deliver(push(7)).status_code == 202
            store.stop()
            assert service.deliver(push(8)).status_code == 503
            store.start()
            assert service.deliver(push(8)).status_code == 202
            assert service.deliver(push(7)).json()["status"] == "duplicate"
    finally:
        store.stop()


def test_a_redis_that_restarts_is_waited_for(tmp_path: Any) -> None:
    """What arrives while it is away is stored when it is back, and nobody is sent away."""
    with EmbeddedRedis(tmp_path) as store, running_service(store.url) as service:
        store.stop()
        with ThreadPoolExecutor(8) as senders:
            asked = [senders.submit(service.deliver, push(n)) for n in range(1, 9)]
            time.sleep(0.5)
            store.start()
            answers = [answer.result().json()["status"] for answer in asked]
        assert answers == ["accepted"] * 8


def test_one_delivery_is_one_round_trip(service: Running, redis_client: redis.Redis) -> None:
    """One EVALSHA and nothing else, once the script is loaded."""
    service.deliver(push(1))
    redis_client.config_resetstat()
    before = _calls(redis_client)
    for n in range(20):
        assert service.deliver(push(100 + n)).status_code == 202
    after = _calls(redis_client)
    sent = {name: n - before.get(name, 0) for name, n in after.items()}
    ours = {
        "xadd", "set", "get", "hset", "lpush", "rpush", "ltrim", "zadd", "sadd", "expire",
        "hincrby", "xlen",
    }  # fmt: skip
    beyond = {n: c for n, c in sent.items() if c and n not in ours | {"info", "config|resetstat"}}
    assert beyond == {"evalsha": 20}


def test_waiting_deliveries_share_a_round_trip(service: Running, redis_client: redis.Redis) -> None:
    """While Redis is busy with one, the others go out together: few packets for many calls."""
    import concurrent.futures

    service.deliver(push(1))
    redis_client.client_pause(700)
    before = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda n: service.deliver(push(1000 + n)).status_code, range(40)))
    assert answers == [202] * 40
    assert time.monotonic() - before < 2
    assert redis_client.xlen("dob:deliveries") == 41


def _calls(client: redis.Redis) -> dict[str, int]:
    stats: Any = client.info("commandstats")
    return {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()}


def _port(service: Running) -> int:
    return int(service.url.rpartition(":")[2])


def test_settings_without_a_secret_do_not_start() -> None:
    """There is no way to run without a webhook secret or an API token."""
    from service.app import create_app
    from workers.errors import Misconfigured

    for name in ("gitlab_webhook_secret", "devops_backend_api_tokens"):
        with pytest.raises(Misconfigured, match=name.upper()):
            create_app(settings_for("redis://localhost", **{name: ()}))
    with pytest.raises(Misconfigured, match="GITLAB_SIGNING_TOKEN"):
        app = create_app(settings_for("redis://x", gitlab_signing_token=(SecretStr("whsec_"),)))
        assert app
