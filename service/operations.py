"""`/api/v1/sweep`, `/dead`, `/audit`, `/budget`: what an operator looks at and sets going."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service import waiting
from service.problems import Problem
from service.runs import as_json, page_of, project_id
from service.state import Request
from workers.runs import iso
from workers.store.audit import Line
from workers.store.dead import Letter


class Asked(msgspec.Struct, frozen=True):
    """It will be carried out; `asked_at` is RFC 3339, UTC."""

    asked_at: str
    status: str = "accepted"


async def last_sweep(request: Request) -> Response:
    """The sweep at work, else the last one."""
    return as_json(await run_in_threadpool(request.state["stores"].sweeps.report))


async def ask_sweep(request: Request) -> Response:
    """A thorough sweep, as soon as a worker takes it."""
    return as_json(Asked(await run_in_threadpool(request.state["stores"].sweeps.ask)), 202)


class AuditPage(msgspec.Struct, frozen=True):
    """Writes to GitLab, newest first; `next` is the cursor of the older ones."""

    audit: list[dict[str, Any]]
    next: str | None


async def list_audit(request: Request) -> Response:
    """Every write sent to GitLab: who, why, for which run, and what came of it."""
    limit, cursor = page_of(request)
    if cursor and waiting.stream_id(cursor) != cursor:
        raise Problem(422, "cursor should be the `next` of an earlier answer")
    query = request.query_params
    project = await project_id(request, query.get("project", ""))
    try:
        since = datetime.fromisoformat(query["since"]) if query.get("since") else None
        edge = max(0, int(since.timestamp() * 1000)) if since else 0
    except (ValueError, OverflowError):
        raise Problem(422, "since should be a time as in RFC 3339") from None
    found = await run_in_threadpool(
        request.state["stores"].audit.lines, before=cursor, limit=limit, since=edge,
        project=str(project or ""),
    )  # fmt: skip
    following = found[-1].id if sum(bool(line.id) for line in found) == limit else None
    return as_json(AuditPage([_audited(line) for line in found], following))


def _audited(line: Line) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(line)
    return shown | {"at": iso(line.at), "outcome": line.outcome}


class DeadPage(msgspec.Struct, frozen=True):
    """Dead letters, newest first; `next` is the cursor of the older ones."""

    dead: list[dict[str, Any]]
    next: str | None


class Revived(msgspec.Struct, frozen=True):
    """The work is set going again, by `run` where it takes one."""

    id: str
    run: str | None
    status: str = "accepted"


async def list_dead(request: Request) -> Response:
    """Work that was given up."""
    limit, cursor = page_of(request)
    if not (cursor.isascii() and cursor.isdigit() or not cursor):
        raise Problem(422, "cursor should be the `next` of an earlier answer")
    found = await run_in_threadpool(
        request.state["stores"].dead.list, before=int(cursor or 0), limit=limit
    )
    following = str(found[-1].at) if len(found) == limit else None
    return as_json(DeadPage([_letter(letter) for letter in found], following))


def _letter(letter: Letter) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(letter)
    return shown | {"at": iso(letter.at)}


async def replay_dead(request: Request) -> Response:
    """Set the work of a dead letter going again."""
    stores, letter = request.state["stores"], request.path_params["id"]
    run = await run_in_threadpool(stores.dead.replay, letter, stores.ledger, stores.runs)
    return as_json(Revived(letter, run or None), 202)


async def show_budget(request: Request) -> Response:
    """How the budget of commits to all projects stands."""
    return as_json(await run_in_threadpool(request.state["stores"].budget.state))


async def reset_budget(request: Request) -> Response:
    """A person has looked: commits go on, with a new hour."""
    return as_json(await run_in_threadpool(request.state["stores"].budget.reset))
