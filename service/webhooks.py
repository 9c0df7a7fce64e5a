"""`POST /webhooks/gitlab`: check the sender, parse, store in one round trip, and only then answer.

What GitLab itself can send is answered 2xx, or 503 where it could not be stored: GitLab counts
4xx as failure, pauses a hook after four in a row and never sends again (GitLab docs, "Webhooks").
"""

from __future__ import annotations

import asyncio
import time

import msgspec
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from starlette.responses import Response

from service import bodies, lockout
from service.inbox import Inbox
from service.problems import Problem, problem
from service.state import Request
from workers.errors import Retryable
from workers.events import Event, Unwanted, parse
from workers.store.receiving import Receipt, receipt, receive_call
from workers.store.scripts import Call

log = structlog.get_logger(__name__)

BODY_MAX = 5 * 1024 * 1024
RETRY_AFTER_S = 10
PATIENCE_S, AGAIN_S = 3.0, 0.2
"""A Redis that restarts is waited for: GitLab waits ten seconds, and does not send again."""
PATIENT_MAX = 1_000
"""More do not wait: each holds a connection and some memory."""


class Accepted(msgspec.Struct, frozen=True, tag_field="status", tag="accepted"):
    """Taken into the ledger under this id."""

    delivery: str


class Duplicate(msgspec.Struct, frozen=True, tag_field="status", tag="duplicate"):
    """Known already; nothing was stored."""

    reason: str


class Ignored(msgspec.Struct, frozen=True, tag_field="status", tag="ignored"):
    """Understood, and no work for us."""

    reason: str


async def receive(request: Request) -> Response:
    """Take one delivery in."""
    began = time.perf_counter()
    status = 500
    try:
        answer = await _receive(request)
        status = answer.status_code
        return answer
    except Problem as refusal:
        status = refusal.status_code
        raise
    finally:
        request.state["metrics"].delivery(status, time.perf_counter() - began)


async def _receive(request: Request) -> Response:
    senders, headers = request.state["senders"], request.headers
    sender = senders.by_secret(headers)
    if sender is None and not senders.may_be_signed(headers):
        return await _forged(request)
    body = await bodies.read(request, BODY_MAX)
    sender = sender or senders.by_signature(headers, body)
    if sender is None:
        return await _forged(request)
    event = parse(body)
    del body  # up to 5 MB, and storing may take seconds
    if isinstance(event, Unwanted):
        return _ignored(request, event.reason)
    if not sender.speaks_for(event.project_id):
        log.warning(
            "a webhook spoke for another project", webhook_of=sender.project,
            told_of=event.project_id,
        )  # fmt: skip
        return _ignored(request, f"of another project: this webhook is project {sender.project}'s")
    return await _store(request, event)


async def _store(request: Request, event: Event) -> Response:
    headers = request.headers
    key = headers.get("webhook-id") or headers.get("idempotency-key") or ""
    try:
        answer = await _patiently(request.state["inbox"], receive_call(event, key))
    except (RedisError, Retryable) as error:
        log.error("a delivery could not be stored", error=str(error), project=event.project_id)
        return problem(
            503,
            "the delivery could not be stored; send it again",
            {"Retry-After": str(RETRY_AFTER_S)},
        )
    return _answer(request, event, receipt(answer))


async def _patiently(inbox: Inbox, call: Call) -> object:
    """The script's answer; again while there is no connection, since what was carried out already
    is then a duplicate. Raises as `Inbox.send`."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await inbox.send(call)
        except RedisConnectionError:
            if time.monotonic() > deadline or inbox.patient >= PATIENT_MAX:
                raise
        inbox.patient += 1
        try:
            await asyncio.sleep(AGAIN_S)
        finally:
            inbox.patient -= 1


def _answer(request: Request, event: Event, stored: Receipt) -> Response:
    if stored.status == "ignored":
        return _ignored(request, event.ignored or "no work")
    if stored.status == "duplicate":
        return _json(200, Duplicate(f"known as delivery {stored.delivery}"))
    return _json(202, Accepted(stored.delivery))


def _ignored(request: Request, reason: str) -> Response:
    request.state["metrics"].ignored(reason)
    return _json(200, Ignored(reason))


async def _forged(request: Request) -> Response:
    """401, the same for every cause; 429 for an address that keeps guessing."""
    headers = {"Connection": "close"}  # the body was not read
    wait = await lockout.failed(request, "hook")
    if wait:
        return problem(429, "too many wrong secrets", {**headers, "Retry-After": str(wait)})
    return problem(401, "the secret or signature is wrong or missing", headers)


def _json(status: int, value: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
