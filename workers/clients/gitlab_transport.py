"""An httpx transport whose deadline covers the whole call.

httpx's own timeouts count one operation: a server that drips a byte before each of them ends
keeps a call alive for ever, in the headers as in the body. Here every connect, write and read
gets what is left of the call's time, however many of them there are.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

DEADLINE = "deadline"
"""Request extension: the `time.monotonic()` by which the whole call must have ended."""

_ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.PoolTimeout, httpx.PoolTimeout),
    (httpcore.TimeoutException, httpx.ReadTimeout),
    (httpcore.NetworkError, httpx.ReadError),
    (httpcore.ProtocolError, httpx.RemoteProtocolError),
    (httpcore.UnsupportedProtocol, httpx.UnsupportedProtocol),
)


class _Clock(threading.local):
    """The deadline of the call that this thread is in."""

    at: float = 0.0

    def left(self, error: type[Exception]) -> float:
        """Seconds left; raises `error` when there are none."""
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise error("the deadline of the call has passed")
        return seconds


class _Stream(httpcore.NetworkStream):
    """A connection that reads and writes within its call's deadline."""

    def __init__(self, inner: httpcore.NetworkStream, clock: _Clock) -> None:
        self._inner = inner
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._clock.left(httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._clock.left(httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._clock.left(httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Opens TCP connections that keep deadlines."""

    def __init__(self, clock: _Clock) -> None:
        self._inner = httpcore.SyncBackend()
        self._clock = clock

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._clock.left(httpcore.ConnectTimeout)
        stream = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(stream, self._clock)


@contextmanager
def _as_httpx() -> Iterator[None]:
    """httpcore's errors as httpx's, which clients know."""
    try:
        yield
    except Exception as error:
        for kind, wanted in _ERRORS:
            if isinstance(error, kind):
                raise wanted(str(error)) from error
        raise


class _Body(httpx.SyncByteStream):
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._inner

    def close(self) -> None:
        self._inner.close()


class DeadlineTransport(httpx.BaseTransport):
    """HTTP/1.1 over TCP and verified TLS; `SSL_CERT_FILE` names a private authority, as in httpx.

    A request must carry the extension `deadline`. Proxies of the environment are not used: the
    token goes to its GitLab and through nobody.
    """

    def __init__(self) -> None:
        self._clock = _Clock()
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=10,
            keepalive_expiry=15.0,
            network_backend=_Backend(self._clock),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; raises httpx's transport errors, timeouts included."""
        self._clock.at = request.extensions[DEADLINE]
        url = request.url
        with _as_httpx():
            response = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    httpcore.URL(
                        scheme=url.raw_scheme,
                        host=url.raw_host,
                        port=url.port,
                        target=url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions={"timeout": {"pool": self._clock.left(httpcore.PoolTimeout)}},
                )
            )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response.stream),
        )

    def close(self) -> None:
        self._pool.close()
