"""The budget of commits in all: the last guard against a loop that no other guard saw.

Once it is spent it stays tripped until a person resets it: an hour that passes explains nothing.
Runs wait meanwhile, at the step before their commit.

Keys, both below `dob:`: `commits-hour` (runs by the time of their commit, Unix ms, an hour),
`budget:tripped` (since when; no lifetime, a person ends it).
"""

from __future__ import annotations

from typing import Any, Literal, cast

import msgspec
import structlog
from redis import Redis

from workers.runs import iso
from workers.store.deliveries import key, now_ms

log = structlog.get_logger(__name__)

HOUR_MS = 3600 * 1000
COMMITS, TRIPPED = key("commits-hour"), key("budget", "tripped")


class BudgetState(msgspec.Struct, frozen=True):
    """Commits of the last hour, of how many, and since when (RFC 3339, UTC) it is tripped."""

    state: Literal["ok", "tripped"]
    limit: int
    spent: int
    tripped_at: str | None = None


class Budget:
    """The budget over a synchronous client."""

    def __init__(self, redis: Redis, limit: int) -> None:
        self._redis = redis
        self.limit = limit

    def spend(self, run: str) -> bool:
        """Count a run's commit, once; False where it must not be made."""
        now = now_ms()
        pipe = self._redis.pipeline(transaction=True)
        pipe.exists(TRIPPED)
        pipe.zremrangebyscore(COMMITS, "-inf", now - HOUR_MS)
        pipe.zscore(COMMITS, run)
        pipe.zcard(COMMITS)
        tripped, _, known, spent = cast("tuple[int, int, float | None, int]", pipe.execute())
        if known is not None:
            return True
        if not tripped and spent >= self.limit:
            log.error("the budget of commits in all is spent", limit=self.limit)
            self._redis.set(TRIPPED, now, nx=True)
        if tripped or spent >= self.limit:
            return False
        pipe = self._redis.pipeline(transaction=True)
        pipe.zadd(COMMITS, {run: now})
        pipe.pexpire(COMMITS, HOUR_MS)
        pipe.execute()
        return True

    def state(self) -> BudgetState:
        """How it stands."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.get(TRIPPED)
        pipe.zcount(COMMITS, now_ms() - HOUR_MS, "+inf")
        return state_of(pipe.execute(), self.limit)

    def reset(self) -> BudgetState:
        """A person has looked: a new hour begins."""
        self._redis.delete(TRIPPED, COMMITS)
        return self.state()


def state_of(answers: Any, limit: int) -> BudgetState:
    """From what Redis holds: since when it is tripped, and the commits of the last hour."""
    since, spent = answers
    at = iso(int(since)) if since else None
    return BudgetState("tripped" if at else "ok", limit, int(spent), at)
