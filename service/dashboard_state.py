"""The dashboard's pages of how the program is: health, queues, sweep, budget, what was given up."""

from __future__ import annotations

from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from service import runs
from service.metrics import NAMES, oldest_s
from service.page import PAGE, html, page
from service.problems import Problem
from service.state import Request
from service.stores import Stores


@page
async def dead_page(request: Request) -> Response:
    """Work that was given up."""
    _, cursor = runs.page_of(request)
    if cursor and not (cursor.isascii() and cursor.isdigit()):
        raise Problem(422, "cursor should be the `next` of an earlier page")
    dead = request.state["stores"].dead
    found = await run_in_threadpool(dead.list, before=int(cursor or 0), limit=PAGE)
    following = str(found[-1].at) if len(found) == PAGE else None
    return html(request, "dead", letters=found, following=following, cursor=cursor)


@page
async def replay_dead(request: Request) -> Response:
    """Set the work of a dead letter going again, as a button."""
    stores = request.state["stores"]
    await run_in_threadpool(
        stores.dead.replay, request.path_params["id"], stores.ledger, stores.runs
    )
    return RedirectResponse("/dead", 303)


class Queue(NamedTuple):
    """Work that is not done, and wake-ups that no worker has taken."""

    name: str
    projects: int
    wake_ups: int
    oldest_s: float


@page
async def health_page(request: Request) -> Response:
    """Each dependency, and how far the workers are."""
    report = await request.state["health"].report()
    queues = await run_in_threadpool(_queues, request.state["stores"])
    sweep = await run_in_threadpool(request.state["stores"].sweeps.report)
    return html(request, "health", report=report, queues=queues, sweep=sweep)


@page
async def sweep(request: Request) -> Response:
    """Look at all projects now, as a button."""
    await run_in_threadpool(request.state["stores"].sweeps.ask)
    return RedirectResponse("/status", 303)


@page
async def reset_budget(request: Request) -> Response:
    """Let commits go on, as a button."""
    await run_in_threadpool(request.state["stores"].budget.reset)
    return RedirectResponse("/status", 303)


def _queues(stores: Stores) -> list[Queue]:
    return [Queue(q, *stores.ledger.waiting(q), oldest_s(stores, q)) for q in NAMES]
