"""The sandbox's server: the application, and uvicorn with a door for cutting connections."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import TypedDict

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.sandbox import admin, web
from service.sandbox.api import rest, token_text
from service.sandbox.core import Sandbox, SandboxOptions
from service.sandbox.faults import answer_with, send_whole
from service.sandbox.graphql import graphql
from service.sandbox.journal import Entry, fingerprint
from service.sandbox.limits import Limiter, Standing

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
ADMIN = "/_sandbox"
SECRET = re.compile(r"(private_token|access_token)=[^&]*")


class State(TypedDict):
    """What every request finds in `request.state`."""

    sandbox: Sandbox


def create_sandbox(options: SandboxOptions) -> Starlette:
    """The application. Its lifespan starts and stops deliveries and pipelines.

    Give `options.port` the port it is served at: addresses in answers and hooks are made of it.
    """
    return application(Sandbox(options))


def application(sandbox: Sandbox) -> Starlette:
    """The HTTP face of a sandbox that is there already."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        yield {"sandbox": sandbox}
        await sandbox.close()

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    routes = [
        Route("/-/health", health),
        Route("/api/graphql", graphql, methods=["POST"]),
        Route("/api/v4/{rest:path}", rest, methods=METHODS),
        Mount(ADMIN, routes=admin.routes()),
        *web.routes(),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.add_middleware(Watch, sandbox=sandbox)
    return app


class Watch:
    """Journals each request and lets faults strike. The admin's own calls pass untouched."""

    def __init__(self, app: ASGIApp, sandbox: Sandbox) -> None:
        self.app = app
        self.sandbox = sandbox
        self.limiter = Limiter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        body = await Request(scope, receive).body()
        entry = self._entry(scope, body)
        scope["state"]["violations"] = entry.violations
        limit = self.sandbox.forge.switches.requests_per_minute
        standing = self.limiter.hit(entry.token_sha256 or "anonymous", limit, entry.at)
        held: list[Message] = []

        async def replay() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        def told(message: Message) -> Message:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                message["headers"] = [*message.get("headers", []), *standing.headers()]
            return message

        async def watched(message: Message) -> None:
            held.append(told(message))

        async def passed(message: Message) -> None:
            await send(told(message))

        try:
            await self._answer(entry, standing, scope, replay, watched, passed)
        finally:
            entry.ms = round((time.perf_counter() - started) * 1000, 2)
            # Before the answer leaves: whoever has it finds the journal complete.
            self.sandbox.journal.add(entry)
        for message in held:
            await send(message)

    async def _answer(
        self,
        entry: Entry,
        standing: Standing,
        scope: Scope,
        replay: Receive,
        watched: Send,
        passed: Send,
    ) -> None:
        """Refuses above the limit, lets a fault strike, or lets the application answer."""
        target = entry.path + (f"?{entry.query}" if entry.query else "")
        if standing.exceeded:
            headers = [(b"content-type", b"text/plain"), *standing.refusal(entry.at)]
            await send_whole(watched, 429, headers, b"Retry later\n")
        elif fault := self.sandbox.faults.strike(entry.method, target):
            entry.fault = fault.kind
            entry.status = await answer_with(fault, self.app, scope, replay, passed)
        else:
            entry.status = 500
            await self.app(scope, replay, watched)

    def _entry(self, scope: Scope, body: bytes) -> Entry:
        request = Request(scope)
        token = token_text(request.headers)
        known = self.sandbox.forge.tokens.get(token or "")
        violations = []
        if "x-gitlab-event-uuid" in request.headers:
            # GitLab would block hooks of this chain for half an hour.
            violations.append("X-Gitlab-Event-UUID was forwarded")
        if {"private_token", "access_token"} & set(request.query_params):
            violations.append("a token stands in the address")
        return Entry(
            self.sandbox.journal.next(),
            time.time(),
            scope["method"],
            scope["raw_path"].decode("ascii", "replace"),
            SECRET.sub(r"\1=redacted", scope["query_string"].decode("ascii", "replace")),
            user=known.user.username if known else None,
            token_sha256=fingerprint(token),
            body=None if scope["method"] in ("GET", "HEAD") else _readable(body),
            violations=violations,
        )


def _readable(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body.decode("utf-8", "replace")


class Protocol(HttpToolsProtocol):
    """uvicorn's protocol, whose requests can close their connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # The type asks for a mapping of each extension; only our own code reads this one.
        self.scope["extensions"] = {"sandbox.close": self._cut}  # type: ignore[dict-item]

    async def _cut(self) -> None:
        while self.transport.get_write_buffer_size():
            await asyncio.sleep(0.001)
        self.transport.abort()
        # The loss is told to uvicorn in a callback; let it run before the request ends.
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def listen(options: SandboxOptions) -> tuple[socket.socket, SandboxOptions]:
    """Binds the address; with port 0 the options come back with the port that was free."""
    # Named as TCP: asyncio switches Nagle's delay off only for sockets that say so.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((options.host, options.port))
    return sock, msgspec.structs.replace(options, port=sock.getsockname()[1])


class Server(uvicorn.Server):
    """uvicorn's server, which leaves signals to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def server_for(sandbox: Sandbox) -> Server:
    """A server for `serve(sockets=[…])`, with quiet logs; `should_exit = True` ends it."""
    config = uvicorn.Config(
        application(sandbox),
        http=Protocol,
        log_level="warning",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
    )
    return Server(config)
