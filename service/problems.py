"""Errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from workers.errors import (
    BackendError,
    Conflict,
    Denied,
    Misconfigured,
    NotFound,
    Rejected,
    Retryable,
)
from workers.store.runs import Busy

log = structlog.get_logger(__name__)

STORE_RETRY_S = 5
"""What a sender is told to wait while Redis is away: its restart takes about a second."""


class Problem(HTTPException):
    """A refusal with members beyond the standard ones (RFC 9457, section 3.2)."""

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(status, detail, headers)
        self.members = members


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    """An answer of type `about:blank`: its title is the status' own phrase."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **members,
    }
    return Response(
        msgspec.json.encode(body), status, headers, media_type="application/problem+json"
    )


def status_of(error: BackendError) -> int:
    """The HTTP status that says what the caller should do next."""
    kinds = ((NotFound, 404), (Denied, 403), (Conflict, 409), (Rejected, 422), (Retryable, 503))
    return next((status for kind, status in kinds if isinstance(error, kind)), 500)


async def _http_exception(_: Request, error: HTTPException) -> Response:
    members = error.members if isinstance(error, Problem) else {}
    detail = error.detail
    if not isinstance(error, Problem) and error.status_code in (404, 405):
        detail = {
            404: "there is nothing at this address",
            405: "this address takes no such method",
        }[error.status_code]
    return problem(error.status_code, detail, error.headers, **members)


async def _backend_error(_: Request, error: BackendError) -> Response:
    if isinstance(error, Misconfigured):
        log.error("a setting is wrong", error=str(error))
    headers = {}
    if isinstance(error, Retryable):
        headers["Retry-After"] = str(max(1, math.ceil(error.after)))
    members = {"run": error.run} if isinstance(error, Busy) else {}
    return problem(status_of(error), str(error), headers, **members)


async def _invalid(_: Request, error: msgspec.ValidationError) -> Response:
    return problem(422, str(error)[:300])


async def _unreadable(_: Request, error: msgspec.DecodeError) -> Response:
    return problem(400, f"the body is not JSON: {str(error)[:200]}")


async def _store_gone(_: Request, error: RedisError) -> Response:
    log.warning("redis did not answer", error=type(error).__name__)
    return problem(503, "Redis does not answer; try again", {"Retry-After": str(STORE_RETRY_S)})


async def _unforeseen(_: Request, error: Exception) -> Response:
    # Starlette raises it again after answering, so that the server logs the traceback.
    return problem(500, "an unforeseen error; the log tells more")


HANDLERS: Mapping[Any, Callable[..., Any]] = {
    HTTPException: _http_exception,
    BackendError: _backend_error,
    msgspec.ValidationError: _invalid,
    msgspec.DecodeError: _unreadable,
    RedisError: _store_gone,
    Exception: _unforeseen,
}
