"""Reading a request's body: counted while it streams, with a deadline, never more than allowed."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from service.problems import Problem

API_BODY_MAX = 1_048_576
"""Bytes. The largest of the API's own requests holds one CI file."""
BODY_DEADLINE_S = 5.0
CLOSE = {"Connection": "close"}
"""What was not read to its end cannot be followed by another request."""

T = TypeVar("T")


async def read(request: Request[Any], limit: int, deadline_s: float = BODY_DEADLINE_S) -> bytes:
    """The raw body. Raises Problem 413 above `limit` bytes and 408 after `deadline_s`."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > 15 or int(declared) > limit):
        raise Problem(413, f"the body is larger than {limit} bytes", CLOSE)
    body = bytearray()
    try:
        async with asyncio.timeout(deadline_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise Problem(413, f"the body is larger than {limit} bytes", CLOSE)
    except TimeoutError:
        raise Problem(408, f"the body took longer than {deadline_s:g} s", CLOSE) from None
    except ClientDisconnect:
        raise Problem(400, "the body ended early", CLOSE) from None
    return bytes(body)


async def read_json(request: Request[Any], kind: type[T], *, optional: bool = False) -> T:
    """The body as `kind`; an empty one is `{}` where `optional`.

    Raises msgspec.ValidationError or DecodeError, which are answered 422 and 400, and Problem 415
    for a body declared as something else: a form posted by another site's page is no request.
    """
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if media.lower() != "application/json" and not media.lower().endswith("+json"):
        raise Problem(415, "the body should be application/json", {"Accept": "application/json"})
    raw = await read(request, API_BODY_MAX)
    if optional and not raw.strip():
        raw = b"{}"
    try:
        return msgspec.json.decode(raw, type=kind)
    except (UnicodeError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON: {type(error).__name__}") from None


async def read_form(request: Request[Any], limit: int = 65_536) -> dict[str, str]:
    """The fields of an urlencoded form, the last of each name. Raises Problem 415, 400."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        raise Problem(415, "the body should be application/x-www-form-urlencoded")
    raw = await read(request, limit)
    try:
        return dict(parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise Problem(400, "the form cannot be read") from None
