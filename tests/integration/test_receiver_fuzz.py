"""The receiver takes anything: no body and no header makes it fail, or lets anyone in."""

from __future__ import annotations

import copy
import json
import os
import random
import resource
import socket
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
import redis

from tests.support.service import SECRET, Running, payload, running_service
from workers.embedded import EmbeddedRedis
from workers.store.ledger import Ledger

pytestmark = pytest.mark.timeout(900)
SEED = 20261125
BODIES = int(os.environ.get("FUZZ_BODIES", "3000"))
"""50,000 take four minutes; a commit gets the first 3,000 of the same."""
NAMES = (
    "group_hook_project_create", "job_hook", "pipeline_hook", "push_hook",
    "system_hook_project_create", "system_hook_push", "system_hook_repository_update",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**53,
    2**64,
    10**400,
    1.5,
    1e308,
    "",
    "x" * 70_000,
    "\ud800",
    "\x00",
    [],
    {},
    [[]],
    [None] * 100,
    {"id": {}},
    {"id": "1"},
    "refs/heads/",
    "0" * 40,
    "\u202e",
    "🦊",
)
VISIBLE = [*range(0x21, 0x7F), *range(0x80, 0x100)]
RAW = (
    b"", b" ", b"null", b"true", b"0", b'"x"', b"[]", b"{}", b"{", b"}", b"\x00",
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}", b"NaN", b"[NaN]", b"Infinity", b"-", b"1" * 5000, b"[" * 100_000,
    b'{"a":' * 50_000, b'{"project_id":' + b"9" * 5000 + b"}",
    b'{"event_name":"push","project_id":1e2}',
    b'{"event_name":"push","project_id":1,"project_id":2}',
    b'{"event_name":"\\ud800","project_id":1}',
    b'{"event_name":"push","project_id":1,"ref":"\\ud800"}', b"--boundary\r\n", b"a=b&c=d",
    b"\x1f\x8b\x08\x00", b'{"event_name":"push","project_id":1,"changes":' + b"[" * 3000 + b"}",
    b'{"object_kind":"pipeline","project":{"id":1},"object_attributes":' + b"{" * 3000,
)  # fmt: skip


@pytest.fixture(scope="module")
def server(redis_server: EmbeddedRedis) -> Iterator[Running]:
    with running_service(redis_server.url) as running:
        yield running


@pytest.fixture
def service(server: Running, redis_client: redis.Redis) -> Running:
    return server


def mutated(chance: random.Random) -> bytes:
    """A delivery of GitLab's, a little or a lot out of shape."""
    if chance.random() < 0.1:
        return chance.choice(RAW)
    value = json.loads(json.dumps(payload(chance.choice(NAMES))))
    for _ in range(chance.randrange(4)):
        _change(value, chance)
    body = json.dumps(value).encode("utf-8", "surrogatepass")
    for _ in range(chance.choice((0, 0, 1, 8))):
        at = chance.randrange(len(body))
        body = body[:at] + bytes([chance.randrange(256)]) + body[at + chance.randrange(2) :]
    return body[: chance.randrange(len(body))] if chance.random() < 0.1 else body


def _change(value: Any, chance: random.Random) -> None:
    while isinstance(value, dict) and value:
        name = chance.choice(list(value))
        if isinstance(value[name], dict) and chance.random() < 0.5:
            value = value[name]
            continue
        value[name] = copy.deepcopy(chance.choice(ODD))
        return


def odd_headers(chance: random.Random) -> list[tuple[bytes, bytes]]:
    """Headers of a delivery, some forged, doubled, empty or not ASCII."""
    pool = (
        (b"X-Gitlab-Token", bytes(chance.choices(VISIBLE, k=12))),
        (b"X-Gitlab-Token", b"p%d." % chance.randrange(10**17) + b"A" * 43),
        (b"Idempotency-Key", b"\xff" * 300), (b"webhook-id", b""), (b"webhook-id", b"\xe9" * 9),
        (b"webhook-timestamp", b"nan"), (b"webhook-signature", b"v1,=" * 50),
        (b"Content-Type", b"\xff/\xff; charset=utf-16"), (b"Content-Type", b""),
        (b"Content-Encoding", b"gzip"), (b"Expect", b"nonsense"), (b"Cookie", b"\xff=\xff;;;="),
        (b"Authorization", b"Bearer \xff"), (b"X-Forwarded-For", b"not an address, \xff"),
        (b"X-Gitlab-Event", b"\xf0\x9f\xa6\x8a"), (b"Accept", b"*/*;q=nan"),
    )  # fmt: skip
    return chance.sample(pool, chance.randrange(5))


def test_no_body_and_no_header_makes_it_fail(
    service: Running, redis_client: redis.Redis, capfd: pytest.CaptureFixture[str]
) -> None:
    """Mutated deliveries, half with a right secret: 2xx for those, 401 or 429 for the others.

    No traceback, memory stays flat, and the ledger holds none but readable rows.
    """
    chance = random.Random(SEED)
    before = 0
    with httpx.Client(base_url=service.url, trust_env=False, timeout=20) as client:
        for number in range(BODIES):
            known = number % 2 == 0
            headers = odd_headers(chance)
            if known:
                headers = [(b"X-Gitlab-Token", SECRET.encode()),
                           *(h for h in headers if h[0] != b"X-Gitlab-Token")]  # fmt: skip
            body = mutated(chance)
            answer = client.post("/webhooks/gitlab", content=body, headers=headers)
            expected = (200, 202) if known else (401, 429)
            assert answer.status_code in expected, (number, headers, body[:300], answer.text)
            if number == BODIES // 3:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024
    assert "Traceback" not in "".join(capfd.readouterr())
    rows = Ledger(redis_client).deliveries(limit=5000)
    assert rows and all(0 < row.event.project_id < 2**53 for row in rows)
    for kind in ("dob:dirty:generate", "dob:dirty:record"):
        for project in redis_client.zrange(kind, 0, -1):
            assert 0 < int(cast(bytes, project)) < 2**53


RAW_REQUESTS = (
    b"", b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"POST /webhooks/gitlab HTTP/1.1\r\n\r\n", b"POST /webhooks/gitlab HTTP/9.9\r\nHost: x\r\n\r\n",
    b"POST /webhooks/gitlab HTTP/1.1\r\nHost: x\r\nHost: y\r\nContent-Length: 0\r\n\r\n",
    b"POST /webhooks/gitlab HTTP/1.1\r\nHost: a b\r\nContent-Length: 0\r\n\r\n",
    b"POST /webhooks/gitlab HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /webhooks/gitlab HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"POST /webhooks/gitlab HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /webhooks/gitlab HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0",
    b"POST http://evil.example/webhooks/gitlab HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST //evil.example/webhooks/gitlab HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST /webhooks/gitlab/ HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n",
    b"POST /webhooks/%67itlab HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"POST /webhooks/gitlab%00 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    b"GET /static/../app.py HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /static/..%2fapp.py HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/v1/runs HTTP/1.1\r\nHost: x/health\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 200_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
)  # fmt: skip


@pytest.mark.parametrize("sent", RAW_REQUESTS, ids=lambda b: repr(b[:50]))
def test_no_bytes_on_a_socket_make_it_fail(
    service: Running, capfd: pytest.CaptureFixture[str], sent: bytes
) -> None:
    """Answered 2xx to 4xx or cut off; never 5xx, nothing of the Host in the answer."""
    with socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])), 5) as sock:
        sock.settimeout(2)
        answer = b""
        try:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            while chunk := sock.recv(65536):
                answer += chunk
        except OSError:  # it was cut off, or said no more
            answer += b""
    if answer:
        assert answer.split(b" ", 2)[1][:1] in b"234", answer[:300]
    assert b"evil.example" not in answer
    assert "Traceback" not in "".join(capfd.readouterr())
    assert service.http.get("/health/live").status_code == 200
