"""The soak: steady traffic and a kill a minute; what grows is measured, and may not grow on."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec
from redis.exceptions import RedisError

from tests.chaos import canaries, oracle
from tests.chaos.killer import Killer
from tests.chaos.processes import Process
from tests.chaos.rig import Rig, rig
from tests.chaos.traffic import Delivery, Sender, make, populate
from workers.errors import Retryable

RATE = 5.0
"""Deliveries a second."""
PER_PROJECT = 20
LOOK_S = 5.0
GROWTH_KB_A_MINUTE = 100.0
"""One megabyte in ten minutes."""
WARM_S, LONG_S = 60.0, 180.0
"""A process grows as it warms up; one that lived for less than both together says nothing."""
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
    """By process: growth of memory (KB a minute) and of open files (a minute)."""
    redis_mb: tuple[float, float]
    """Memory at the end of the first third, and at the end."""
    violations: list[str]

    def text(self) -> str:
        """For people."""
        lines = [
            f"soak of {self.minutes:.0f} min: {self.deliveries} deliveries, {self.kills} kills",
            *(f"  {name}: {kb:+.0f} KB/min, {files:+.2f} files/min"
              for name, (kb, files) in sorted(self.slopes.items())),
            f"  redis: {self.redis_mb[0]:.1f} MB, then {self.redis_mb[1]:.1f} MB",
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
        memory = [_redis_mb(tried)]
        next_kill = time.monotonic() + killer.pause()
        while not sender.over:
            _look(tried, seen)
            memory.append(_redis_mb(tried))
            if time.monotonic() > next_kill:
                killer.next()
                next_kill = time.monotonic() + killer.pause()
            time.sleep(LOOK_S)
        sender.close()
        tried.lending.end(asking)
        violations = killer.violations + oracle.everything(tried, subjects, sender.answers)
        violations += oracle.processes_as_before(tried, killer.seen, baseline)
    slopes = {_name(p): _slopes(looks) for p, looks in seen.items() if _lived(looks)}
    violations += [
        f"{name} grows by {kb:.0f} KB a minute"
        for name, (kb, _) in slopes.items() if kb > GROWTH_KB_A_MINUTE
    ]  # fmt: skip
    violations += [f"{n} opens {f:.1f} files a minute" for n, (_, f) in slopes.items() if f > 0.5]
    third = memory[len(memory) // 3]
    return Soak(minutes, count, len(killer.kills), slopes, (third, memory[-1]), violations)


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


def _redis_mb(tried: Rig) -> float:
    try:
        with tried.program.redis() as client:
            return int(client.info("memory")["used_memory"]) / 2**20
    except (RedisError, Retryable):
        return 0.0


def _lived(looks: Sequence[Seen]) -> bool:
    return looks[-1].at - looks[0].at >= WARM_S + LONG_S


def _slopes(looks: Sequence[Seen]) -> tuple[float, float]:
    """Least squares over all looks but those of the first minute, per minute."""
    kept = [look for look in looks if look.at - looks[0].at >= WARM_S]
    times = [look.at / 60 for look in kept]
    return _slope(times, [o.rss_kb for o in kept]), _slope(times, [o.files for o in kept])


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    over = sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True))
    return over / sum((a - middle_x) ** 2 for a in x)


def _name(process: Process) -> str:
    words = process.command.split()
    said = " ".join(w for w in words if not w.startswith("/") and w not in ("-m", "service.cli"))
    return f"{said[:40]} ({process.pid})"
