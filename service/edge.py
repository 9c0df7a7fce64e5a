"""What every answer has in common: strict headers, whatever the route; and a Host that is one."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import problem

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""What an endpoint says itself stays as it says it."""
RAW_HEADERS = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())
HOST = re.compile(rb"[A-Za-z0-9._~%-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?", re.ASCII)
"""RFC 9110, section 7.2, without what no host of ours has. Which host it is has no effect: no
address is ever made from it."""


class Edge:
    """ASGI middleware, outermost of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                more = [header for header in RAW_HEADERS if header[0] not in given]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        if not _host_is_one(scope):
            await problem(400, "the Host header is malformed")(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def _host_is_one(scope: Scope) -> bool:
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return len(hosts) <= 1 and all(HOST.fullmatch(host) for host in hosts)
