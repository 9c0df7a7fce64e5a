"""Slow and silent senders are cut off, and cost the others nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import redis

from service import protocol
from tests.support.service import SECRET, Running, payload, running_service
from workers.embedded import EmbeddedRedis

pytestmark = pytest.mark.timeout(60)
PUSH = payload("system_hook_push")
HEAD = f"POST /webhooks/gitlab HTTP/1.1\r\nHost: x\r\nX-Gitlab-Token: {SECRET}\r\n".encode()


@pytest.fixture(scope="module")
def server(redis_server: EmbeddedRedis) -> Iterator[Running]:
    with running_service(redis_server.url) as running:
        yield running


@pytest.fixture
def service(server: Running, redis_client: redis.Redis) -> Running:
    return server


def connected(service: Running, first: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])), 5)
    sock.sendall(first)
    sock.settimeout(0.05)
    return sock


def over(sock: socket.socket) -> bool:
    """Whether the other side has ended the connection."""
    try:
        return sock.recv(4096) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_slow_sockets_are_closed_and_others_served(service: Running) -> None:
    """Three kinds of slow sender, fifty of each: gone within 12 s, no delivery slower than 1 s."""
    kinds = (b"", HEAD + b"A: b", HEAD + b"Content-Length: 900\r\n\r\n{")
    sockets = [connected(service, kind) for kind in kinds for _ in range(50)]
    began, slowest, number, stop = time.monotonic(), 0.0, 0, threading.Event()

    def trickle() -> None:
        while not stop.wait(0.5):
            for sock in sockets[50:]:
                try:
                    sock.send(b"x")
                except OSError:
                    continue

    trickler = threading.Thread(target=trickle)
    trickler.start()
    left = sockets
    while left and time.monotonic() - began < 14:
        at = time.monotonic()
        number += 1
        assert service.deliver(PUSH | {"project_id": number}).status_code == 202
        slowest = max(slowest, time.monotonic() - at)
        if number % 20 == 0:
            left = [sock for sock in left if not over(sock)]
        time.sleep(0.02)
    stop.set()
    trickler.join()
    for sock in sockets:
        sock.close()
    assert left == [] and time.monotonic() - began < 13
    assert slowest < 1


def test_a_head_without_end_is_cut_off(service: Running) -> None:
    """At most 64 KiB of headers, however fast they come."""
    sock = connected(service, HEAD)
    sent = 0
    with pytest.raises(OSError):
        sock.settimeout(5)
        while sent < 100 * protocol.HEAD_MAX:
            sock.sendall(b"A: " + b"b" * 1000 + b"\r\n")
            sent += 1005
    assert sent < 100 * protocol.HEAD_MAX
    sock.close()


def test_requests_on_one_connection_each_have_their_time(service: Running) -> None:
    """The limits begin anew with each request; a connection that works is kept."""
    sock = connected(service, b"")
    sock.settimeout(5)
    for _ in range(3):
        sock.sendall(b"GET /health/live HTTP/1.1\r\n")
        time.sleep(0.3)
        sock.sendall(b"Host: x\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
    sock.close()


def test_a_long_answer_is_not_cut(service: Running, redis_client: redis.Redis) -> None:
    """Limits are for what is sent to us: waiting for a run may take its time."""
    body = {"repo_url": f"{service.settings.gitlab_url}/shop/api"}
    seconds = int(protocol.BODY_S) + 2
    answer = service.api(
        "POST", "/api/v1/pipeline/workflow", json=body, headers={"Prefer": f"wait={seconds}"}
    )
    assert answer.status_code == 202
