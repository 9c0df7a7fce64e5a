"""The version of what Redis holds, and the way from each older one to ours, carried out at start.

`dob:schema` holds `version` and `installed_at` (Unix ms). Each upgrade may be carried out again,
so a process that dies in one leaves nothing half done that the next start does not finish.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import msgspec
import structlog
from redis import Redis
from redis.exceptions import WatchError

from workers.errors import Misconfigured
from workers.runs import State
from workers.store.dead import DeadLetters
from workers.store.deliveries import DELIVERIES, key, now_ms
from workers.store.ledger import Ledger
from workers.store.runs import RunStore, pack, unpack

log = structlog.get_logger(__name__)

SCHEMA = key("schema")
LOCK = key("schema", "lock")
LOCK_MS = 60_000
SIGNS = (DELIVERIES, key("runs"), key("learned", "all"))
"""Where any of these is, the store was in use before it had a version: that is version 1."""


class Upgrade(msgspec.Struct, frozen=True):
    """The way to a version from the one before it."""

    to: int
    what: str
    run: Callable[[Redis], None]


def ensure(redis: Redis) -> list[str]:
    """The store has our version; gives what was upgraded. Raises Misconfigured where it is newer,
    and RedisError."""
    done: list[str] = []
    deadline = time.monotonic() + LOCK_MS / 1000
    while (version := version_of(redis)) != VERSION:
        if version > VERSION:
            raise Misconfigured(
                f"REDIS_URL: the store has schema {version}, this program knows {VERSION}: it was"
                " written by a newer devops-backend; update this one, or restore a backup"
            )
        if redis.set(LOCK, "1", nx=True, px=LOCK_MS):
            try:
                done += _upgrade(redis)
            finally:
                redis.delete(LOCK)
        elif time.monotonic() > deadline:
            raise Misconfigured(f"REDIS_URL: the store's upgrade to schema {VERSION} does not end")
        else:
            time.sleep(0.1)
    return done


def version_of(redis: Redis) -> int:
    """The version in the store; a fresh store gets ours."""
    raw = cast("bytes | None", redis.hget(SCHEMA, "version"))
    if raw is not None:
        return int(raw)
    if redis.exists(*SIGNS):
        return 1
    redis.hsetnx(SCHEMA, "installed_at", str(now_ms()))
    redis.hsetnx(SCHEMA, "version", str(VERSION))
    return VERSION


def installed_at(redis: Redis) -> int:
    """When this store was first used, Unix ms; now where it is not known."""
    raw = cast("bytes | None", redis.hget(SCHEMA, "installed_at"))
    return int(raw) if raw else now_ms()


def _upgrade(redis: Redis) -> list[str]:
    done = []
    for upgrade in UPGRADES:
        if upgrade.to > version_of(redis):
            upgrade.run(redis)
            redis.hset(SCHEMA, "version", str(upgrade.to))
            log.info("the store was upgraded", to=upgrade.to, what=upgrade.what)
            done.append(upgrade.what)
    return done


def _to_2(redis: Redis) -> None:
    """When the store was first used: its oldest delivery or run; and lifetimes for run lists."""
    first = cast("Any", redis.xrange(DELIVERIES, count=1))
    times = [int(row_id.split(b"-")[0]) for row_id, _ in first]
    oldest = cast("Any", redis.zrange(key("runs"), 0, 0))
    times += [int(run_id[:14], 16) // 1000 for run_id in oldest]
    redis.hsetnx(SCHEMA, "installed_at", str(min(times, default=now_ms())))
    _dead_letters(redis)
    for name in redis.scan_iter(match=key("runs", "project", "*"), count=500):
        redis.expire(name, 180 * 86400, nx=True)


def _dead_letters(redis: Redis) -> None:
    """Of projects whose last run ended in an error, at most the newest thousand."""
    runs, dead, ledger = RunStore(redis), DeadLetters(redis), Ledger(redis)
    for run in runs.page(state=State.ERROR, limit=1000):
        if ledger.project(run.project.id).get("run") == run.id:
            dead.run_failed(run)


def _to_3(redis: Redis) -> None:
    """Runs were kept as plain JSON. Who writes one meanwhile writes it packed."""
    for run_id in cast("list[bytes]", redis.zrange(key("runs"), 0, -1)):
        name = key("run", run_id.decode())
        with redis.pipeline() as pipe, suppress(WatchError):
            pipe.watch(name)  # type: ignore[no-untyped-call]
            raw = cast("bytes | None", pipe.hget(name, "json"))
            pipe.multi()
            if raw is not None:
                pipe.hset(name, "json", pack(unpack(raw)))
            pipe.execute()


UPGRADES = (
    Upgrade(2, "when it was first used, lifetimes of lists of runs, dead letters", _to_2),
    Upgrade(3, "runs are kept packed", _to_3),
)
VERSION = UPGRADES[-1].to
