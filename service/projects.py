"""`/api/v1/projects/{id}`: which project is meant, and why nothing happened to it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service.gitlab_access import checked_path, look_up
from service.problems import Problem
from service.state import Request
from service.stores import Stores
from workers.errors import NotFound
from workers.events import MAX_ID
from workers.runs import Project, Run, State, iso, public

NEXT_STEPS = {
    State.WAITING_FOR_PUSH: "push a first commit; the run goes on by itself",
    State.QUEUED: "nothing: a worker takes it; if it stays here, no worker runs",
    State.AWAITING_PIPELINE: "nothing: GitLab's pipeline event settles it",
    State.FAILED: "look at the pipeline in GitLab, or re-trigger with force",
    State.ERROR: "mend the cause, then re-trigger",
    State.UNCONFIRMED: "look whether a runner takes the pipeline's jobs; a later event settles it",
}


LOOKED_THROUGH = 20
"""Runs of a project, newest first, among which its merge request's is looked for."""


class LastEvent(msgspec.Struct, frozen=True):
    """The newest delivery about a project. `at` is RFC 3339, UTC."""

    kind: str
    at: str
    delivery: str


class OurRequest(msgspec.Struct, frozen=True):
    """Our merge request, which an earlier run than the newest may have opened.

    `state` is `opened`, `closed` or `merged`, as GitLab told last; `run` made it, where that is
    still known.
    """

    iid: int
    state: str
    url: str = ""
    run: str | None = None


class ProjectStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Why something happened to a project, or nothing."""

    id: int
    path: str = ""
    url: str = ""
    last_event: LastEvent | None = None
    decision: str | None = None
    reason: str | None = None
    next_step: str | None = None
    run: dict[str, Any] | None = None
    merge_request: OurRequest | None = None
    hook: dict[str, str] = {}
    facts: dict[str, str] = {}
    """What else is kept of it."""


def checked(text: str) -> str:
    """A project's id or path as written in an address. Raises Rejected, Problem 404."""
    if text.isascii() and text.isdigit():
        if not 0 < int(text[:20]) < MAX_ID or len(text) > 16:
            raise Problem(404, "there is no such project")
        return text
    return checked_path(text)


_BRANCH = re.compile(
    r"(?![-/.])(?!.*(?:\.\.|//|@\{|\.lock$|/$|\.$))[^\x00-\x20\x7f~^:?*\[\\]{1,255}"
)


def checked_branch(name: str | None) -> str | None:
    """A branch's name by Git's rules (git-check-ref-format). Raises Problem 422."""
    if name is not None and not _BRANCH.fullmatch(name):
        raise Problem(422, "branch is not the name of a branch")
    return name


async def named(request: Request) -> Project:
    """The project of the route's `{id}`: from the ledger by its id, else from GitLab.

    Raises what `look_up` does, and NotFound.
    """
    text = checked(request.path_params["id"])
    if text.isdigit():
        known = await run_in_threadpool(request.state["stores"].ledger.project, int(text))
        if known:
            return Project(int(text), known.get("path", ""), known.get("url", ""))
    settings = request.state["settings"]
    asked: int | str = int(text) if text.isdigit() else text
    if settings.gitlab_token is None:
        raise NotFound("the ledger knows no such project; name it by its id", 404)
    found = await look_up(request.state["http"], settings, asked, settings.gitlab_token)
    return found.project


async def one(request: Request) -> Response:
    """Last event, decision, reason and next step."""
    project = await named(request)
    status = await run_in_threadpool(status_of, request.state["stores"], project)
    return Response(msgspec.json.encode(status), media_type="application/json")


def status_of(stores: Stores, project: Project) -> ProjectStatus:
    """What is known of a project. Raises NotFound where nothing is."""
    facts = stores.ledger.project(project.id)
    if not facts:
        raise NotFound(
            f"no delivery ever named project {project.id}: is its hook, or the system hook, there?",
            404,
        )
    last = facts.get("last_delivery")
    delivery = stores.ledger.delivery(last) if last else None
    run = stores.runs.find(facts.get("active") or facts.get("run") or "")
    # What was decided last is about the last run that ended; one at work speaks for itself.
    decided = {} if run is not None and run.active else facts
    reason = (run.reason if run else None) or (delivery.reason if delivery else None)
    return ProjectStatus(
        id=project.id,
        path=facts.get("path", project.path),
        url=facts.get("url", project.url),
        last_event=_last_event(facts),
        decision=_decision(decided, run) or (delivery.verdict if delivery else None),
        reason=decided.get("reason") or reason or None,
        next_step=decided.get("next_step") or _next_step(decided, run),
        run=public(run, contents=False) if run else None,
        merge_request=_merge_request(stores, project.id, facts),
        hook={name: _fact(k, facts[k]) for k, name in HOOK.items() if k in facts},
        facts={
            k: _fact(k, v) for k, v in facts.items() if k not in SHOWN and not k.startswith("hook")
        },
    )


def _merge_request(stores: Stores, project: int, facts: dict[str, str]) -> OurRequest | None:
    """What the ledger knows of it, and the run that opened it among the newest."""
    iid = int(facts.get("merge_request", "0"))
    if not iid:
        return None
    state = facts.get("merge_request_state", "opened")
    for run in stores.runs.page(project=project, limit=LOOKED_THROUGH):
        if run.merge_request is not None and run.merge_request.iid == iid:
            return OurRequest(iid, state, run.merge_request.url, run.id)
    return OurRequest(iid, state)


SHOWN = frozenset(
    {"path", "url", "last_event", "last_event_at", "last_delivery", "decision", "reason",
     "next_step", "run", "active", "merge_request", "merge_request_state", "generate_wanted",
     "generate_done", "record_wanted", "record_done"}
)  # fmt: skip
HOOK = {"hook": "state", "hook_at": "at", "hook_url": "url"}


def _fact(name: str, value: str) -> str:
    return iso(int(value)) if name.endswith("_at") and value.isdigit() else value


def _last_event(facts: dict[str, str]) -> LastEvent | None:
    if "last_event" not in facts:
        return None
    at = iso(int(facts.get("last_event_at", "0")))
    return LastEvent(facts["last_event"], at, facts.get("last_delivery", ""))


def _decision(facts: dict[str, str], run: Run | None) -> str | None:
    return facts.get("decision") or (f"run {run.id} is {run.state}" if run else None)


def _next_step(facts: dict[str, str], run: Run | None) -> str | None:
    if run is None:
        return facts.get("next_step")
    return run.next_step or facts.get("next_step") or NEXT_STEPS.get(run.state)
