"""Runs that a person asks for: by API, dashboard, command line, or a label in GitLab."""

from __future__ import annotations

import msgspec

from workers.runs import Options, Project, Run, State, TriggerKind, new_run
from workers.store.deliveries import now_ms
from workers.store.ledger import Ledger, Trigger
from workers.store.runs import RunStore


def ask(
    ledger: Ledger, runs: RunStore, project: Project, kind: TriggerKind, options: Options, *,
    force: bool = False,
) -> Run:  # fmt: skip
    """A new run, kept and marked as work. Raises Busy where one is not over.

    The one that waits for a push is woken instead, and does what is asked now. `force`: also where
    a pipeline is awaited. Whoever asks takes an opt-out back.
    """
    known = ledger.project(project.id)
    active = runs.find(known.get("active", ""))
    if active is not None and active.state == State.WAITING_FOR_PUSH:
        run = runs.update(active.id, lambda run: _asked_again(run, options), "asked again")
    else:
        supersede = force and active is not None and active.state == State.AWAITING_PIPELINE
        run = runs.create(new_run(project, kind, options=options), supersede=supersede)
    ledger.note_project(project.id, {"opted_out": "", "opted_out_at": "", "again_at": now_ms()})
    ledger.mark(project.id, "generate", Trigger(kind=kind, run=run.id))
    return run


def _asked_again(run: Run, options: Options) -> Run | None:
    if run.state != State.WAITING_FOR_PUSH:  # a push came meanwhile
        return None
    return msgspec.structs.replace(run, options=options)
