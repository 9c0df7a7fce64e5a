"""The dashboard: what the API tells, for people. Its pages work without scripts."""

from __future__ import annotations

from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from service import chat, projects, runs
from service.graph import draw
from service.page import PAGE, html, page
from service.problems import Problem
from service.rendering import phases, steps
from service.state import Request
from workers.errors import NotFound
from workers.runs import Options, State
from workers.store import asking
from workers.store.runs import Busy

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
