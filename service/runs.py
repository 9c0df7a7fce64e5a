"""`/api/v1/runs`, `/learned`, `/deliveries`: what was done, what was learned, what was heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import msgspec
import structlog
from redis.exceptions import RedisError
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service import projects, waiting
from service.gitlab_access import look_up
from service.problems import Problem
from service.state import Request
from workers.errors import NotFound
from workers.events import Event
from workers.runs import END, Progress, State, iso, public
from workers.store.deliveries import Delivery
from workers.store.learned_records import LearnedPipeline
from workers.store.runs import is_run_id

log = structlog.get_logger(__name__)

LIMIT_MAX = 200
PING_S = 15
STOP_S = 2.0
"""What a stream has to end by itself when the server shuts down: more than one blocking read."""


class RunPage(msgspec.Struct, frozen=True):
    """Runs, newest first, without the files' text; `next` is the cursor of the older ones."""

    runs: list[dict[str, Any]]
    next: str | None


class LearnedPage(msgspec.Struct, frozen=True):
    """Learned pipelines by language and framework."""

    learned: list[dict[str, Any]]
    next: str | None


class DeliveryRow(msgspec.Struct, frozen=True):
    """One delivery; `at` is RFC 3339, UTC."""

    id: str
    at: str
    event: Event
    verdict: str
    reason: str
    run: str

    @classmethod
    def of(cls, row: Delivery) -> DeliveryRow:
        """The row as the API shows it."""
        return cls(row.id, iso(row.at), row.event, row.verdict, row.reason, row.run)


class DeliveryPage(msgspec.Struct, frozen=True):
    """Deliveries, newest first."""

    deliveries: list[DeliveryRow]
    next: str | None


class Replayed(msgspec.Struct, frozen=True):
    """The delivery will be carried out again."""

    delivery: str
    status: str = "accepted"


async def list_runs(request: Request) -> Response:
    """Runs, newest first."""
    query = request.query_params
    state = query.get("state", "")
    if state and state not in set(State):
        raise Problem(422, f"state should be one of {', '.join(State)}")
    project = await project_id(request, query.get("project", ""))
    limit, cursor = page_of(request)
    if cursor and not is_run_id(cursor):
        raise Problem(422, "cursor should be the `next` of an earlier answer")
    stores = request.state["stores"]
    found = await run_in_threadpool(
        stores.runs.page, project=project, state=state, before=cursor, limit=limit
    )
    following = found[-1].id if len(found) == limit else None
    return as_json(RunPage([public(run, contents=False) for run in found], following))


async def project_id(request: Request, text: str) -> int:
    """A project's id from its id or path; 0 from nothing. Raises NotFound."""
    if not text:
        return 0
    name = projects.checked(text)
    if name.isdigit():
        return int(name)
    settings = request.state["settings"]
    if settings.gitlab_token is None:
        raise NotFound("name the project by its id", 404)
    found = await look_up(request.state["http"], settings, name, settings.gitlab_token)
    return found.project.id


async def one_run(request: Request) -> Response:
    """One run, its files' text included."""
    run = await run_in_threadpool(request.state["stores"].runs.get, request.path_params["id"])
    return as_json(public(run))


async def run_events(request: Request) -> Response:
    """A run's progress as server-sent events, from `Last-Event-ID` on, until it is over."""
    return await stream(request, request.headers.get("last-event-id"))


async def stream(request: Request, last: str | None) -> Response:
    """The progress of the route's run after the event `last`. Raises NotFound."""
    run_id = request.path_params["id"]
    stores = request.state["stores"]
    await run_in_threadpool(stores.runs.get, run_id)  # raises NotFound before the stream begins
    if request.state["limits"].followers.locked():
        raise Problem(503, "too many follow runs at once", {"Retry-After": "30"})
    after = waiting.stream_id(last)
    stop = anyio.Event()
    return EventSourceResponse(
        _progress(request, run_id, after, stop), ping=PING_S,
        shutdown_event=stop, shutdown_grace_period=STOP_S,
    )  # fmt: skip


async def _progress(
    request: Request, run_id: str, after: str, stop: anyio.Event
) -> AsyncIterator[ServerSentEvent]:
    stores, streams = request.state["stores"], request.state["streams"]
    async with request.state["limits"].followers:
        try:
            async for run, lines in waiting.follow(stores.runs, streams, run_id, after, stop):
                for line in lines:
                    yield _line(line)
                if run.state in END:
                    yield ServerSentEvent(_text(public(run, contents=False)), event="end")
        except RedisError as error:  # the stream ends; whoever reads it asks again from there
            log.warning("a stream of progress broke off", run=run_id, error=type(error).__name__)


def _line(line: Progress) -> ServerSentEvent:
    data = {"state": line.state, "message": line.message, "at": line.at}
    return ServerSentEvent(_text(data), event="progress", id=line.id)


async def list_learned(request: Request) -> Response:
    """What has been learned, with successes, failures, confidence and provenance."""
    limit, cursor = page_of(request)
    language = request.query_params.get("language") or None
    page = await run_in_threadpool(
        request.state["stores"].learned.list, cursor or None, limit, language=language
    )
    return as_json(LearnedPage([_learned(record) for record in page.items], page.next))


def _learned(record: LearnedPipeline) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(record)
    return shown | {name: iso(shown[name] * 1000) for name in ("created_at", "last_used")}


async def forget_learned(request: Request) -> Response:
    """Forget a learned pipeline; nothing is made from it again."""
    learned = request.state["stores"].learned
    await run_in_threadpool(learned.forget, request.path_params["id"])
    return Response(status_code=204)


async def revoke_learned(request: Request) -> Response:
    """Take back all that a group or project taught; nothing more is learned of it."""
    origin = request.query_params.get("origin", "").strip().strip("/")
    if not origin:
        raise Problem(422, "origin should be a top-level group, or a project's id or path")
    if "/" in origin:
        origin = str(await project_id(request, origin))
    return as_json(await run_in_threadpool(request.state["stores"].learned.revoke, origin))


async def list_deliveries(request: Request) -> Response:
    """The ledger, newest first."""
    limit, cursor = page_of(request)
    if cursor and waiting.stream_id(cursor) != cursor:
        raise Problem(422, "cursor should be the `next` of an earlier answer")
    project = await project_id(request, request.query_params.get("project", ""))
    found = await run_in_threadpool(
        request.state["stores"].ledger.deliveries, before=cursor, limit=limit, project=project
    )
    following = found[-1].id if len(found) == limit else None
    return as_json(DeliveryPage([DeliveryRow.of(row) for row in found], following))


async def replay(request: Request) -> Response:
    """Carry a delivery out again."""
    delivery = request.path_params["id"]
    if not await run_in_threadpool(request.state["stores"].ledger.replay, delivery):
        raise NotFound("the ledger holds no such delivery", 404)
    return as_json(Replayed(delivery), 202)


def page_of(request: Request) -> tuple[int, str]:
    """`limit` and `cursor` of a list. Raises Problem 422."""
    text = request.query_params.get("limit", "50")
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= LIMIT_MAX):
        raise Problem(422, f"limit should be 1 to {LIMIT_MAX}")
    cursor = request.query_params.get("cursor", "")
    if len(cursor) > 200 or not cursor.isprintable():
        raise Problem(422, "cursor should be the `next` of an earlier answer")
    return int(text), cursor


def as_json(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
