"""All projects that the token serves, a hundred a call: those without a run, those whose push was
missed, and those whose webhook is missing, disabled or answered wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from workers.clients.gitlab_repository import PAGE
from workers.clients.gitlab_types import MAINTAINER, Project
from workers.decide import RELOOK_MS
from workers.runs import State
from workers.store.ledger import Trigger
from workers.sweep import hooks
from workers.sweep.at_work import Sweep

LOOKS = 300
"""Webhooks looked at in one pass where nothing speaks against them; the next one goes on there."""
SUSPICIOUS = 300
"""And so many where something happened that we were not told of."""
MARGIN_MS = 60_000
"""Between something happening in GitLab and its event here."""


def all_of_them(sweep: Sweep, cursor: str) -> str | None:
    """A page by id. The cursor is the last id that is done with."""
    parts = sweep.parts
    rows = parts.gitlab.projects_after(int(cursor or 0), sweep.access)
    known = parts.ledger.projects([row.id for row in rows])
    for row, facts in zip(rows, known, strict=True):
        cursor = str(row.id)
        sweep.at.projects += 1
        with sweep.refusals(row.id, row.path):
            if not row.marked_for_deletion_on:
                _wake(sweep, row, facts)
                _look(sweep, row, facts)
        if sweep.over() and row is not rows[-1]:
            return cursor
    if len(rows) < PAGE:
        if sweep.at.looks < LOOKS:
            parts.sweeps.mark("looked", "0")
        return None
    return cursor


def _wake(sweep: Sweep, row: Project, facts: Mapping[str, str]) -> None:
    """Mark it as having work where an event was missed."""
    settled_at = int(facts.get("settled_at", "0"))
    settled = "settled" in facts and sweep.now - settled_at < RELOOK_MS
    at_work = facts.get("generate_wanted") != facts.get("generate_done")
    if facts.get("merge_request") or facts.get("opted_out") or settled or at_work:
        return
    if not facts.get("run"):
        if ms(row.created_at) < sweep.installed:
            sweep.at.older += 1
        else:
            _begin(sweep, row, Trigger("project_created"), "no run", "it has no run")
        return
    active = sweep.parts.runs.find(facts.get("active", ""))
    if active is not None:
        waits = active.state is State.WAITING_FOR_PUSH
        if waits and not row.empty_repo and not row.importing:
            _begin(sweep, row, Trigger("push"), "missed push", "it was pushed to meanwhile")
    elif ms(row.last_activity_at) > int(facts.get("decided_at", "0")) + MARGIN_MS:
        branch = sweep.parts.gitlab.branch(row.id, row.default_branch or "main")
        if branch is not None and branch.sha != facts.get("source_sha"):
            told = f"its head is {branch.sha[:8]}, which was not looked at"
            _begin(sweep, row, Trigger("push", sha=branch.sha), "missed push", told)


def _begin(sweep: Sweep, row: Project, trigger: Trigger, kind: str, what: str) -> None:
    ledger = sweep.parts.ledger
    ledger.note_project(row.id, {"path": row.path, "url": row.web_url})
    ledger.mark(row.id, "generate", trigger)
    sweep.found(kind, row.id, row.path, what, done="a run is begun or carried on")


def _look(sweep: Sweep, row: Project, facts: Mapping[str, str]) -> None:
    """Look at its webhook: where events seem to be missed, else in turn.

    A project without a run gets its webhook from its run; without Maintainer there is none.
    """
    if not facts.get("run") or 0 < row.access_level < MAINTAINER:
        return
    known = max(int(facts.get(name, "0")) for name in ("last_event_at", "hook_at"))
    suspicious = ms(row.last_activity_at) > known + MARGIN_MS
    if not _may_look(sweep, row.id, suspicious):
        return
    sweep.at.looks += 1
    if sweep.at.looks == LOOKS:
        sweep.parts.sweeps.mark("looked", str(row.id))
    hooks.look(sweep, row, facts, events=suspicious or sweep.at.thorough)


def _may_look(sweep: Sweep, project: int, suspicious: bool) -> bool:
    if sweep.at.thorough:
        return True
    if suspicious:
        return sweep.at.looks < LOOKS + SUSPICIOUS
    return sweep.at.looks < LOOKS and project > int(sweep.parts.sweeps.marked("looked") or 0)


def ms(at: str | None) -> int:
    """Unix ms of ISO 8601; 0 where there is none."""
    try:
        return int(datetime.fromisoformat(at or "").timestamp() * 1000)
    except ValueError:
        return 0
