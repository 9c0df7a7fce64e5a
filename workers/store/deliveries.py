"""The deliveries in the ledger: what GitLab told, and what became of it.

Keys, all below `dob:`: `deliveries` (a stream of events, the newest 100,000), `delivery:{id}`
(verdict, reason and run, 30 days and while it is among those), `deliveries:{p}` (a project's
newest 500 ids).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
from redis import Redis

from workers.events import Event

PREFIX = "dob:"
DELIVERIES = f"{PREFIX}deliveries"
DELIVERY_TTL_S = 30 * 86400

_event_from = msgspec.json.Decoder(Event).decode


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def key(kind: str, *parts: object) -> str:
    """`dob:kind:part:…`"""
    return PREFIX + ":".join((kind, *map(str, parts)))


def as_text(value: object) -> str:
    """What Redis answers, which is bytes, as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger."""

    id: str
    at: int
    """Unix ms."""
    event: Event
    verdict: str = "accepted"
    reason: str = ""
    run: str = ""


class Deliveries:
    """Reading and annotating deliveries, over a synchronous Redis client."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def note(self, deliveries: Sequence[str], verdict: str, reason: str, run: str = "") -> None:
        """Write what was decided about deliveries."""
        pipe = self._redis.pipeline(transaction=False)
        for delivery in filter(None, deliveries):
            about = key("delivery", delivery)
            pipe.hset(about, mapping={"verdict": verdict, "reason": reason, "run": run})
            pipe.expire(about, DELIVERY_TTL_S)
        pipe.execute()

    def delivery(self, delivery: str) -> Delivery | None:
        """One row, or None."""
        rows = self._redis.xrange(DELIVERIES, delivery, delivery) if _is_stream_id(delivery) else []
        return next(self._rows(rows), None)

    def deliveries(self, *, before: str = "", limit: int = 50, project: int = 0) -> list[Delivery]:
        """Newest first, older than the delivery `before`; of one project where given."""
        if project:
            return self._of_project(project, before, limit)
        edge = f"({before}" if before else "+"
        return list(self._rows(self._redis.xrevrange(DELIVERIES, edge, "-", count=limit)))

    def _of_project(self, project: int, before: str, limit: int) -> list[Delivery]:
        ids = [as_text(row) for row in self._redis.lrange(key("deliveries", project), 0, -1)]
        if before:
            ids = [row for row in ids if _order(row) < _order(before)]
        pipe = self._redis.pipeline(transaction=False)
        for row in ids[:limit]:
            pipe.xrange(DELIVERIES, row, row)
        return list(self._rows([row for rows in pipe.execute() for row in rows]))

    def between(self, first: str, last: str) -> list[str]:
        """Ids of the deliveries from one to another, both included, oldest first."""
        if not (_is_stream_id(first) and _is_stream_id(last)):
            return []
        rows = cast("Any", self._redis.xrange(DELIVERIES, first, last))
        return [as_text(row_id) for row_id, _ in rows]

    def _rows(self, rows: Any) -> Iterator[Delivery]:
        pipe = self._redis.pipeline(transaction=False)
        for row_id, _ in rows:
            pipe.hgetall(key("delivery", as_text(row_id)))
        for (row_id, fields), about in zip(rows, pipe.execute(), strict=True):
            notes = {as_text(k): as_text(v) for k, v in about.items()}
            raw = next(iter(fields.values()))
            at = int(as_text(row_id).split("-")[0])
            yield Delivery(id=as_text(row_id), at=at, event=_event_from(raw), **notes)


def _order(stream_id: str) -> tuple[int, int]:
    first, _, second = stream_id.partition("-")
    return int(first or 0), int(second or 0)


def _is_stream_id(text: str) -> bool:
    first, _, second = text.partition("-")
    return first.isdigit() and second.isdigit() and len(text) < 40
