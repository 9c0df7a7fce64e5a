"""The audit log: every write sent to GitLab, by whom, why, for which run, and what came of it.

Noted before the call and closed after it, so that a write without its line cannot be: where the
process dies in between, the line stands with no result. No bodies, no tokens, no addresses but
the route. Redis not answering refuses the write.

Keys, all below `dob:`: `audit` (a stream, about the newest 100,000), `audit:open` (writes whose
end is not noted yet; the sweep closes those of the dead after an hour).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, cast

import msgspec
import structlog
from redis import Redis
from redis.exceptions import RedisError

from workers.errors import Retryable
from workers.store.deliveries import key, now_ms

log = structlog.get_logger(__name__)

AUDIT, OPEN = key("audit"), key("audit", "open")
LENGTH = 100_000
ABANDONED_MS = 3600 * 1000
"""After so long a line that is open is of a process that died."""
CHUNK = 500


class Actor(msgspec.Struct, frozen=True):
    """Who writes, why, and for which run."""

    who: str = "program"
    why: str = ""
    run: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One write. `at` is Unix ms when it began; `status` is GitLab's, 0 where no answer came,
    None where the process died before it was noted."""

    id: str = ""
    at: int
    who: str
    why: str = ""
    run: str = ""
    method: str
    route: str
    project: str = ""
    """Id or path as the call named it; "" for what belongs to none."""
    status: int | None = None
    ms: int | None = None

    @property
    def outcome(self) -> Literal["written", "refused", "unclear"]:
        """What came of it. GitLab refuses a second commit by its answer 400: nothing is written
        then. Without an answer, or with a server's fault, nobody can tell."""
        if not self.status or self.status >= 500:
            return "unclear"
        return "refused" if self.status >= 400 else "written"


_actor: ContextVar[Actor] = ContextVar("actor", default=Actor())  # noqa: B039 - frozen


@contextmanager
def acting(who: str = "", why: str = "", run: str = "") -> Iterator[None]:
    """Whatever is written in the block is written so; what is not said stays as outside."""
    outer = _actor.get()
    token = _actor.set(Actor(who or outer.who, why or outer.why, run or outer.run))
    try:
        yield
    finally:
        _actor.reset(token)


class Audit:
    """The log over a synchronous client."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def begin(self, method: str, route: str, project: str) -> Callable[[int], None]:
        """Note a write that is about to be sent; gives what is to be told its status.

        Raises Retryable where it cannot be noted: then it must not be sent.
        """
        actor, name = _actor.get(), secrets.token_hex(8)
        line = Line(at=now_ms(), who=actor.who, why=actor.why, run=actor.run, method=method,
                    route=route, project=project)  # fmt: skip
        try:
            self._redis.hset(OPEN, name, msgspec.json.encode(line))
        except RedisError as error:
            what = type(error).__name__
            raise Retryable(f"the audit log cannot be written ({what})") from None
        return lambda status: self._close(name, line, status)

    def _close(self, name: str, line: Line, status: int | None) -> None:
        took = now_ms() - line.at if status is not None else None
        line = msgspec.structs.replace(line, status=status, ms=took)
        pipe = self._redis.pipeline(transaction=True)
        pipe.xadd(AUDIT, {"line": msgspec.json.encode(line)}, maxlen=LENGTH, approximate=True)
        pipe.hdel(OPEN, name)
        try:
            pipe.execute()
        except RedisError as error:
            # The write is done, and its line stands open: the sweep closes it.
            log.warning("the end of a write was not noted", error=str(error))

    def close_abandoned(self, now: int) -> None:
        """Close the lines of processes that died."""
        for name, line in self._open():
            if now - line.at > ABANDONED_MS:
                self._close(name, line, None)

    def lines(
        self, *, before: str = "", limit: int = 50, project: str = "", since: int = 0
    ) -> list[Line]:
        """Newest first, older than the line `before`; of one project, not older than `since`
        (Unix ms) where given. Those that are open stand above the first page, beyond its limit."""
        found: list[Line] = []
        edge = f"({before}" if before else "+"
        while len(found) < limit:
            rows = cast("Any", self._redis.xrevrange(AUDIT, edge, str(since), count=CHUNK))
            lines = [_line(row_id, fields) for row_id, fields in rows]
            found += [line for line in lines if _wanted(line, project, since)]
            if len(rows) < CHUNK:
                break
            edge = f"({lines[-1].id}"
        still = [] if before else [line for _, line in self._open()][::-1]
        return [line for line in still if _wanted(line, project, since)] + found[:limit]

    def _open(self) -> list[tuple[str, Line]]:
        rows = cast("dict[bytes, bytes]", self._redis.hgetall(OPEN))
        found = [(name.decode(), msgspec.json.decode(raw, type=Line)) for name, raw in rows.items()]
        return sorted(found, key=lambda pair: pair[1].at)


def _line(row_id: bytes, fields: dict[bytes, bytes]) -> Line:
    line = msgspec.json.decode(fields[b"line"], type=Line)
    return msgspec.structs.replace(line, id=row_id.decode())


def _wanted(line: Line, project: str, since: int) -> bool:
    return line.at >= since and project in ("", line.project)
