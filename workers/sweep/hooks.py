"""A project's webhook: what is wrong with it, what it could not deliver, and our branches that
nobody remembers."""

from __future__ import annotations

from collections.abc import Mapping

from workers import hooking
from workers.clients.gitlab_hook_care import faults, find
from workers.clients.gitlab_hooks import of_project
from workers.clients.gitlab_types import Hook, HookEvent, Project
from workers.events import BRANCH_PREFIX, Event, parse
from workers.hook_secrets import for_hook
from workers.store.deliveries import now_ms
from workers.sweep.at_work import Sweep

PAGES_MAX = 5
"""A hundred deliveries; a project that missed more is looked at by its state alone."""
REFUSED = ("401", "403")


def look(sweep: Sweep, row: Project, facts: Mapping[str, str], *, events: bool) -> None:
    """Repair it where it is broken. `events`: read what it failed to deliver in any case.

    They are read before the repair, which makes a disabled one anew, and taken in as if they had
    arrived: what GitLab sent already is known by its key.
    """
    settings, gitlab = sweep.parts.settings, sweep.parts.gitlab
    url = hooking.hook_url(settings.devops_backend_url)
    mine = find(of_project(gitlab, row.id), url)
    wrong = ["it was missing"]
    failed: list[HookEvent] = []
    if mine is not None:
        wrong = faults(mine, "project", url, bool(settings.gitlab_signing_token))
        if events or mine.disabled:
            failed = _failed(sweep, row, mine, int(facts.get("hook_event", "0")))
        if failed and failed[0].response_status in REFUSED:
            wrong.append(f"it was answered {failed[0].response_status}: its secret was another")
        elif facts.get("hook_secret") != hooking.label(sweep.parts, for_hook(settings, row.id)):
            wrong.append("its secret was not the project's own of today")
    _take_in(sweep, row, failed)
    if wrong:
        how = hooking.ensure(sweep.parts, row.id, again=True, force=True)
        refused = how.startswith(hooking.REFUSED)
        sweep.found(
            "webhook", row.id, row.path, "; ".join(wrong), done="" if refused else how,
            fix=how if refused else "",
        )  # fmt: skip
    else:
        sweep.parts.ledger.note_project(row.id, {"hook": "sound", "hook_at": now_ms()})
    if not facts.get("merge_request") and not row.empty_repo:
        _branches(sweep, row)


def _failed(sweep: Sweep, row: Project, mine: Hook, seen: int) -> list[HookEvent]:
    """What it could not deliver since the newest that was seen, newest first."""
    found: list[HookEvent] = []
    newest = seen
    for page in range(1, PAGES_MAX + 1):
        events = sweep.parts.gitlab.hook_events(row.id, mine.id, page)
        newest = max([newest, *(event.id for event in events)])
        found += [event for event in events if event.id > seen and event.failed]
        if len(events) < 20 or events[-1].id <= seen:
            break
    sweep.parts.ledger.note_project(row.id, {"hook_event": newest})
    return found


def _take_in(sweep: Sweep, row: Project, failed: list[HookEvent]) -> None:
    taken = 0
    for sent in reversed(failed):
        event = parse(bytes(sent.request_data))
        if isinstance(event, Event) and event.project_id == row.id:
            taken += sweep.parts.ledger.receive(event, sent.key).status == "accepted"
    if taken:
        what = f"{taken} deliveries could not be made"
        sweep.found("missed deliveries", row.id, row.path, what, done="they were taken in")


def _branches(sweep: Sweep, row: Project) -> None:
    """Branches of ours in a project that has no merge request of ours."""
    known = sweep.parts.runs.by_commit(row.id)
    for branch in sweep.parts.gitlab.branches_with(row.id, BRANCH_PREFIX):
        if branch.sha not in known:
            what = f"the branch {branch.name} is ours, and the ledger does not know it"
            fix = "delete it, or re-trigger the project: the run takes it over"
            sweep.found("branch", row.id, row.path, what, fix=fix)
