"""Whether a project that has work gets a run, and which. Reads the ledger alone, no GitLab."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from workers.runs import Project, Run, State, TriggerKind, new_run
from workers.store.ledger import Ledger, Trigger, Work
from workers.store.runs import RunStore

UNFINISHED = frozenset(
    {
        State.QUEUED, State.WAITING_FOR_PUSH, State.ANALYZING, State.GENERATING,
        State.VALIDATING, State.COMMITTING,
    }
)  # fmt: skip
"""States that a `generate` worker moves on from."""
RELOOK_MS = 24 * 3600 * 1000
"""For so long the answer "this project needs nothing" holds without asking GitLab again."""

_KINDS: dict[str, TriggerKind] = {
    "project_created": "project_created", "push": "push", "repository_updated": "push",
}  # fmt: skip


class Decision(msgspec.Struct, frozen=True):
    """The run to carry out, or the reason why there is none."""

    run: Run | None
    verdict: str
    reason: str
    next_step: str = ""


def decide(ledger: Ledger, runs: RunStore, work: Work, now: int) -> Decision:
    """What to do for a project, given all that made it dirty.

    A request's run comes first; else a run that was begun is carried on (a worker died, a retry
    is due, a push came while it waited); else an event may begin a new one.
    """
    known = ledger.project(work.project)
    if any(trigger.kind == "project_destroyed" for trigger in work.triggers):
        return Decision(None, "project_destroyed", "the project was deleted")
    run = _requested(runs, work.triggers) or _begun(runs, known)
    if run is not None and run.state in UNFINISHED:
        return Decision(run, "run", "")
    events = [trigger for trigger in work.triggers if trigger.kind in _KINDS]
    if not events:
        said = known.get("opted_out") or "nothing to do but to know of it"
        return Decision(None, "noted", said)
    event = _newest_news(events, known.get("source_sha", ""))
    if event is None:
        return Decision(None, "ignored", "this commit has been looked at already")
    if run is not None:
        return Decision(
            None, "ignored", f"run {run.id} awaits its pipeline", "wait for the pipeline to end"
        )
    if settled := _settled(known, now):
        return Decision(
            None, "ignored", settled, "POST /api/v1/projects/{id}/retrigger to look again"
        )
    project = Project(work.project, known.get("path", ""))
    return Decision(new_run(project, _KINDS[event.kind], event.delivery or None), "run", "")


def _requested(runs: RunStore, triggers: Sequence[Trigger]) -> Run | None:
    """The newest run that a request made and that is not carried out yet."""
    for trigger in reversed(triggers):
        if trigger.run:
            run = runs.find(trigger.run)
            if run is not None and run.state in UNFINISHED:
                return run
    return None


def _begun(runs: RunStore, known: dict[str, str]) -> Run | None:
    run = runs.find(known["active"]) if known.get("active") else None
    return run if run is not None and run.active else None


def _newest_news(events: Sequence[Trigger], looked_at: str) -> Trigger | None:
    """The newest event that may be news: a push is told twice, by push and repository update."""
    return next((e for e in reversed(events) if not e.sha or e.sha != looked_at), None)


def _settled(known: dict[str, str], now: int) -> str:
    """The standing reason why an event changes nothing; empty where a new look is due."""
    if known.get("opted_out"):
        return f"opted out: {known['opted_out']}"
    if known.get("merge_request"):
        return f"merge request !{known['merge_request']} is there already"
    if known.get("settled") and now - int(known.get("settled_at", "0")) < RELOOK_MS:
        return known["settled"]
    return ""
