"""The flagship: a flood of deliveries while one part after another is killed; then the oracle."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import msgspec

from tests.chaos import canaries, oracle, recovery
from tests.chaos.killer import TARGETS, Killer
from tests.chaos.rig import rig
from tests.chaos.traffic import Sender, make, populate


class Options(msgspec.Struct, frozen=True):
    """How big, how long; `seconds` is the time in which the deliveries are spread."""

    projects: int = 500
    deliveries: int = 12_000
    seed: int = 1
    seconds: float = 240.0
    every: float = 2.5
    """Seconds between two kills, on average."""
    targets: tuple[str, ...] = TARGETS
    workers: int = 2
    """Processes per queue."""
    late: int = 40
    """Commits that GitLab answers a second late: it has applied them, and nobody knows yet."""
    loans: int = 10
    """Projects that are asked for with a lent token meanwhile."""


SHORT = Options(projects=25, deliveries=500, seconds=30, every=1.3, late=12, loans=3)
"""What CI runs: 16 kills or more, each target at least once."""


class Report(msgspec.Struct, frozen=True):
    """What was seen; `violations` is empty where every promise held."""

    options: Options
    statuses: dict[int, int]
    kills: dict[str, int]
    lent: int
    recovery_s: dict[str, list[float]]
    """By what is looked for (`recovery.recoveries`); sorted."""
    quiet_s: float
    total_s: float
    violations: list[str]

    def text(self) -> str:
        """For people."""
        size = f"{self.options.deliveries} deliveries, {self.options.projects} projects"
        lines = [
            f"seed {self.options.seed}: {size}, {self.total_s:.0f} s in all",
            f"answers by status (0: none): {self.statuses}",
            f"kills: {sum(self.kills.values())} {self.kills}",
            f"tokens lent: {self.lent}",
            *recovery.lines(self.recovery_s),
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
        borrowed = tried.lending.plant(options.loans, "borrowed")
        deliveries = make(subjects, options.deliveries, options.seed)
        commits = "/repository/commits$"
        tried.forge.set_fault("late", commits, method="POST", times=options.late, probability=0.3)
        killer = Killer(tried, options.seed, options.every, options.targets)
        sender = Sender(tried.program.url, deliveries, options.seconds)
        sender.start()
        asking = tried.lending.start(borrowed, options.seconds)
        try:
            killer.run(lambda: sender.over and not killer.missed, options.seconds + 60)
        finally:
            sender.close()
            tried.lending.end(asking)
        calm = time.monotonic()
        violations = killer.violations + [f"{name} was never killed" for name in killer.missed]
        violations += oracle.wait_quiet(tried)
        quiet = time.monotonic() - calm
        violations += oracle.everything(tried, subjects, sender.answers)
        violations += oracle.processes_as_before(tried, killer.seen, baseline)
        waits = recovery.recoveries(killer.kills, tried.entries(), sender.answers)
        violations += recovery.violations(waits)
    violations += canaries.in_files(tried.program.folder)
    return Report(
        options, dict(Counter(answer.status for answer in sender.answers)),
        dict(Counter(kill.target for kill in killer.kills)), len(tried.lending.lent), waits, quiet,
        time.monotonic() - began, violations,
    )  # fmt: skip
