"""The ticker: sends due work, sends lost work again, asks for polls and sweeps. Never works itself.

Any number may run: due work is claimed by a compare-and-set, and a wake-up sent twice finds
nothing to do the second time.
"""

from __future__ import annotations

import threading
import time

import structlog
from redis.exceptions import RedisError

from workers import queues
from workers.events import Queue
from workers.store.deliveries import now_ms
from workers.store.ledger import Ledger, Trigger
from workers.store.sweeps import SWEEP, Sweeps

log = structlog.get_logger(__name__)

TICK_S = 0.5
LOST_AFTER_MS = 5_000
"""A wake-up that nobody took for so long is sent again, unless it waits in RQ's list."""
TAKEN_WITHIN_S = 3.0
"""From RQ's list to the lease: a busy machine takes so long to fork, and nothing is lost."""
AHEAD_S = 25 * 3600.0
"""More than the longest POLL_LIMIT_S."""
AGAIN_MS = 15_000
"""When due work that a dying ticker claimed comes again."""


class Ticker:
    """One loop over the ledger."""

    def __init__(
        self, ledger: Ledger, sweeps: Sweeps | None = None, ahead_s: float = AHEAD_S,
        taken_within_s: float = TAKEN_WITHIN_S,
    ) -> None:  # fmt: skip
        """`ahead_s`: nothing is ever planned further ahead than that. `taken_within_s`: how long
        work may be without a wake-up that waits before it counts as lost."""
        self._ledger = ledger
        self._ahead_ms = int(ahead_s * 1000)
        self._sweeps = sweeps
        self._taken_within_s = taken_within_s
        self._unseen: dict[Queue, dict[int, float]] = {}
        """By queue and project: since when (monotonic s) no wake-up waits for its work."""

    def run(self, stop: threading.Event) -> None:
        """Tick until `stop`. Redis going away is waited out."""
        while not stop.is_set():
            try:
                self.tick()
            except RedisError as error:
                log.warning("redis did not answer the ticker", error=str(error))
                stop.wait(1)
            stop.wait(TICK_S)

    def tick(self) -> None:
        """One round."""
        self._ledger.bring_back(self._ahead_ms)
        if self._sweeps is not None:
            self._sweeps.plan()
        self.send_due()
        for queue in queues.QUEUES:
            self.resend_lost("record" if queue == "record" else "generate")

    def send_due(self) -> None:
        """Wake a worker for everything whose time has come."""
        now = now_ms()
        for what in self._ledger.due(now):
            if self._ledger.claim(what, now + AGAIN_MS):
                self._send(what)

    def _send(self, what: str) -> None:
        if what == SWEEP:
            if self._sweeps is not None:
                self._sweeps.send()
            return
        kind, _, rest = what.partition(":")
        project = int(rest.partition(":")[0])
        if kind == "poll":
            # The record worker plans the next poll itself, or forgets it.
            self._ledger.want_poll(project, rest.partition(":")[2])
            self._ledger.mark(project, "record")
            return
        queue: Queue = "record" if kind == "record" else "generate"
        self._ledger.mark(project, queue, Trigger("resume") if queue == "generate" else None)
        self._ledger.not_later(what)

    def resend_lost(self, queue: Queue) -> None:
        """Wake again for projects with work that nobody holds.

        Where a project's own wake-up waits it is not lost: workers are just busy. To count them
        would not do: two for one project would hide that another has none.
        """
        older, now = now_ms() - LOST_AFTER_MS, time.monotonic()
        dirty = self._ledger.dirty(queue, older)
        waiting = self._ledger.woken(queue) if dirty else set()
        before = self._unseen.get(queue, {})
        unseen = {project: before.get(project, now) for project in dirty if project not in waiting}
        self._unseen[queue] = unseen
        for project, since in unseen.items():
            lost = now - since >= self._taken_within_s
            if lost and self._ledger.wake(project, queue, older_than_ms=older):
                log.info("work was lost and is sent again", queue=queue, project=project)
