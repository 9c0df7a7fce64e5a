"""What goes over the wire, against servers that answer byte by byte as they please."""

from __future__ import annotations

import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.gitlab import BOT_TOKEN
from workers.clients.gitlab import GitLab
from workers.clients.gitlab_http import MAX_ANSWER
from workers.errors import Misconfigured, Rejected, Retryable, Unclear

Answer = Callable[[socket.socket], None]


class Wire:
    """A server whose every connection reads one request and then does as it is told."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.requests.append(connection.recv(65536))
                    self._answer(connection)
                except OSError:
                    continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


@contextmanager
def wire(answer: Answer) -> Iterator[Wire]:
    server = Wire(answer)
    try:
        yield server
    finally:
        server.close()


def reply(body: bytes, *headers: str, status: str = "200 OK") -> Answer:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "Connection: close"]
    return lambda connection: connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    ("header", "query"),
    [
        ('Link: <http://elsewhere/tree?page_token=a%2Fb>; rel="next"', b"page_token=a%2Fb"),
        ("X-Next-Page: 2", b"page=2"),
        ('Link: <http://elsewhere/tree?page=2>; rel="next"\r\nX-Next-Page: 2', b"page=2"),
    ],
)
def test_a_tree_goes_on_by_token_or_by_number(header: str, query: bytes) -> None:
    """A GitLab before keyset pages numbers them; what a link says of hosts is not followed."""
    rows = reply(b'[{"path":"a","type":"blob"}]', header)
    with wire(rows) as server, GitLab(server.url, BOT_TOKEN) as gitlab:
        page, token = gitlab.tree_page(1, "main", "", recursive=True)
        assert [row.path for row in page] == ["a"]
        gitlab.tree_page(1, "main", "", recursive=True, token=token)
    line = server.requests[1].partition(b"\r\n")[0]
    assert re.search(rb"[?&]" + query + rb"[& ]", line), line


def test_what_is_sent() -> None:
    """Bearer, no encodings, no cookie of an earlier answer, nothing of the hook's chain."""
    user = reply(b'{"id":1,"username":"bot"}', "Set-Cookie: a=1", "X-Gitlab-Event-UUID: chain")
    with wire(user) as server, GitLab(server.url, BOT_TOKEN) as gitlab:
        gitlab.me()
        gitlab.me()
    lines = server.requests[1].decode().split("\r\n")
    assert lines[0] == "GET /api/v4/user HTTP/1.1"
    headers = {line.partition(":")[0].lower(): line.partition(": ")[2] for line in lines[1:]}
    assert headers["authorization"] == f"Bearer {BOT_TOKEN}"
    assert headers["accept-encoding"] == "identity"
    assert not {"cookie", "private-token", "x-gitlab-event-uuid"} & set(headers)


def test_a_redirect_gets_no_second_request() -> None:
    """Neither token nor request reaches the host that a redirect names."""
    with wire(reply(b"{}")) as thief:
        away = reply(b"", f"Location: {thief.url}/api/v4/user", status="302 Found")
        with wire(away) as server, GitLab(server.url, BOT_TOKEN) as gitlab:
            for _ in range(3):
                with pytest.raises(Rejected):
                    gitlab.me()
            assert len(server.requests) == 3
        assert thief.requests == []


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.1)


def silence(connection: socket.socket) -> None:
    connection.recv(1)


@pytest.mark.parametrize("answer", [drip_headers, silence])
def test_headers_fall_under_the_deadline(answer: Answer) -> None:
    """Dripped headers and plain silence end at the deadline of the whole call."""
    with wire(answer) as server, GitLab(server.url, BOT_TOKEN, timeout=0.5) as gitlab:
        started = time.monotonic()
        with pytest.raises(Retryable):
            gitlab.me()
        assert 0.4 < time.monotonic() - started < 1.5


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(2 * MAX_ANSWER // 0x100000):
        connection.sendall(b"100000\r\n" + b" " * 0x100000 + b"\r\n")


def test_an_endless_answer_is_refused() -> None:
    """Nothing larger than the cap is kept, whatever its length says."""
    with (
        wire(endless) as server,
        GitLab(server.url, BOT_TOKEN) as gitlab,
        pytest.raises(Rejected, match="larger"),
    ):
        gitlab.me()


def test_an_encoded_answer_is_not_unpacked() -> None:
    """A gzip bomb that was not asked for is not read as JSON, and stays as small as it came."""
    bomb = zlib.compress(b" " * 50_000_000, wbits=31)
    packed = reply(bomb, "Content-Encoding: gzip")
    with wire(packed) as server, GitLab(server.url, BOT_TOKEN) as gitlab:
        with pytest.raises(Retryable):
            gitlab.me()
        assert len(gitlab.raw(1, "x", "main", max_bytes=100_000)) == len(bomb)


ODD = (
    b"",
    b"null",
    b"[]",
    b"[1]",
    b'{"id":"x"}',
    b'{"id":1',
    b"\xff\xfe",
    b'"\\ud800"',
    b"[" * 100_000,
    b"NaN",
    b'{"id":' + b"9" * 5000 + b"}",
)


@pytest.mark.parametrize("body", ODD, ids=lambda body: repr(body[:12]))
def test_wrong_json_is_a_passing_fault(body: bytes) -> None:
    """Whatever comes instead of what was asked for: Retryable, for every reading method."""
    with wire(reply(body)) as server, GitLab(server.url, BOT_TOKEN) as gitlab:
        for call in (
            gitlab.me,
            gitlab.version,
            lambda: gitlab.project(1),
            lambda: gitlab.branch(1, "b"),
            lambda: gitlab.lint(1, ""),
            lambda: gitlab.file_state(1, "f", "b"),
        ):
            with pytest.raises(Retryable):
                call()


@pytest.mark.parametrize("body", ODD, ids=lambda body: repr(body[:12]))
@pytest.mark.parametrize("status", ["400 Bad", "401 No", "404 None", "409 Con", "500 Err", "302 M"])
def test_odd_refusals_are_still_refusals(status: str, body: bytes) -> None:
    """The error follows the status where the text says nothing readable."""
    with wire(reply(body, status=status)) as server, GitLab(server.url, BOT_TOKEN) as gitlab:
        with pytest.raises((Rejected, Retryable)) as caught:
            gitlab.me()
        assert len(str(caught.value)) < 700
        assert str(caught.value).isprintable()


def test_a_token_that_gitlab_repeats_is_struck_out() -> None:
    """A proxy that quotes the request does not bring the token into our logs."""
    body = b'{"message":"bad header Authorization: Bearer ' + BOT_TOKEN.encode() + b'"}'
    with (
        wire(reply(body, status="400 Bad Request")) as server,
        GitLab(server.url, BOT_TOKEN) as gitlab,
        pytest.raises(Rejected, match=r"Bearer \*\*\*") as caught,
    ):
        gitlab.me()
    assert BOT_TOKEN not in str(caught.value)


def test_a_write_with_an_unreadable_answer_is_unclear() -> None:
    """GitLab said 201, so it was carried out; what it made is not known."""
    with (
        wire(reply(b"<html>", status="201 Created")) as server,
        GitLab(server.url, BOT_TOKEN) as gitlab,
        pytest.raises(Unclear),
    ):
        gitlab.create_merge_request(1, source="a", target="b", title="t", text="")


@pytest.mark.parametrize("token", ["", "a b", "glpat-x\n", "glpät", "x" * 5000])
def test_what_cannot_be_a_token_stops_the_program(token: str) -> None:
    """A token with a line end or a space would break, or split, the header."""
    with pytest.raises(Misconfigured, match="GITLAB_TOKEN") as caught:
        GitLab("http://localhost", token)
    assert not token or token not in str(caught.value)
