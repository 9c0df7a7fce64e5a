"""`/api/v1/sweep`: what an operator looks at and sets going."""

from __future__ import annotations

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.runs import as_json
from service.state import Request


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
