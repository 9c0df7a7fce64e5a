"""Following a run: its lines of progress, as they are written."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, cast

import anyio
import msgspec
from redis.asyncio import Redis
from starlette.concurrency import run_in_threadpool

from workers.runs import END, Progress, Run
from workers.store.deliveries import key
from workers.store.runs import RunStore

BLOCK_MS = 1_000
"""One blocking read. The run itself is looked at after each, whether a line came or not, and so
is whether the server shuts down."""
_STREAM_ID = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII)


def stream_id(text: str | None) -> str:
    """`Last-Event-ID` as a stream's id; the stream's beginning where it is not one."""
    return text if text and _STREAM_ID.fullmatch(text) else "0"


async def lines(redis: Redis, run_id: str, after: str, block_ms: int) -> list[Progress]:
    """Lines of progress after `after`; waits up to `block_ms` (0: not at all) for one."""
    stream = key("run", run_id, "progress")
    answer = cast("Any", await redis.xread({stream: after}, count=200, block=block_ms or None))
    rows: Any = next(iter(answer.values()), [[]])[0] if isinstance(answer, dict) else None
    if rows is None:
        rows = answer[0][1] if answer else []
    return [_line(row_id, fields) for row_id, fields in rows]


def _line(row_id: bytes, fields: dict[bytes, bytes]) -> Progress:
    line = msgspec.json.decode(next(iter(fields.values())), type=Progress)
    return msgspec.structs.replace(line, id=row_id.decode())


async def follow(
    runs: RunStore, redis: Redis, run_id: str, after: str = "0", stop: anyio.Event | None = None
) -> AsyncIterator[tuple[Run, list[Progress]]]:
    """The run and its new lines, again and again, until it is in an end state, or `stop`.

    Raises NotFound. The last pair is the run in its end state, with the lines up to it.
    """
    while stop is None or not stop.is_set():
        news = await lines(redis, run_id, after, BLOCK_MS)
        run = await run_in_threadpool(runs.get, run_id)
        if run.state in END:
            news += await lines(redis, run_id, news[-1].id if news else after, 0)
        after = news[-1].id if news else after
        yield run, news
        if run.state in END:
            return


async def until_committed(runs: RunStore, redis: Redis, run_id: str, seconds: float) -> Run:
    """The run once it has a commit or is over, or as it is after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            async for run, _ in follow(runs, redis, run_id):
                if run.commit is not None or run.state in END:
                    return run
    except TimeoutError:
        pass
    return await run_in_threadpool(runs.get, run_id)
