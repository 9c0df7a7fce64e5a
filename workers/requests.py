"""Our merge request as people treat it: closing it is an opt-out, a label or a request brings it
back. GitLab's events tell of it at once, the sweep later where none was heard."""

from __future__ import annotations

from datetime import datetime

import structlog

from workers.clients.gitlab_types import MergeRequest
from workers.errors import NotFound
from workers.runs import Options, Project
from workers.settings import AGAIN_LABEL
from workers.store.asking import ask
from workers.store.audit import acting
from workers.store.deliveries import now_ms
from workers.store.ledger import Work
from workers.store.runs import Busy
from workers.wiring import Parts

log = structlog.get_logger(__name__)

BACK = f"label it {AGAIN_LABEL}, or re-trigger the project"


def look(parts: Parts, work: Work) -> None:
    """Where an event told of our merge request: ask GitLab how it stands, and note it."""
    told = [t.delivery for t in work.triggers if t.kind == "merge_request"]
    if not told:
        return
    rows = [parts.ledger.delivery(delivery) for delivery in told]
    known = parts.ledger.project(work.project).get("merge_request", "0")
    for iid in sorted({int(known), *(row.event.iid for row in rows if row)} - {0}):
        try:
            judge(parts, work.project, parts.gitlab.merge_request(work.project, iid))
        except NotFound:
            log.warning("the merge request is gone", project=work.project, merge_request=iid)


def judge(parts: Parts, project: int, found: MergeRequest) -> str:
    """Note how it stands; says what is new in that, "" where nothing is.

    An older one than the newest that is known decides nothing.
    """
    known = parts.ledger.project(project)
    if found.iid < int(known.get("merge_request", "0")):
        return ""
    if AGAIN_LABEL in found.labels and found.state != "merged":
        return _bring_back(parts, project, known, found)
    adopted = known.get("merge_request") != str(found.iid)
    closed = found.state == "closed" and _ms(found.closed_at) >= int(known.get("again_at", "0"))
    reason = f"merge request !{found.iid} was closed without merging" if closed else ""
    fields = {"merge_request": str(found.iid), "merge_request_state": found.state}
    if reason != known.get("opted_out", ""):
        fields |= {"opted_out": reason, "opted_out_at": str(now_ms()) if reason else ""}
        if reason:
            fields |= {"decision": "opted out", "reason": reason, "next_step": BACK,
                       "decided_at": str(now_ms())}  # fmt: skip
    new = {name: value for name, value in fields.items() if known.get(name, "") != value}
    if not new:
        return ""
    parts.ledger.note_project(project, new)
    if reason and "opted_out" in new:
        return f"{reason}: remembered as an opt-out"
    return f"merge request !{found.iid} is {found.state}" + (", and was not known" * adopted)


def _bring_back(parts: Parts, project: int, known: dict[str, str], found: MergeRequest) -> str:
    """The label asks for a run. It is taken off last: a worker that dies before asks again."""
    asked = Project(project, known.get("path", ""), known.get("url", ""))
    try:
        ask(parts.ledger, parts.runs, asked, "retrigger", Options(), force=True)
    except Busy as busy:
        log.info("the label asks for a run that is there", project=project, run=busy.run)
    with acting(why=f"the label on merge request !{found.iid} was carried out"):
        parts.gitlab.update_merge_request(project, found.iid, without_label=AGAIN_LABEL)
    return f"the label on merge request !{found.iid} asks for a run"


def _ms(at: str | None) -> int:
    """Unix ms of ISO 8601; the end of time where there is none, since a closing counts then."""
    try:
        return int(datetime.fromisoformat(at or "").timestamp() * 1000)
    except ValueError:
        return 1 << 62
