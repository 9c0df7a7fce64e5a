"""`/metrics`: what Prometheus reads. One registry per process, counts of this process only."""

from __future__ import annotations

from typing import Any, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool

from service.stores import Stores
from workers.events import Queue
from workers.store.deliveries import key, now_ms

NAME = "devops_backend"
NAMES: tuple[Queue, ...] = ("generate", "record")
REASONS = (
    "our own branch", "a branch was deleted", "no branch changed", "a tag, not a branch",
    "a child pipeline", "no project id", "no event of interest", "not what GitLab sends",
    "of another project",
)  # fmt: skip
"""Reasons told apart, so that no sender can make series without end; all others are `other`."""
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The process' figures."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._deliveries = Counter(
            f"{NAME}_deliveries",
            "Deliveries by status of the answer",
            ["status"],
            registry=registry,
        )
        self._ignored = Counter(
            f"{NAME}_deliveries_ignored",
            "Deliveries that are no work, by reason",
            ["reason"],
            registry=registry,
        )
        self._seconds = Histogram(
            f"{NAME}_delivery_seconds",
            "Request to answer of a delivery",
            buckets=SECONDS,
            registry=registry,
        )
        self._runs = Gauge(f"{NAME}_runs", "Runs by state", ["state"], registry=registry)
        self._waiting = Gauge(
            f"{NAME}_queue_waiting", "Wake-ups in RQ's list", ["queue"], registry=registry
        )
        self._dirty = Gauge(
            f"{NAME}_projects_with_work", "Projects with work", ["queue"], registry=registry
        )
        self._oldest = Gauge(
            f"{NAME}_oldest_work_seconds",
            "Age of the oldest work that is not done",
            ["queue"],
            registry=registry,
        )
        self._refused = Gauge(
            f"{NAME}_learned_refused",
            "How often a learned record did not carry our seal, and was not used",
            ["kind"],
            registry=registry,
        )
        self._dead = Gauge(
            f"{NAME}_dead_letters", "Work that was given up and waits for a person",
            registry=registry,
        )  # fmt: skip
        self._commits = Gauge(
            f"{NAME}_commits_last_hour", "Commits to all projects in the last hour",
            registry=registry,
        )  # fmt: skip
        self._tripped = Gauge(
            f"{NAME}_budget_tripped", "Whether commits wait for a person to reset the budget",
            registry=registry,
        )  # fmt: skip
        self._redis = Gauge(
            f"{NAME}_redis_up", "Whether Redis answered this scrape", registry=registry
        )  # fmt: skip

    def delivery(self, status: int, seconds: float) -> None:
        """A delivery was answered."""
        self._deliveries.labels(str(status)).inc()
        self._seconds.observe(seconds)

    def ignored(self, reason: str) -> None:
        """A delivery was understood and is no work."""
        self._ignored.labels(next((r for r in REASONS if r in reason), "other")).inc()

    def refresh(self, stores: Stores) -> None:
        """Read the gauges from Redis. Raises RedisError."""
        for state, count in stores.runs.counts().items():
            self._runs.labels(state).set(count)
        self._dead.set(stores.dead.count())
        budget = stores.budget.state()
        self._commits.set(budget.spent)
        self._tripped.set(budget.state == "tripped")
        for queue in NAMES:
            dirty, waiting = stores.ledger.waiting(queue)
            self._dirty.labels(queue).set(dirty)
            self._waiting.labels(queue).set(waiting)
            self._oldest.labels(queue).set(oldest_s(stores, queue))

        for kind, count in stores.learned.refused().items():
            self._refused.labels(kind).set(count)

    async def text(self, stores: Stores) -> bytes:
        """Everything, in the text format; without Redis what this process knows."""
        try:
            await run_in_threadpool(self.refresh, stores)
            self._redis.set(1)
        except RedisError:
            self._redis.set(0)
        return generate_latest(self.registry)


def oldest_s(stores: Stores, queue: str) -> float:
    """Seconds since the oldest wake-up whose work is not done; 0 where all is done."""
    rows = cast("Any", stores.redis.zrange(key("dirty", queue), 0, 0, withscores=True))
    return max(0.0, (now_ms() - float(rows[0][1])) / 1000) if rows else 0.0
