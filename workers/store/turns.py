"""How often a project's work is taken up: one that is told of without a rest lets others by.

A script that pushes in a loop, or a hook gone mad, would otherwise have a worker all the time, and
whoever comes would wait for a run of its own and one of that project's. Nothing is lost by it: what
was told meanwhile is one piece of work.
"""

from __future__ import annotations

from redis import Redis

from workers.events import Queue
from workers.store.deliveries import key

AT_ONCE = 10
"""Turns without a rest. A birth, a first push, its pipeline's events need fewer."""
REST_S = 60
"""So long without a turn, and a project has all of them again."""
PAUSE_MS = 5_000
"""Between later turns; the ticker, which looks for work that was not taken up, adds as much."""


class Turns:
    """Counts turns in `dob:turns:{q}:{p}`, over a synchronous Redis client."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def wait_ms(self, project: int, queue: Queue) -> int:
        """Take a turn: 0 where the project may have it now, else how long it has to wait."""
        turns, pause = key("turns", queue, project), key("turns", "pause", queue, project)
        pipe = self._redis.pipeline(transaction=True)
        pipe.incr(turns)
        pipe.expire(turns, REST_S)
        if int(pipe.execute()[0]) <= AT_ONCE or self._redis.set(pause, 1, nx=True, px=PAUSE_MS):
            return 0
        return max(1, int(self._redis.pttl(pause)))
