"""What RQ runs: four functions, each given an id and nothing else. Names are on RQ's allow-list.

A job that finds nothing to do is normal: wake-ups may be sent twice, work may be taken by another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import RedisError

from workers import preview, rehearsal, requests, settle
from workers.decide import decide
from workers.events import Queue
from workers.run import carry_out
from workers.runs import Run
from workers.settings import Settings
from workers.store.audit import acting
from workers.store.dead import CRASHES_MAX
from workers.store.deliveries import now_ms
from workers.store.ledger import Ledger, Work
from workers.store.runs import Busy
from workers.sweep import carry_on
from workers.wiring import Parts

log = structlog.get_logger(__name__)

RENEW_S = 5.0
_parts: list[Parts] = []
"""This process's parts, made before the fork; connections open at first use, after it."""


def preload(settings: Settings) -> None:
    """Give this process its settings. Importing this module has loaded what jobs need."""
    _parts[:] = [Parts(settings)]
    # Read once here instead of in every job; index and model share what they know of a server's
    # health with every fork. Neither connects before its first use.
    parts = _parts[0]
    if settings.gitlab_token is not None:
        _ = parts.gitlab  # its TLS certificates take 40 ms to read; it connects in the fork
    log.debug("preloaded", templates=len(parts.templates.all()), index=parts.index is not None,
              model=parts.model is not None)  # fmt: skip


def rehearse() -> None:
    """Make what every run makes anew, once, for all forks."""
    rehearsal.rehearse(_parts[0])


def generate(project: int) -> None:
    """Take a project as far towards a committed pipeline as it goes now."""
    parts = _parts[0]
    with held(parts.ledger, project, "generate") as work:
        if work is not None and not parked(parts, work):
            with acting("generate worker"):
                handle(parts, work)
            parts.dead.ended(work)


def record(project: int) -> None:
    """Settle what pipeline events and polls say about a project's runs."""
    parts = _parts[0]
    with held(parts.ledger, project, "record") as work:
        if work is not None and not parked(parts, work):
            with acting("record worker"):
                settle.settle_project(parts, project)
            parts.dead.ended(work)


def parked(parts: Parts, work: Work) -> bool:
    """Whether this work was begun too often without an end: it is then a dead letter."""
    if parts.dead.began(work) <= CRASHES_MAX:
        return False
    letter = parts.dead.park(work, parts.ledger.project(work.project).get("path", ""))
    parts.ledger.note(letter.deliveries, "dead", letter.reason)
    parts.ledger.note_project(work.project, {
        "decision": "parked", "reason": letter.reason, "next_step": letter.next_step,
        "decided_at": now_ms(),
    })  # fmt: skip
    log.error("work was given up", project=work.project, queue=work.queue)
    return True


def dry_run(ask_id: str) -> None:
    """Answer a dry run of the API."""
    preview.answer(_parts[0], ask_id)


def sweep(_: str) -> None:
    """Carry on the sweep for some seconds, and plan its next part or the next sweep."""
    parts = _parts[0]
    with acting("record worker"):
        wait = carry_on(parts)
    if wait is not None:
        parts.sweeps.again(int(wait * 1000))
    elif parts.sweeps.current() is None:
        parts.sweeps.again(0 if parts.sweeps.asked() else None)


def handle(parts: Parts, work: Work) -> Run | None:
    """Decide, carry out, and note for every delivery what became of it."""
    requests.look(parts, work)
    decision = decide(parts.ledger, parts.runs, work, now_ms())
    deliveries = [trigger.delivery for trigger in work.triggers]
    if decision.run is None:
        parts.ledger.note(deliveries, decision.verdict, decision.reason)
        if decision.verdict == "project_destroyed":
            settle.project_destroyed(parts, work.project)
        elif deliveries and decision.verdict != "noted":
            parts.ledger.note_project(work.project, {
                "decision": decision.verdict, "reason": decision.reason,
                "next_step": decision.next_step, "decided_at": now_ms(),
            })  # fmt: skip
        return None
    run = decision.run
    if run.version == 0:
        try:
            run = parts.runs.create(run)
        except Busy as busy:
            run = parts.runs.get(busy.run)
    parts.ledger.note(deliveries, "run", "taken up", run.id)
    structlog.contextvars.bind_contextvars(run=run.id, project=work.project)
    asked = f", delivery {run.trigger.delivery}" if run.trigger.delivery else ""
    with acting(why=f"{run.trigger.kind}{asked}", run=run.id):
        run = carry_out(parts, run)
    log.info("run", state=str(run.state), reason=run.reason)
    return run


@contextmanager
def held(ledger: Ledger, project: int, queue: Queue) -> Iterator[Work | None]:
    """A project's work under a lease that a thread renews; done when the block ends well."""
    work = ledger.take(project, queue)
    if work is None:
        yield None
        return
    over = threading.Event()
    renewer = threading.Thread(target=_renew, args=(ledger, work, over), daemon=True)
    renewer.start()
    try:
        yield work
    finally:
        over.set()
        renewer.join()
    ledger.done(work)


def _renew(ledger: Ledger, work: Work, over: threading.Event) -> None:
    while not over.wait(RENEW_S):
        try:
            if not ledger.renew(work):
                log.warning("the lease was lost", project=work.project, queue=work.queue)
                return
        except RedisError as error:
            log.warning("the lease could not be renewed", error=str(error))
