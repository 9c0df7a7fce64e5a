"""How soon work goes on after a kill: read from the sandbox's journal and from answers."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from service.sandbox.journal import Entry
from tests.chaos.traffic import Answered

P95_S = 30.0
ENOUGH = 20
"""Recoveries; of fewer the 95th percentile is the worst one, and says little."""
IN_HAND = "the run in hand goes on"
"""Told, not judged here: it waits for the lease of 20 s and then for its turn, and what kills go on
meanwhile strike it again. `test_points.py` judges it, kill by kill."""
LOOK = re.compile(r"/api/v4/projects/(\d+)")
"""A run begins with `GET /projects/:id`; the recorder never asks that."""


class Kill(msgspec.Struct, frozen=True):
    """One blow: when (Unix s), what, how many projects had work, and which one the victim had in
    hand, 0 where none."""

    at: float
    target: str
    waiting: int
    project: int


def recoveries(
    kills: Sequence[Kill], entries: Sequence[Entry], answers: Iterable[Answered]
) -> dict[str, list[float]]:
    """Seconds from each kill to the first sign that work goes on, sorted, by what is looked for:

    `a run begins`: after a worker, Redis or all was killed while projects waited, the next run
    that reads GitLab. `IN_HAND`: after a worker was killed in the middle of a run,
    the same project is read again. `a delivery is taken in`: after the receiver or all was killed,
    the next acknowledgment.
    """
    begins = [entry.at for entry in entries if entry.method == "GET" and LOOK.fullmatch(entry.path)]
    taken = sorted(answer.at for answer in answers if answer.acknowledged)
    found: dict[str, list[float]] = {
        "a run begins": [
            _next(begins, kill) for kill in kills
            if kill.target in ("generate", "horse", "redis", "program") and kill.waiting
        ],
        IN_HAND: [
            _next(_looks_at(entries, kill.project), kill) for kill in kills
            if kill.target in ("generate", "horse") and _unfinished(entries, kill)
        ],
        "a delivery is taken in": [
            _next(taken, kill) for kill in kills
            if kill.target in ("receiver", "program") and taken and taken[-1] > kill.at
        ],
    }  # fmt: skip
    return {what: sorted(waits) for what, waits in found.items()}


def _next(times: Iterable[float], kill: Kill) -> float:
    return next((at - kill.at for at in times if at > kill.at), math.inf)


def _looks_at(entries: Iterable[Entry], project: int) -> list[float]:
    path = f"/api/v4/projects/{project}"
    return [entry.at for entry in entries if entry.method == "GET" and entry.path == path]


def _unfinished(entries: Iterable[Entry], kill: Kill) -> bool:
    """Whether GitLab still lacked something of the project in hand: a run that had written its
    merge request needs to ask nothing again."""
    path = f"/api/v4/projects/{kill.project}/merge_requests"
    written = (e.at for e in entries if e.method == "POST" and e.path == path and e.status == 201)
    return kill.project > 0 and not any(at < kill.at for at in written)


def p95(waits: Sequence[float]) -> float:
    """95th percentile of sorted waits; 0 of none."""
    return waits[math.ceil(0.95 * len(waits)) - 1] if waits else 0.0


def lines(found: Mapping[str, Sequence[float]]) -> list[str]:
    """For people."""
    return [
        f"recovery, {what}: {len(waits)} times, median {statistics.median(waits or [0.0]):.1f} s, "
        f"p95 {p95(waits):.1f} s, max {max(waits, default=0.0):.1f} s"
        for what, waits in found.items()
    ]


def violations(found: Mapping[str, Sequence[float]]) -> list[str]:
    """What took longer than is promised."""
    return [
        f"{what}: {p95(waits):.1f} s after a kill (p95 of {len(waits)}), not {P95_S:.0f} s"
        for what, waits in found.items()
        if what != IN_HAND and len(waits) >= ENOUGH and p95(waits) > P95_S
    ]  # fmt: skip
