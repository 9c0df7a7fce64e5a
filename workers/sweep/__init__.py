"""The sweep: finds what GitLab never told, repairs what it may, and reports the rest.

One pass goes over our merge requests, runs without a verdict, runs that nobody carries on, all
projects with their webhooks, and what Redis has room for. It is carried out in parts of some
seconds, each goes on where the one before it ended, so that no worker is held up and no death
loses more than a page.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from workers.errors import Rejected, Retryable
from workers.store.audit import acting
from workers.store.deliveries import now_ms
from workers.sweep import merge_requests, projects, room, unsettled
from workers.sweep.at_work import Sweep
from workers.wiring import Parts

log = structlog.get_logger(__name__)

PART_S = 10.0
"""How long one part lasts at the most, but for the call it is in."""
GIVE_UP_MS = 3600 * 1000
"""A pass that GitLab stops for so long is over."""

PHASES: tuple[Callable[[Sweep, str], str | None], ...] = (
    merge_requests.ours, unsettled.without_verdict, unsettled.carried_on_by_nobody,
    projects.all_of_them, unsettled.tidy, room.made,
)  # fmt: skip
"""Each takes the cursor where it goes on, "" at first, and gives the next one, None at its end."""


def carry_on(
    parts: Parts, *, seconds: float = PART_S, clock: Callable[[], int] = now_ms
) -> float | None:
    """Carry out some seconds of the pass at work, or of a new one where it is time for one.

    Gives the seconds to wait before the next part; None where the pass is over, where another
    process has it, or where it is not time.
    """
    with parts.sweeps.held() as token:
        if not token:
            return None
        at = parts.sweeps.current()
        if at is None:
            if not parts.sweeps.is_time():
                return None
            at = parts.sweeps.begin()
        sweep = Sweep(parts, at, token, time.monotonic() + seconds, clock)
        try:
            with acting(why="sweep"):
                _phases(sweep)
        except Retryable as error:
            sweep.keep()
            if now_ms() - at.began < GIVE_UP_MS:
                log.warning("the sweep has to wait", reason=str(error))
                return max(error.after, 1.0)
            at.trouble = str(error)
        except Rejected as error:
            at.trouble = str(error)
        if not at.trouble and at.phase < len(PHASES):
            return 0.0
        at.ended = clock()
        sweep.keep()
        parts.sweeps.end(at)
    log.info("swept", projects=at.projects, calls=at.calls, findings=len(at.findings) + at.unlisted,
             trouble=at.trouble)  # fmt: skip
    return None


def _phases(sweep: Sweep) -> None:
    at = sweep.at
    while at.phase < len(PHASES):
        cursor = PHASES[at.phase](sweep, at.cursor)
        at.cursor, at.phase = cursor or "", at.phase + (cursor is None)
        sweep.keep()
        if sweep.over():
            return
