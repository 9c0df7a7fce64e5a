"""SIGKILL for one part after another, chosen by seed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Sequence

from redis.exceptions import RedisError

from tests.chaos.processes import Process
from tests.chaos.recovery import Kill
from tests.chaos.rig import Rig
from workers.errors import Retryable
from workers.queues import QUEUES
from workers.store.deliveries import key

TARGETS = ("receiver", "generate", "horse", "record", "ticker", "redis")
ORPHAN_S = 4.0
"""A work-horse whose worker was killed gets its own signal from the kernel at once; a busy machine
may take its time to carry that out."""
HORSE_WAIT_S, FIRST_HORSE_WAIT_S = 2.0, 10.0
"""It lives for a moment only; the first one is waited for."""


class Killer:
    """Kills by seed, each target once a round; the program's own supervisor restarts.

    What was not there when its turn came has it again, after the others.
    """

    def __init__(
        self, rig: Rig, seed: int, every: float, targets: Sequence[str] = TARGETS,
        blow: signal.Signals = signal.SIGKILL,
    ) -> None:  # fmt: skip
        self._rig = rig
        self._blow = blow
        self._random = random.Random(seed)
        self._every = every
        self._targets = targets
        self._round: list[str] = []
        self.kills: list[Kill] = []
        self.violations: list[str] = []
        self.seen: set[Process] = set()

    def run(self, over: Callable[[], bool], seconds: float) -> None:
        """Until `over`, or for `seconds`."""
        deadline = time.monotonic() + seconds
        while not over() and time.monotonic() < deadline:
            time.sleep(self.pause())
            self.next()

    def pause(self) -> float:
        """Seconds to the next blow."""
        return self._every * self._random.uniform(0.5, 1.5)

    def next(self) -> bool:
        """The round's next target; False where it was not there."""
        if not self._round:
            self._round = self._random.sample(self._targets, len(self._targets))
        target = self._round.pop()
        struck = self.strike(target)
        if not struck and self._round:
            self._round.insert(0, target)
        return struck

    @property
    def missed(self) -> list[str]:
        """Targets that were never struck: the trial says nothing about them."""
        struck = {kill.target for kill in self.kills}
        return [target for target in self._targets if target not in struck]

    def strike(self, target: str) -> bool:
        """Kill one; False where it was not there (the horse rests, a part is being restarted)."""
        victim = self._find(target)
        if victim is None:
            return False
        waiting, project = self._at_work(victim)
        family = set(self._rig.program.family())
        self.seen |= family
        below = [process for process in family if process.parent == victim.pid]
        try:
            os.kill(victim.pid, self._blow)
        except ProcessLookupError:  # a horse ends by itself within milliseconds
            return False
        self.kills.append(Kill(time.time(), target, waiting, project))
        self._bury(target, below)
        return True

    def _bury(self, target: str, below: Sequence[Process]) -> None:
        """What was below it has to go with it; the program as a whole we start again."""
        if self._blow is not signal.SIGKILL:  # what is below finishes its work first
            return
        deadline = time.monotonic() + ORPHAN_S
        while (left := [p for p in below if p.alive]) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.violations += [f"{p.command[:60]} outlived its killed {target}" for p in left]
        for survivor in left:  # nothing of a trial stays on the machine
            os.kill(survivor.pid, signal.SIGKILL)
        if target == "program":
            self._rig.program.killed()
            self._rig.program.start()

    def _find(self, target: str) -> Process | None:
        patience = FIRST_HORSE_WAIT_S if target in self.missed else HORSE_WAIT_S
        deadline = time.monotonic() + (patience if target == "horse" else 0)
        while True:
            found = self._rig.program.part(target)
            if found is not None or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    def _at_work(self, victim: Process) -> tuple[int, int]:
        """How many projects have work, and the one that the victim has in hand, 0 without; nothing
        is known while Redis is down."""
        try:
            with self._rig.program.redis() as redis:
                waiting = int(redis.zcard(key("dirty", "generate")))
                for name in redis.smembers("rq:workers"):
                    pid = int(redis.hget(name, "pid") or 0)
                    if pid in (victim.pid, victim.parent):
                        jobs = redis.smembers(name + b":executions")
                        return waiting, next(filter(None, map(_project, jobs)), 0)
        except (RedisError, Retryable):
            return 0, 0
        return waiting, 0


def _project(job: bytes) -> int:
    """Of what RQ notes of a job at work, `generate-<project>-…`; 0 for one of another kind."""
    kind, _, rest = job.decode().partition("-")
    number = rest.partition("-")[0]
    return int(number) if kind in QUEUES and number.isdigit() else 0
