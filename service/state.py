"""What the process holds while it runs: made once in `app.create_app`, read by every endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from starlette.requests import Request as StarletteRequest

from workers.audit import Audit
from workers.budget import Budget
from workers.dead import DeadLetters
from workers.dry_runs import DryRuns
from workers.learned import LearnedStore
from workers.ledger import Ledger
from workers.lent import Lent
from workers.run_store import RunStore
from workers.settings import Settings
from workers.sweeps import Sweeps

if TYPE_CHECKING:
    import httpx

    from service.auth import Keys
    from service.health import Health
    from service.inbox import Inbox
    from service.metrics import Metrics
    from service.openapi import Document
    from service.rendering import Pages
    from service.senders import Senders


FOLLOWERS = 200
"""Requests that follow a run, each with a connection to Redis."""


class Stores(NamedTuple):
    """The synchronous stores; call them through `run_in_threadpool`."""

    redis: Redis
    ledger: Ledger
    runs: RunStore
    learned: LearnedStore
    lent: Lent
    dry_runs: DryRuns
    sweeps: Sweeps
    dead: DeadLetters
    audit: Audit
    budget: Budget

    @classmethod
    def over(cls, redis: Redis, settings: Settings) -> Stores:
        """All stores over one client. `devops_backend_key` has to be there."""
        assert settings.devops_backend_key is not None
        key = settings.devops_backend_key
        learned = LearnedStore(redis, key, settings.learned_quorum)
        sweeps = Sweeps(redis, settings.sweep_interval_s)
        return cls(
            redis, Ledger(redis), RunStore(redis), learned, Lent(redis, key), DryRuns(redis),
            sweeps, DeadLetters(redis), Audit(redis),
            Budget(redis, settings.commits_per_hour),
        )  # fmt: skip


class Limits:
    """How much of what holds a thread or a connection for long goes on at once."""

    def __init__(self) -> None:
        self.dry_runs = asyncio.Semaphore(8)
        self.followers = asyncio.Semaphore(FOLLOWERS)


class State(TypedDict):
    """Starlette's lifespan state, typed."""

    settings: Settings
    stores: Stores
    inbox: Inbox
    redis: AsyncRedis
    """For short commands: two seconds to answer."""
    streams: AsyncRedis
    """For blocking reads of progress."""
    http: httpx.AsyncClient
    limits: Limits
    senders: Senders
    keys: Keys
    metrics: Metrics
    health: Health
    pages: Pages
    document: Document


Request = StarletteRequest[State]
