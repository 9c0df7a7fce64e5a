"""Runs that wait for what will not come: a pipeline's verdict, or a worker.

Asking here is no poll: it is one call per sweep about a pipeline that has been silent for
minutes, while polls go on at `POLL_INTERVAL_S` where no event was ever heard. So a last event
that was lost costs ten minutes, not `POLL_LIMIT_S`, and a healthy hook still costs no poll.
"""

from __future__ import annotations

from collections.abc import Callable

from workers.runs import Run, State
from workers.store.ledger import Trigger, swept
from workers.store.receiving import FINAL
from workers.store.runs import RUN_TTL_S
from workers.sweep.at_work import Sweep

SILENT_MS = 5 * 60 * 1000
"""A pipeline of which nothing was heard for so long is looked at; sooner where sweeps come more
often than every ten minutes: after half of the time between two."""
STUCK_MS = 10 * 60 * 1000
LOOKED_BACK_MS = 7 * 86400 * 1000
PAGE = 50

NO_VERDICT = (State.AWAITING_PIPELINE, State.UNCONFIRMED)
AT_WORK = (
    State.QUEUED, State.ANALYZING, State.GENERATING, State.VALIDATING, State.COMMITTING,
)  # fmt: skip


def without_verdict(sweep: Sweep, cursor: str) -> str | None:
    """A page of runs whose pipeline ended, as far as we know, in nothing."""
    return _page(sweep, cursor, NO_VERDICT, _look)


def carried_on_by_nobody(sweep: Sweep, cursor: str) -> str | None:
    """A page of runs at work for which no work is noted; that costs no call."""
    return _page(sweep, cursor, AT_WORK, _wake)


def tidy(sweep: Sweep, _: str) -> str | None:
    """Take runs that have expired out of the lists; close the audit log's lines of the dead."""
    sweep.parts.audit.close_abandoned(sweep.now)
    sweep.parts.runs.prune(sweep.now - RUN_TTL_S * 1000)
    return None


def _page(
    sweep: Sweep, cursor: str, states: tuple[State, ...], act: Callable[[Sweep, Run], None]
) -> str | None:
    """`cursor` is the place of the state and the last run seen, newest first."""
    place, _, before = cursor.partition(" ")
    state = states[int(place or 0)]
    runs = sweep.parts.runs.page(state=state, before=before, limit=PAGE)
    young = [run for run in runs if sweep.now - run.created_ms < LOOKED_BACK_MS]
    for run in young:
        with sweep.refusals(run.project.id, run.project.path):
            act(sweep, run)
    if len(young) == PAGE:
        return f"{place or 0} {young[-1].id}"
    following = int(place or 0) + 1
    return f"{following} " if following < len(states) else None


def _look(sweep: Sweep, run: Run) -> None:
    if run.commit is None:
        return
    parts, project = sweep.parts, run.project.id
    heard = parts.ledger.heard(project).get(run.commit.sha)
    last = max(run.committed_ms, heard.at if heard else 0)
    silent = min(SILENT_MS, parts.settings.sweep_interval_s * 1000 / 2)
    if sweep.now - last < silent and not sweep.at.thorough:
        return
    rows = parts.gitlab.pipelines(project, run.commit.sha)
    newest = max(rows, key=lambda row: row.id, default=None)
    if newest is None or newest.status not in FINAL:
        return
    known = run.pipeline
    if run.state is State.UNCONFIRMED and known and known.status == newest.status:
        return
    parts.ledger.want_poll(project, swept(run.id))
    parts.ledger.mark(project, "record")
    what = f"pipeline {newest.id} is {newest.status}, which no event told"
    sweep.found("no verdict", project, run.project.path, what, done="the run is settled by it")


def _wake(sweep: Sweep, run: Run) -> None:
    ledger, project = sweep.parts.ledger, run.project.id
    active = ledger.project(project).get("active") == run.id
    if not active or sweep.now - run.updated_ms < STUCK_MS or ledger.expects(project, "generate"):
        return
    ledger.mark(project, "generate", Trigger("resume"))
    what = f"run {run.id} was {run.state}, and no work was noted for it"
    sweep.found("stuck run", project, run.project.path, what, done="a worker was woken")
