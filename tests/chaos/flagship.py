"""The flagship: a flood of deliveries while one part after another is killed; then the oracle."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from pathlib import Path

import msgspec

from tests.chaos import canaries, oracle
from tests.chaos.killer import TARGETS, Killer, recoveries
from tests.chaos.rig import rig
from tests.chaos.traffic import Sender, make, populate

RECOVERY_S = 30.0


class Options(msgspec.Struct, frozen=True):
    """How big, how long; `seconds` is the time in which the deliveries are spread."""

    projects: int = 500
    deliveries: int = 12_000
    seed: int = 1
    seconds: float = 240.0
    every: float = 3.5
    """Seconds between two kills, on average."""
    targets: tuple[str, ...] = TARGETS
    workers: int = 2
    """Processes per queue."""


class Report(msgspec.Struct, frozen=True):
    """What was seen; `violations` is empty where every promise held."""

    options: Options
    statuses: dict[int, int]
    kills: dict[str, int]
    recovery_s: list[float]
    """Sorted."""
    quiet_s: float
    total_s: float
    violations: list[str]

    @property
    def p95(self) -> float:
        """95th percentile of the recoveries; 0 where no kill left work waiting."""
        times = self.recovery_s
        return times[math.ceil(0.95 * len(times)) - 1] if times else 0.0

    def text(self) -> str:
        """For people."""
        worst = max(self.recovery_s, default=0.0)
        middle = statistics.median(self.recovery_s or [0.0])
        size = f"{self.options.deliveries} deliveries, {self.options.projects} projects"
        times = f"median {middle:.1f} s, p95 {self.p95:.1f} s, max {worst:.1f} s"
        lines = [
            f"seed {self.options.seed}: {size}, {self.total_s:.0f} s in all",
            f"answers by status (0: none): {self.statuses}",
            f"kills: {sum(self.kills.values())} {self.kills}",
            f"recovery of a worker, {len(self.recovery_s)} times with work waiting: {times}",
            f"quiet {self.quiet_s:.1f} s after the last delivery and kill",
            f"violations: {len(self.violations)}",
        ]
        return "\n".join(lines + [f"  - {what}" for what in self.violations[:40]])


def run(options: Options, folder: Path) -> Report:
    """One whole trial in `folder`, which is left as it is for a look at logs and data."""
    began = time.monotonic()
    with rig(folder, options.workers) as tried:
        baseline = len(tried.program.family())
        subjects = populate(tried.forge, options.projects, canaries.FILES)
        deliveries = make(subjects, options.deliveries, options.seed)
        killer = Killer(tried, options.seed, options.every, options.targets)
        sender = Sender(tried.program.url, deliveries, options.seconds)
        sender.start()
        try:
            killer.run(lambda: sender.over, options.seconds + 60)
        finally:
            sender.close()
        calm = time.monotonic()
        violations = killer.violations + oracle.wait_quiet(tried)
        quiet = time.monotonic() - calm
        violations += oracle.everything(tried, subjects, sender.answers)
        violations += oracle.processes_as_before(tried, killer.seen, baseline)
        waits = recoveries(killer.kills, tried.entries())
    violations += canaries.in_files(tried.program.folder)
    report = Report(
        options, dict(Counter(answer.status for answer in sender.answers)),
        dict(Counter(kill.target for kill in killer.kills)), waits, quiet,
        time.monotonic() - began, violations,
    )  # fmt: skip
    if report.p95 > RECOVERY_S:
        violations.append(f"recovery takes {report.p95:.1f} s (p95), not {RECOVERY_S:.0f} s")
    return report
