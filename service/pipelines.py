"""`/api/v1/pipeline/*` and the manual re-trigger: requests that make runs, and dry runs."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any, Literal

import msgspec
from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service import auth, lockout, projects, waiting
from service.bodies import read_json
from service.gitlab_access import DEVELOPER, Found, look_up, project_path
from service.problems import Problem
from service.state import Request, Stores
from workers.dry_runs import Answer, DryRun
from workers.errors import Denied, NotFound, Retryable
from workers.ledger import Trigger
from workers.run_store import Busy
from workers.runs import Options, Project, Run, State, TriggerKind, new_run, public
from workers.settings import AutoCommit, Settings

WAIT_MAX_S = 120
DRY_RUN_S = 60.0
DRY_RUNS_AT_ONCE = 8
"""Each holds a thread of the pool while it waits."""
_dry_runs = asyncio.Semaphore(DRY_RUNS_AT_ONCE)

AutoCommitChoice = Literal["merge_request", "branch", "none"]
Text = str


class Workflow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Give a project a pipeline. `auto_commit` true is the setting's way, false is `none`."""

    repo_url: str
    gitlab_token: str | None = None
    auto_commit: bool | AutoCommitChoice | None = None
    use_template_only: bool = False
    branch: str | None = None


class Retrigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Do it again. `force` also where a pipeline is being awaited."""

    force: bool = False
    use_template_only: bool = False


class DryRunRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A project by address, id or path."""

    repo_url: str | None = None
    project: str | int | None = None
    branch: str | None = None
    use_template_only: bool = False


class Validate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The text of a `.gitlab-ci.yml`."""

    content: str


async def workflow(request: Request) -> Response:
    """Make a run for the project at `repo_url`."""
    if auth.given_bearer(request) is not None:
        await auth.bearer(request, auth.Role.OPERATE)
        asked = await read_json(request, Workflow)
        found = await _found_by_us(request, asked)
    else:
        asked = await read_json(request, Workflow)
        found = await _found_by_caller(request, asked)
    options = Options(
        use_template_only=asked.use_template_only,
        auto_commit=_auto_commit(asked.auto_commit, request.state["settings"]),
        branch=_branch(asked.branch),
    )
    run = await run_in_threadpool(
        begin, request.state["stores"], found.project, "workflow", options, force=False
    )
    return await _answer(request, run)


async def retrigger(request: Request) -> Response:
    """Make a new run for a known project, or wake the one that waits for a push."""
    asked = await read_json(request, Retrigger, optional=True)
    project = await projects.named(request)
    options = Options(force=asked.force, use_template_only=asked.use_template_only)
    run = await run_in_threadpool(
        begin, request.state["stores"], project, "retrigger", options, force=asked.force
    )
    return await _answer(request, run)


def begin(
    stores: Stores, project: Project, kind: TriggerKind, options: Options, *, force: bool
) -> Run:
    """A new run, kept and marked as work. Raises Busy where one is not over.

    The one that waits for a push is woken instead: it would take the new run's work.
    """
    active = stores.runs.find(stores.ledger.project(project.id).get("active", ""))
    if active is not None and active.state == State.WAITING_FOR_PUSH:
        stores.ledger.mark(project.id, "generate", Trigger(kind=kind, run=active.id))
        return active
    supersede = force and active is not None and active.state == State.AWAITING_PIPELINE
    run = stores.runs.create(new_run(project, kind, options=options), supersede=supersede)
    stores.ledger.mark(project.id, "generate", Trigger(kind=kind, run=run.id))
    return run


async def _found_by_us(request: Request, asked: Workflow) -> Found:
    """The caller is trusted: our own token looks the project up, theirs only where we have none."""
    settings = request.state["settings"]
    path = project_path(asked.repo_url, settings.gitlab_url)
    theirs = SecretStr(asked.gitlab_token) if asked.gitlab_token else None
    return await look_up(request.state["http"], settings, path, settings.gitlab_token or theirs)


async def _found_by_caller(request: Request, asked: Workflow) -> Found:
    """The caller has to be a Developer of the project: one call with their token, then it is gone.

    Raises Denied, and Problem 401 and 429.
    """
    if not asked.gitlab_token:
        raise auth.unauthorized("a bearer token, or gitlab_token in the body, is needed")
    settings = request.state["settings"]
    path = project_path(asked.repo_url, settings.gitlab_url)
    if wait := await lockout.locked(request, "gitlab"):
        raise Problem(429, "too many refused tokens; wait", {"Retry-After": str(wait)})
    try:
        token = SecretStr(asked.gitlab_token)
        found = await look_up(request.state["http"], settings, path, token)
    except (Denied, NotFound):
        await lockout.failed(request, "gitlab")
        raise
    if found.access_level < DEVELOPER:
        raise Denied("gitlab_token has to belong to a Developer of the project", 403)
    return found


def _auto_commit(asked: bool | str | None, settings: Settings) -> str | None:
    if asked is None or isinstance(asked, str):
        return asked
    if not asked:
        return str(AutoCommit.NONE)
    usual = settings.auto_commit
    return str(AutoCommit.MERGE_REQUEST if usual is AutoCommit.NONE else usual)


_BRANCH = re.compile(
    r"(?![-/.])(?!.*(?:\.\.|//|@\{|\.lock$|/$|\.$))[^\x00-\x20\x7f~^:?*\[\\]{1,255}"
)


def _branch(name: str | None) -> str | None:
    """A branch's name by Git's rules (git-check-ref-format). Raises Problem 422."""
    if name is not None and not _BRANCH.fullmatch(name):
        raise Problem(422, "branch is not the name of a branch")
    return name


async def _answer(request: Request, run: Run) -> Response:
    seconds = preferred_wait(request.headers.get("prefer", ""))
    headers = {"Location": f"/api/v1/runs/{run.id}"}
    if not seconds:
        return _json(202, run, headers)
    headers["Preference-Applied"] = f"wait={seconds}"
    stores, streams = request.state["stores"], request.state["streams"]
    run = await waiting.until_committed(stores.runs, streams, run.id, seconds)
    if run.state in (State.FAILED, State.ERROR):
        reason = run.reason or f"the run ended as {run.state}"
        raise Problem(500, reason, headers, run=run.id, state=str(run.state))
    over = run.commit is not None or not run.active
    return _json(200 if over else 202, run, headers)


def preferred_wait(header: str) -> int:
    """Seconds of `Prefer: wait=N` (RFC 7240, section 4.3), at most 120; 0 where not asked."""
    for preference in header.lower().split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        value = value.strip().strip('"')
        if name.strip() == "wait" and value.isascii() and value.isdigit():
            return min(int(value[:6]), WAIT_MAX_S)
    return 0


async def analyze(request: Request) -> Response:
    """What a project is, with evidence; nothing is written."""
    return await _dry_run(request, "analyze", await read_json(request, DryRunRequest))


async def generate(request: Request) -> Response:
    """The files a run would commit; nothing is written."""
    return await _dry_run(request, "generate", await read_json(request, DryRunRequest))


async def validate(request: Request) -> Response:
    """What is wrong with a `.gitlab-ci.yml`."""
    asked = await read_json(request, Validate)
    return await _asked(request, DryRun(kind="validate", content=asked.content))


async def _dry_run(
    request: Request, kind: Literal["analyze", "generate"], asked: DryRunRequest
) -> Response:
    if (asked.repo_url is None) == (asked.project is None):
        raise Problem(422, "either repo_url or project is needed")
    if asked.repo_url is not None:
        project = project_path(asked.repo_url, request.state["settings"].gitlab_url)
    else:
        project = projects.checked(str(asked.project))
    ref = _branch(asked.branch) or ""
    question = DryRun(
        kind=kind, project=project, ref=ref, use_template_only=asked.use_template_only
    )
    return await _asked(request, question)


async def _asked(request: Request, question: DryRun) -> Response:
    if _dry_runs.locked():
        raise Problem(503, "too many dry runs at once", {"Retry-After": "5"})
    async with _dry_runs:
        answer = await _wait(request.state["stores"], question)
    if answer.error is not None or answer.result is None:
        raise Problem(max(400, min(answer.status, 599)), answer.error or "there is no result")
    return Response(msgspec.json.encode(answer.result), media_type="application/json")


async def _wait(stores: Stores, question: DryRun) -> Answer:
    """Short waits, one after the other: a thread is never held when the client has gone."""
    end = time.monotonic() + DRY_RUN_S
    ask_id = await run_in_threadpool(stores.dry_runs.ask, question)
    while time.monotonic() < end:
        try:
            return await run_in_threadpool(stores.dry_runs.wait, ask_id, 1.0)
        except Retryable:
            continue
    raise Problem(504, f"no worker answered within {DRY_RUN_S:g} s; are workers running?")


def _json(status: int, run: Run, headers: dict[str, Any]) -> Response:
    body = msgspec.json.encode(public(run))
    return Response(body, status, headers, media_type="application/json")


__all__ = ["Busy", "analyze", "begin", "generate", "retrigger", "validate", "workflow"]
