"""The dashboard: what the API tells, for people. Its pages work without scripts."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from redis.exceptions import RedisError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from service import bodies, chat, lockout, projects, runs
from service.graph import draw
from service.keys import SESSION_S, Role
from service.problems import Problem, status_of
from service.rendering import phases, steps
from service.state import Request
from workers.errors import BackendError, NotFound
from workers.runs import Options, State
from workers.store import asking
from workers.store.runs import Busy

Endpoint = Callable[[Request], Awaitable[Response]]
_NEXT = re.compile(r"/(?![/\\])[A-Za-z0-9/._~%-]*", re.ASCII)
PAGE = 30


def page(endpoint: Endpoint) -> Endpoint:
    """A page whose refusals are pages too."""

    @wraps(endpoint)
    async def run(request: Request) -> Response:
        try:
            if request.scope.get("dashboard_session"):
                request.scope["simulated"] = await request.state["health"].simulated()
            return await endpoint(request)
        except HTTPException as error:
            return _refusal(request, error.status_code, error.detail)
        except BackendError as error:
            return _refusal(request, status_of(error), str(error))
        except RedisError:
            return _refusal(request, 503, "Redis does not answer. Load the page again in a moment.")

    return run


def _refusal(request: Request, status: int, detail: str) -> Response:
    title = HTTPStatus(status).phrase
    return html(request, "refusal", status, title=title, detail=detail)


def html(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    """The page `name`, with what every page knows."""
    session = request.scope.get("dashboard_session")
    role = session.role if session else Role.READ
    return request.state["pages"].html(
        name, status, csrf=session.csrf if session else "", here=request.scope["path"],
        may_operate=role >= Role.OPERATE, may_forget=role >= Role.ADMIN,
        simulated=request.scope.get("simulated", False),
        gitlab_url=request.state["settings"].gitlab_url,
        backend_url=request.state["settings"].devops_backend_url, **values,
    )  # fmt: skip


# -- signing in


@page
async def login_page(request: Request) -> Response:
    """Where a token is asked for."""
    return html(request, "login", next=_next(request.query_params.get("next", "")), wrong="")


@page
async def login(request: Request) -> Response:
    """A session for an API token."""
    form = await bodies.read_form(request)
    target = _next(form.get("next", ""))
    if wait := await lockout.locked(request, "api"):
        wrong = f"Too many wrong tokens. Try again in {wait} seconds."
        return html(request, "login", 429, next=target, wrong=wrong)
    keys = request.state["keys"]
    cookie = keys.new_session(form.get("token", "").strip())
    if cookie is None:
        await lockout.failed(request, "api")
        return html(request, "login", 401, next=target, wrong="This is not one of the API tokens.")
    answer = RedirectResponse(target, 303)
    answer.set_cookie(
        keys.cookie, cookie, max_age=SESSION_S, httponly=True, samesite="strict",
        secure=keys.secure, path="/",
    )  # fmt: skip
    return answer


async def logout(request: Request) -> Response:
    """The end of the session in this browser."""
    answer = RedirectResponse("/login", 303)
    keys = request.state["keys"]
    answer.delete_cookie(
        keys.cookie, httponly=True, samesite="strict", secure=keys.secure, path="/"
    )
    return answer


def _next(target: str) -> str:
    """Where to go after signing in: a path of ours, whatever was asked."""
    return target if len(target) < 512 and _NEXT.fullmatch(target) else "/"


# -- runs


@page
async def runs_page(request: Request) -> Response:
    """Runs, newest first."""
    query = request.query_params
    state = query.get("state", "")
    if state and state not in set(State):
        raise Problem(404, f"There is no state {state[:40]!r}.")
    _, cursor = runs.page_of(request)
    stores = request.state["stores"]
    found = await run_in_threadpool(stores.runs.page, state=state, before=cursor, limit=PAGE)
    counts = await run_in_threadpool(stores.runs.counts)
    following = found[-1].id if len(found) == PAGE else None
    return html(
        request, "runs", runs=found, counts={s: n for s, n in counts.items() if n}, state=state,
        total=sum(counts.values()), following=following, cursor=cursor,
    )  # fmt: skip


@page
async def run_page(request: Request) -> Response:
    """One run."""
    stores = request.state["stores"]
    run = await run_in_threadpool(stores.runs.get, request.path_params["id"])
    lines = await run_in_threadpool(stores.runs.progress, run.id)
    step = run.next_step or (projects.NEXT_STEPS.get(run.state) if run.active else None)
    return html(
        request, "run", run=run, steps=steps(lines), phases=phases(run, lines),
        drawing=draw(run.graph), next_step=step, last=lines[-1].id if lines else "0",
    )  # fmt: skip


async def live(request: Request) -> Response:
    """A run's progress after what its page shows already."""
    last = request.headers.get("last-event-id") or request.query_params.get("after")
    return await runs.stream(request, last)


# -- projects


@page
async def find_project(request: Request) -> Response:
    """From an id or a path to the project's page."""
    name = projects.checked(request.query_params.get("name", "").strip().strip("/"))
    return RedirectResponse(f"/projects/{quote(name, safe='')}", 303)


@page
async def project_page(request: Request) -> Response:
    """Why something happened to a project, or nothing."""
    project = await projects.named(request)
    stores = request.state["stores"]
    try:
        status = await run_in_threadpool(projects.status_of, stores, project)
    except NotFound:
        status = projects.ProjectStatus(id=project.id, path=project.path, url=project.url)
    made = await run_in_threadpool(stores.runs.page, project=project.id, limit=10)
    heard = await run_in_threadpool(stores.ledger.deliveries, project=project.id, limit=10)
    return html(request, "project", project=status, runs=made, deliveries=heard)


@page
async def retrigger(request: Request) -> Response:
    """The manual re-trigger, as a button."""
    form = request.scope["form"]
    project = await projects.named(request)
    stores = request.state["stores"]
    options = Options(force="force" in form, use_template_only="use_template_only" in form)
    try:
        run = await run_in_threadpool(
            asking.ask, stores.ledger, stores.runs, project, "retrigger", options,
            force=options.force,
        )  # fmt: skip
    except Busy as busy:
        return RedirectResponse(f"/runs/{busy.run}", 303)
    return RedirectResponse(f"/runs/{run.id}", 303)


# -- what was learned and heard


@page
async def learned_page(request: Request) -> Response:
    """Learned pipelines."""
    _, cursor = runs.page_of(request)
    found = await run_in_threadpool(request.state["stores"].learned.list, cursor or None, PAGE)
    return html(request, "learned", learned=found.items, following=found.next, cursor=cursor)


@page
async def forget(request: Request) -> Response:
    """Forget a learned pipeline, as a button."""
    await run_in_threadpool(request.state["stores"].learned.forget, request.path_params["id"])
    return RedirectResponse("/learned", 303)


@page
async def deliveries_page(request: Request) -> Response:
    """The ledger."""
    _, cursor = runs.page_of(request)
    ledger = request.state["stores"].ledger
    found = await run_in_threadpool(ledger.deliveries, before=cursor, limit=PAGE)
    following = found[-1].id if len(found) == PAGE else None
    return html(request, "deliveries", deliveries=found, following=following, cursor=cursor)


@page
async def replay(request: Request) -> Response:
    """Carry a delivery out again, as a button."""
    ledger = request.state["stores"].ledger
    if not await run_in_threadpool(ledger.replay, request.path_params["id"]):
        raise NotFound("The ledger holds no such delivery.", 404)
    return RedirectResponse("/deliveries", 303)


# -- chat


@page
async def chat_page(request: Request) -> Response:
    """Where questions are asked."""
    return html(request, "chat", model=request.state["settings"].ollama_model)


async def ask(request: Request) -> Response:
    """The answer to a form's question, as server-sent events."""
    form = request.scope["form"]
    question = form.get("question", "").strip()
    if not question or len(question) > chat.QUESTION_MAX:
        raise Problem(422, f"the question should have 1 to {chat.QUESTION_MAX} characters")
    asked = chat.Chat([chat.Message("user", question)], form.get("project", "").strip() or None)
    return await chat.reply(request, asked, stream=True)


# -- files


async def static(request: Request) -> Response:
    """Style sheet, script, icon. Their addresses change with what they hold."""
    file = request.state["pages"].files.get(request.path_params["name"])
    if file is None:
        raise NotFound("there is no such file", 404)
    tagged = request.scope["query_string"] == file.tag.encode()
    keep = "public, max-age=31536000, immutable" if tagged else "no-cache"
    return Response(file.body, media_type=file.media, headers={"Cache-Control": keep})
