"""The soak: steady traffic and a kill a minute; what grows is measured, and may not grow on.

A process takes a step where something happens for the first time (an outage of Redis that is told
with its traceback costs a worker 2 MB, once; Chroma opens its database for more callers at once).
A leak goes on: it shows in the first half of a process's life and in the second. Redis grows with
what it keeps; it is judged by what that costs (`sizes`).
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec
from redis.exceptions import RedisError

from tests.chaos import canaries, oracle, sizes
from tests.chaos.killer import Killer
from tests.chaos.processes import Process
from tests.chaos.rig import PARTS, Rig, rig
from tests.chaos.sizes import Sizes
from tests.chaos.traffic import Delivery, Sender, make, populate
from workers.errors import Retryable

RATE = 5.0
"""Deliveries a second."""
PER_PROJECT = 20
LOOK_S = 5.0
GROWTH_KB_A_MINUTE = 100.0
"""One megabyte in ten minutes."""
GROWTH_FILES_A_MINUTE = 0.5
WARM_S, LONG_S = 60.0, 180.0
"""A process grows as it warms up; one that lived for less than both together says nothing."""
REDIS_S = 30.0
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


class Seen(msgspec.Struct, frozen=True):
    """A process at one moment."""

    at: float
    rss_kb: int
    files: int


class Soak(msgspec.Struct, frozen=True):
    """What was measured; `violations` is empty where every promise held."""

    minutes: float
    deliveries: int
    kills: int
    slopes: dict[str, tuple[float, float]]
    """By process: growth that goes on, of memory (KB a minute) and of open files (a minute)."""
    redis: tuple[Sizes, Sizes]
    """At the end of the first third, and when all was done."""
    violations: list[str]

    def text(self) -> str:
        """For people."""
        lines = [
            f"soak of {self.minutes:.0f} min: {self.deliveries} deliveries, {self.kills} kills",
            *(f"  {name}: {kb:+.0f} KB/min, {files:+.2f} files/min"
              for name, (kb, files) in sorted(self.slopes.items())),
            *(f"  redis: {held.text()}" for held in self.redis),
            f"violations: {len(self.violations)}",
        ]  # fmt: skip
        return "\n".join(lines + [f"  - {what}" for what in self.violations[:40]])


def run(minutes: float, seed: int, folder: Path) -> Soak:
    """One soak in `folder`."""
    seconds = minutes * 60
    count = int(seconds * RATE)
    with rig(folder) as tried:
        baseline = len(tried.program.family())
        subjects = populate(tried.forge, max(5, count // PER_PROJECT), canaries.FILES)
        deliveries = _in_turn(make(subjects, count, seed))
        sender = Sender(tried.program.url, deliveries, seconds)
        sender.start()
        asking = tried.lending.start(tried.lending.plant(max(1, int(minutes)), "soak"), seconds)
        killer = Killer(tried, seed, every=60.0)
        seen: dict[Process, list[Seen]] = defaultdict(list)
        early: Sizes | None = None
        began = time.monotonic()
        next_kill = began + killer.pause()
        while not sender.over:
            _look(tried, seen)
            if early is None and time.monotonic() - began > seconds / 3:
                early = _sizes(tried)
            if time.monotonic() > next_kill:
                killer.next()
                next_kill = time.monotonic() + killer.pause()
            time.sleep(LOOK_S)
        sender.close()
        tried.lending.end(asking)
        violations = killer.violations + oracle.everything(tried, subjects, sender.answers)
        violations += oracle.processes_as_before(tried, killer.seen, baseline)
        late = _sizes(tried)
        violations += sizes.violations(early or late, late)
    slopes = {_name(p): _slopes(looks) for p, looks in seen.items() if _lived(looks)}
    violations += [
        f"{name} grows by {kb:.0f} KB a minute"
        for name, (kb, _) in slopes.items()
        if kb > GROWTH_KB_A_MINUTE and PARTS["redis"] not in name
    ]  # fmt: skip
    violations += [
        f"{name} opens {files:.1f} files a minute"
        for name, (_, files) in slopes.items() if files > GROWTH_FILES_A_MINUTE
    ]  # fmt: skip
    return Soak(minutes, count, len(killer.kills), slopes, (early or late, late), violations)


def _in_turn(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Project after project, as they are born over the time; within a project in any order."""
    return sorted(deliveries, key=lambda delivery: delivery.project)


def _look(tried: Rig, seen: dict[Process, list[Seen]]) -> None:
    for process in tried.program.family():
        place = Path(f"/proc/{process.pid}")
        try:
            rss = int((place / "statm").read_text().split()[1]) * PAGE_KB
            files = len(list((place / "fd").iterdir()))
        except OSError:  # it ended meanwhile
            continue
        seen[process].append(Seen(time.monotonic(), rss, files))


def _sizes(tried: Rig) -> Sizes:
    """Once Redis is there: it may be the one that was killed just now."""
    deadline = time.monotonic() + REDIS_S
    while True:
        try:
            with tried.program.redis() as client:
                return sizes.measure(client)
        except (RedisError, Retryable):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _lived(looks: Sequence[Seen]) -> bool:
    return looks[-1].at - looks[0].at >= WARM_S + LONG_S


def _slopes(looks: Sequence[Seen]) -> tuple[float, float]:
    """Growth per minute in the half of its life where it grew less, the first minute left out."""
    kept = [look for look in looks if look.at - looks[0].at >= WARM_S]
    middle = len(kept) // 2
    rss, files = zip(*(_growth(half) for half in (kept[:middle], kept[middle:])), strict=True)
    return min(rss), min(files)


def _growth(looks: Sequence[Seen]) -> tuple[float, float]:
    times = [look.at / 60 for look in looks]
    return _slope(times, [o.rss_kb for o in looks]), _slope(times, [o.files for o in looks])


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Least squares."""
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    over = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return over / sum((a - middle_x) ** 2 for a in x)


def _name(process: Process) -> str:
    words = process.command.split()
    said = " ".join(w for w in words if not w.startswith("/") and w not in ("-m", "service.cli"))
    return f"{said[:40]} ({process.pid})"
