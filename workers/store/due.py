"""Work for later: the sorted set `dob:due`; its members say what, their scores when (Unix ms)."""

from __future__ import annotations

from redis import Redis

from workers.store.deliveries import as_text, key, now_ms

DUE = key("due")


def poll_of(project: int, run: str) -> str:
    """How the look at a run's pipeline is named among what is planned."""
    return f"poll:{project}:{run}"


class Due:
    """What is planned, over a synchronous Redis client."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def later(self, what: str, at_ms: int) -> None:
        """Plan work: `generate:<project>`, `poll:<run>` … A newer time replaces the older."""
        self._redis.zadd(DUE, {what: at_ms})

    def not_later(self, what: str) -> None:
        """Forget planned work."""
        self._redis.zrem(DUE, what)

    def due(self, now: int, limit: int = 100) -> list[str]:
        """What has become due, oldest first. `claim` it before acting: another ticker may run."""
        return [
            as_text(row) for row in self._redis.zrangebyscore(DUE, "-inf", now, start=0, num=limit)
        ]

    def bring_back(self, ahead_ms: int) -> None:
        """What was planned further ahead than anything ever is, by a clock that was ahead, is due
        now."""
        edge = now_ms() + ahead_ms
        for row in self._redis.zrangebyscore(DUE, f"({edge}", "+inf", start=0, num=100):
            self._redis.zadd(DUE, {as_text(row): now_ms()}, xx=True, lt=True)

    def claim(self, what: str, again_ms: int) -> bool:
        """Take due work: whoever moves it first has it. It comes again at `again_ms` unless
        `not_later` says it was carried out, so a ticker that dies loses nothing."""
        score = self._redis.zscore(DUE, what)
        return (
            score is not None
            and score <= now_ms()
            and bool(self._redis.zadd(DUE, {what: again_ms}, xx=True, gt=True, ch=True))
        )
