"""Faults on demand: chosen requests are delayed, refused, cut, or answered wrongly."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any, Literal

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.sandbox.refusal import error

Kind = Literal[
    "latency", "status", "rate_limit", "drop", "drop_before", "half_body", "redirect", "bad_json",
    "slow_drip", "late",
]  # fmt: skip


class Fault(msgspec.Struct):
    """A rule. It strikes requests whose method and path match, `times` in all (None: always).

    Kinds: `latency` waits `seconds`, then answers well · `status` answers `status` with an HTML
    page, nothing applied · `rate_limit` 429 with `Retry-After: retry_after` · `drop` applies the
    request, then closes the connection without an answer · `drop_before` closes it, nothing
    applied · `half_body` applies and sends half of the answer · `redirect` 302 to `location` ·
    `bad_json` applies and answers text that is no JSON · `slow_drip` applies and sends one byte
    every `seconds` · `late` applies at once and answers after `seconds`.
    """

    kind: Kind
    path: str = ".*"
    """Regular expression searched in the path with its query, still percent-encoded."""
    method: str = ".*"
    times: int | None = None
    after: int = 0
    """Let this many matching requests pass first."""
    probability: float = 1.0
    status: int = 502
    seconds: float = 1.0
    retry_after: float = 1
    location: str = "http://127.0.0.1:9/"
    id: int = 0
    struck: int = 0


class Faults:
    """The rules in force; chance is drawn from a seeded generator."""

    def __init__(self, seed: int) -> None:
        self.rules: dict[int, Fault] = {}
        self.count = 0
        self.random = random.Random(seed)  # noqa: S311 - chaos by seed, not secrecy

    def add(self, fault: Fault) -> Fault:
        """Puts a rule in force. Raises `Refusal` 400 for a bad expression."""
        for text in (fault.path, fault.method):
            try:
                re.compile(text)
            except re.error as bad:
                raise error(400, f"not a regular expression: {text}: {bad}") from bad
        self.count += 1
        fault.id = self.count
        self.rules[fault.id] = fault
        return fault

    def strike(self, method: str, target: str) -> Fault | None:
        """The first rule that strikes this request, counted."""
        for fault in self.rules.values():
            if fault.times is not None and fault.struck >= fault.times:
                continue
            if not re.fullmatch(fault.method, method) or not re.search(fault.path, target):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            if self.random.random() < fault.probability:
                fault.struck += 1
                return fault
        return None


async def answer_with(
    fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> int:
    """Carries a fault out. The status the client sees, 0 where it sees none."""
    if fault.kind == "latency":
        await asyncio.sleep(fault.seconds)
        return (await _captured(app, scope, receive, send)).status
    if fault.kind in ("status", "rate_limit", "redirect"):
        return await _refuse(fault, send)
    if fault.kind == "drop_before":
        await cut(scope, send)
        return 0
    held = await _captured(app, scope, receive, None)
    if fault.kind == "drop":
        await cut(scope, send)
        return 0
    await _spoil(fault, held, scope, send)
    return 0 if fault.kind == "half_body" else held.status


class _Held(msgspec.Struct):
    """An answer that was kept back."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = msgspec.field(default_factory=list)
    body: bytes = b""


async def _captured(app: ASGIApp, scope: Scope, receive: Receive, onward: Send | None) -> _Held:
    """Runs the application; its answer is held, and sent on where `onward` is given."""
    held = _Held()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            held.status, held.headers = message["status"], list(message.get("headers", []))
        elif message["type"] == "http.response.body":
            held.body += message.get("body", b"")
        if onward is not None:
            await onward(message)

    await app(scope, receive, send)
    return held


async def _refuse(fault: Fault, send: Send) -> int:
    headers: list[tuple[bytes, bytes]] = [(b"content-type", b"text/html")]
    status, body = fault.status, b"<html><body>GitLab is not responding</body></html>"
    if fault.kind == "rate_limit":
        status, body = 429, b"Retry later\n"
        headers = [
            (b"content-type", b"text/plain"),
            (b"retry-after", f"{fault.retry_after:g}".encode()),
        ]
    elif fault.kind == "redirect":
        status, body = 302, b""
        headers = [(b"location", fault.location.encode())]
    await send_whole(send, status, headers, body)
    return status


async def send_whole(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """An answer in one piece, with its length."""
    kept = [(k, v) for k, v in headers if k.lower() != b"content-length"]
    kept.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})


async def _spoil(fault: Fault, held: _Held, scope: Scope, send: Send) -> None:
    if fault.kind == "late":
        await asyncio.sleep(fault.seconds)
        await send_whole(send, held.status, held.headers, held.body)
        return
    if fault.kind == "bad_json":
        await send_whole(send, held.status, held.headers, b'{"id": 1, "web_url": <truncated')
        return
    start: dict[str, Any] = {
        "type": "http.response.start",
        "status": held.status,
        "headers": held.headers,
    }
    await send(start)
    if fault.kind == "half_body":
        half = held.body[: len(held.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await cut(scope, send)
        return
    for index in range(len(held.body)):
        await asyncio.sleep(fault.seconds)
        piece = held.body[index : index + 1]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def cut(scope: Scope, send: Send) -> None:
    """Closes the connection here and now.

    `service.sandbox.server` hands the connection over in the scope; under another server the
    nearest thing is an answer that never comes to its end.
    """
    close = scope.get("extensions", {}).get("sandbox.close")
    if close is None:
        raise RuntimeError("only the sandbox's own server can cut a connection")
    await close()
