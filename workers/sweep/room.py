"""Room in Redis: it evicts nothing by itself, and refuses every delivery once it is full.

What is kept for looking back gives way before that.
"""

from __future__ import annotations

from redis import Redis

from workers.sweep.at_work import Sweep

SCARCE = 0.75
"""Of the memory that Redis may take (`maxmemory`)."""
KEPT_MS = 7 * 86400 * 1000
"""So far the sweep looks back at runs, and so long a pipeline may take."""
AT_ONCE = 50


def made(sweep: Sweep, _: str) -> str | None:
    """While Redis is three quarters full, drop the oldest runs that are over; not this week's."""
    runs, redis, forgotten = sweep.parts.runs, sweep.parts.redis, 0
    full = first = fullness(redis)
    while full > SCARCE and not sweep.over():
        dropped = runs.forget(sweep.now - KEPT_MS, AT_ONCE)
        if not dropped:
            break
        forgotten += dropped
        full = fullness(redis)
    if forgotten:
        done = f"the {forgotten} oldest runs are gone"
        sweep.found("room", 0, "", f"Redis was {first:.0%} full", done=done)
    elif full > SCARCE:
        fix = "raise its maxmemory: what is left to drop is younger than a week"
        sweep.found("room", 0, "", f"Redis is {full:.0%} full", fix=fix)
    return None


def fullness(redis: Redis) -> float:
    """The share of its memory limit that Redis uses; 0 where it has no limit."""
    memory = redis.info("memory")
    limit = int(memory["maxmemory"])
    return int(memory["used_memory"]) / limit if limit else 0.0
