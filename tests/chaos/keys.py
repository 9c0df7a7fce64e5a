"""Every key of Redis has a lifetime, or is on the short list of those that need none."""

from __future__ import annotations

import fnmatch
from typing import cast

import redis

from workers.queues import QUEUES

LASTING = {
    "dob:deliveries": "a stream, cut at 100,000", "dob:audit*": "a stream, cut",
    "dob:dirty:*": "projects with work",
    "dob:due": "work for later",
    "dob:project:*": "a few facts of a project",
    "dob:triggers:*": "why a project has work, at most 200",
    "dob:runs": "ids of runs, pruned by the sweep",
    "dob:runs:state:*": "ids of runs, pruned by the sweep",
    "dob:budget:tripped": "until a person resets it",
    "dob:dead": "what waits for a person; the letters have lifetimes",
    "dob:learned:*": "what was learned is kept",
    "dob:schema": "the version of the store", "dob:sweep:*": "how far the sweep came",
    "rq:queues": "names", "rq:queue:*": "wake-ups that wait", "rq:workers": "names",
    "rq:workers:*": "names", "rq:wip:*": "RQ's own books", "rq:failed:*": "RQ's own books",
    "rq:finished:*": "RQ's own books", "rq:canceled:*": "RQ's own books",
}  # fmt: skip
"""Patterns, each with the reason why it may stay."""


def _at_work(client: redis.Redis) -> set[str]:
    """Worker jobs in RQ's books of what is begun."""
    rows: list[bytes] = []
    for queue in QUEUES:
        rows += cast("list[bytes]", client.zrange(f"rq:wip:{queue}", 0, -1))
        rows += cast("list[bytes]", client.lrange(f"rq:queue:{queue}:intermediate", 0, -1))
    return {row.decode().partition(":")[0] for row in rows}


def without_lifetime(client: redis.Redis) -> list[str]:
    """Keys that would stay for ever, and are not on the list.

    RQ takes a job's lifetime away while it is carried out, and looks after those of dead workers
    as long as they stand in its registry.
    """
    suspects = []
    for raw in client.scan_iter("*", count=1000):
        name = bytes(raw).decode()
        listed = any(fnmatch.fnmatchcase(name, pattern) for pattern in LASTING)
        if not listed and client.ttl(raw) == -1:
            suspects.append(name)
    # Looked at again: a sweep may have begun or ended meanwhile.
    at_work = _at_work(client)
    found = [name for name in suspects if name.removeprefix("rq:job:") not in at_work]
    return [f"{name} has no lifetime" for name in found if client.ttl(name) == -1]
