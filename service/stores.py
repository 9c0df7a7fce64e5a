"""The synchronous stores of the HTTP process, made together over one client."""

from __future__ import annotations

from typing import NamedTuple

from redis import Redis

from workers.settings import Settings
from workers.store.audit import Audit
from workers.store.budget import Budget
from workers.store.dead import DeadLetters
from workers.store.dry_runs import DryRuns
from workers.store.learned import LearnedStore
from workers.store.ledger import Ledger
from workers.store.lent import Lent
from workers.store.runs import RunStore
from workers.store.sweeps import Sweeps


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
