"""`/api/v1/pipeline/*` and the manual re-trigger: the requests that make runs."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service import auth, lockout, projects, waiting
from service.bodies import read_json
from service.gitlab_access import DEVELOPER, Found, look_up, project_path
from service.keys import Role
from service.problems import Problem
from service.state import Request
from workers.errors import Denied, NotFound
from workers.runs import Options, Run, State, public
from workers.settings import AutoCommit, Settings
from workers.store.asking import ask
from workers.store.ledger import Ledger
from workers.store.runs import Busy, RunStore

WAIT_MAX_S = 120
CALLS_A_MINUTE = 30
"""Without an API token, from one address: each is a look at GitLab."""

AutoCommitChoice = Literal["merge_request", "branch", "none"]


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


async def workflow(request: Request) -> Response:
    """Make a run for the project at `repo_url`; one under way that does the same is the answer."""
    if auth.given_bearer(request) is not None:
        await auth.bearer(request, Role.OPERATE)
        asked = await read_json(request, Workflow)
        found, lend = await _found_by_us(request, asked)
    else:
        await lockout.spend(request, "workflow", lockout.address(request), CALLS_A_MINUTE)
        asked = await read_json(request, Workflow)
        found, lend = await _found_by_caller(request, asked)
    branch = projects.checked_branch(asked.branch)
    lent = request.state["stores"].lent
    handle = await run_in_threadpool(lent.lend, lend, found.project.id) if lend else ""
    options = Options(
        use_template_only=asked.use_template_only,
        auto_commit=_auto_commit(asked.auto_commit, request.state["settings"]),
        branch=branch,
        lent=handle,
    )
    try:
        run = await run_in_threadpool(ask, *_ledgers(request), found.project, "workflow", options)
    except Busy as busy:
        await run_in_threadpool(lent.drop, handle)
        run = await run_in_threadpool(request.state["stores"].runs.get, busy.run)
        if _wanted(run.options, request) != _wanted(options, request):
            raise
    return await _answer(request, run)


async def retrigger(request: Request) -> Response:
    """Make a new run for a known project, or wake the one that waits for a push."""
    asked = await read_json(request, Retrigger, optional=True)
    project = await projects.named(request)
    options = Options(force=asked.force, use_template_only=asked.use_template_only)
    run = await run_in_threadpool(
        ask, *_ledgers(request), project, "retrigger", options, force=asked.force
    )
    return await _answer(request, run)


def _wanted(options: Options, request: Request) -> Options:
    """What was asked for, however it was said: whose token does it makes no difference."""
    auto_commit = options.auto_commit or str(request.state["settings"].auto_commit)
    return msgspec.structs.replace(options, auto_commit=auto_commit, force=False, lent="")


def _ledgers(request: Request) -> tuple[Ledger, RunStore]:
    stores = request.state["stores"]
    return stores.ledger, stores.runs


async def _found_by_us(request: Request, asked: Workflow) -> tuple[Found, SecretStr | None]:
    """The caller is trusted: our own token does the work, theirs only where we have none.

    Gives the project, and the token to lend to the run.
    """
    settings = request.state["settings"]
    path = project_path(asked.repo_url, settings.gitlab_url)
    theirs = SecretStr(asked.gitlab_token) if asked.gitlab_token else None
    token = settings.gitlab_token or theirs
    found = await look_up(request.state["http"], settings, path, token)
    return found, None if settings.gitlab_token else theirs


async def _found_by_caller(request: Request, asked: Workflow) -> tuple[Found, SecretStr | None]:
    """The caller has to be a Developer of the project: one call with their token, then it is gone,
    unless ours cannot do the work.

    Gives the project, and the token to lend to the run. Raises Denied, and Problem 401 and 429.
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
    return found, None if await _we_may(request, path) else token


async def _we_may(request: Request, path: str) -> bool:
    """Whether our own token may write to the project."""
    settings = request.state["settings"]
    if settings.gitlab_token is None:
        return False
    try:
        found = await look_up(request.state["http"], settings, path, settings.gitlab_token)
    except (Denied, NotFound):
        return False
    return found.access_level >= DEVELOPER


def _auto_commit(asked: bool | str | None, settings: Settings) -> str | None:
    if asked is None or isinstance(asked, str):
        return asked
    if not asked:
        return str(AutoCommit.NONE)
    usual = settings.auto_commit
    return str(AutoCommit.MERGE_REQUEST if usual is AutoCommit.NONE else usual)


async def _answer(request: Request, run: Run) -> Response:
    seconds = preferred_wait(request.headers.get("prefer", ""))
    headers = {"Location": f"/api/v1/runs/{run.id}"}
    if not seconds or request.state["limits"].followers.locked():
        return _json(202, run, headers)
    headers["Preference-Applied"] = f"wait={seconds}"
    stores, streams = request.state["stores"], request.state["streams"]
    async with request.state["limits"].followers:
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


def _json(status: int, run: Run, headers: dict[str, Any]) -> Response:
    body = msgspec.json.encode(public(run))
    return Response(body, status, headers, media_type="application/json")
