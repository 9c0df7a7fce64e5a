"""Dry runs: analyse, generate or validate on demand; a worker does it, and nothing is committed."""

from __future__ import annotations

import time
from typing import Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from service import projects
from service.bodies import read_json
from service.gitlab_access import project_path
from service.problems import Problem
from service.state import Request
from service.stores import Stores
from workers.errors import Retryable
from workers.store.dry_runs import Answer, DryRun

DRY_RUN_S = 60.0


class DryRunRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A project by address, id or path."""

    repo_url: str | None = None
    project: str | int | None = None
    branch: str | None = None
    use_template_only: bool = False


class Validate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The text of a `.gitlab-ci.yml`."""

    content: str


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
    ref = projects.checked_branch(asked.branch) or ""
    question = DryRun(
        kind=kind, project=project, ref=ref, use_template_only=asked.use_template_only
    )
    return await _asked(request, question)


async def _asked(request: Request, question: DryRun) -> Response:
    places = request.state["limits"].dry_runs
    if places.locked():
        raise Problem(503, "too many dry runs at once", {"Retry-After": "5"})
    async with places:
        answer = await _wait(request.state["stores"], question)
    if answer.error is not None or answer.result is None:
        raise Problem(max(400, min(answer.status, 599)), answer.error or "there is no result")
    return Response(msgspec.json.encode(answer.result), media_type="application/json")


async def _wait(stores: Stores, question: DryRun) -> Answer:
    """Short waits, one after the other: shorter than the socket's own timeout."""
    end = time.monotonic() + DRY_RUN_S
    ask_id = await run_in_threadpool(stores.dry_runs.ask, question)
    while time.monotonic() < end:
        try:
            return await run_in_threadpool(stores.dry_runs.wait, ask_id, 1.0)
        except Retryable:
            continue
    raise Problem(504, f"no worker answered within {DRY_RUN_S:g} s; are workers running?")
