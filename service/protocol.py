"""uvicorn's HTTP protocol, with an end to a sender's patience with us.

uvicorn has no limit for headers that trickle in, for a socket that says nothing, or for the size
of a request's head (uvicorn 0.54): each of them is held open for as long as the other side likes.
Give it to uvicorn as `http=Protocol`.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 8.0
"""From connecting, or from a request's first byte, to the end of its headers."""
BODY_S = 10.0
"""From there to the end of the body. Endpoints allow five seconds and answer 408; this ends
connections whose body nobody reads."""
HEAD_MAX = 65_536
"""Bytes of request line and headers; GitLab's are about one thousand."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True

    # uvicorn's own narrows asyncio's transport likewise.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._within(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._within(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_MAX:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._within(HEAD_S)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_head, self._head_bytes = False, 0
        self._within(BODY_S)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._within(None)

    def _within(self, seconds: float | None) -> None:
        """End the connection unless it gets on within `seconds`; None: no more limit."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._cut)

    def _cut(self) -> None:
        self.transport.abort()
