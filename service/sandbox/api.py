"""GitLab's REST v4: the table of routes, authentication, and how refusals are sent.

Routes are matched on the raw path, because `group%2Fproject` is one part of it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from service.sandbox.core import Sandbox
from service.sandbox.refusal import Refusal, error
from service.sandbox.rest import (
    commits,
    hooks,
    jobs,
    merge_requests,
    pipelines,
    projects,
    registry,
    repository,
    runners,
)
from service.sandbox.rest.call import INSUFFICIENT, UNAUTHORIZED, Answer, Call
from service.sandbox.state import Token

Handler = Callable[[Call], Answer | Awaitable[Answer]]
READS = ("GET", "HEAD")
P = "/projects/:id"
R = f"{P}/repository"
M = f"{P}/merge_requests"

TABLE: list[tuple[str, str, Handler]] = [
    ("GET", "/user", projects.current_user),
    ("GET", "/version", projects.version),
    ("GET", "/metadata", projects.metadata),
    ("GET", "/personal_access_tokens/self", projects.token_self),
    ("GET", "/projects", projects.list_projects),
    ("POST", "/projects", projects.create_project),
    ("GET", P, projects.get_project),
    ("DELETE", P, projects.delete_project),
    ("GET", f"{P}/members/all/:user", projects.member),
    ("GET", f"{P}/languages", projects.languages),
    ("GET", f"{P}/variables", projects.list_variables),
    ("POST", f"{P}/variables", projects.create_variable),
    ("GET", f"{P}/variables/:key", projects.get_variable),
    ("DELETE", f"{P}/variables/:key", projects.delete_variable),
    ("GET", f"{P}/runners", runners.list_runners),
    ("GET", "/runners/:runner", runners.get_runner),
    ("GET", f"{R}/tree", repository.tree),
    ("GET", f"{R}/files/:path", repository.file),
    ("HEAD", f"{R}/files/:path", repository.file),
    ("GET", f"{R}/files/:path/raw", repository.raw),
    ("GET", f"{R}/branches", repository.list_branches),
    ("POST", f"{R}/branches", repository.create_branch),
    ("GET", f"{R}/branches/:branch", repository.get_branch),
    ("DELETE", f"{R}/branches/:branch", repository.delete_branch),
    ("GET", f"{P}/protected_branches", repository.list_protected_branches),
    ("GET", f"{P}/protected_branches/:name", repository.get_protected_branch),
    ("GET", f"{P}/protected_tags", repository.list_protected_tags),
    ("GET", f"{R}/commits", commits.list_commits),
    ("POST", f"{R}/commits", commits.create_commit),
    ("GET", f"{R}/commits/:sha", commits.get_commit),
    ("GET", M, merge_requests.list_merge_requests),
    ("POST", M, merge_requests.create_merge_request),
    ("GET", "/merge_requests", merge_requests.list_mine),
    ("GET", f"{M}/:iid", merge_requests.get_merge_request),
    ("PUT", f"{M}/:iid", merge_requests.update_merge_request),
    ("PUT", f"{M}/:iid/merge", merge_requests.merge),
    ("GET", f"{M}/:iid/notes", merge_requests.list_notes),
    ("POST", f"{M}/:iid/notes", merge_requests.create_note),
    ("PUT", f"{M}/:iid/notes/:note", merge_requests.update_note),
    ("POST", f"{P}/ci/lint", pipelines.lint),
    ("POST", f"{P}/pipeline", pipelines.create_pipeline),
    ("GET", f"{P}/pipelines", pipelines.list_pipelines),
    ("GET", f"{P}/pipelines/latest", pipelines.latest),
    ("GET", f"{P}/pipelines/:pipeline", pipelines.get_pipeline),
    ("GET", f"{P}/pipelines/:pipeline/jobs", jobs.pipeline_jobs),
    ("GET", f"{P}/pipelines/:pipeline/test_report_summary", pipelines.test_report_summary),
    ("POST", f"{P}/pipelines/:pipeline/retry", pipelines.retry_pipeline),
    ("POST", f"{P}/pipelines/:pipeline/cancel", pipelines.cancel_pipeline),
    ("GET", f"{P}/registry/repositories", registry.list_repositories),
    ("GET", f"{P}/registry/repositories/:repository/tags/:tag", registry.get_tag),
    ("GET", f"{P}/jobs/:job", jobs.get_job),
    ("GET", f"{P}/jobs/:job/trace", jobs.job_trace),
    ("POST", f"{P}/jobs/:job/retry", jobs.retry_job),
    ("POST", f"{P}/jobs/:job/play", jobs.play_job),
    ("GET", f"{P}/hooks", hooks.list_hooks),
    ("POST", f"{P}/hooks", hooks.create_hook),
    ("GET", f"{P}/hooks/:hook", hooks.get_hook),
    ("PUT", f"{P}/hooks/:hook", hooks.update_hook),
    ("DELETE", f"{P}/hooks/:hook", hooks.delete_hook),
    ("POST", f"{P}/hooks/:hook/test/:trigger", hooks.test_hook),
    ("GET", f"{P}/hooks/:hook/events", hooks.hook_events),
    ("POST", f"{P}/hooks/:hook/events/:event/resend", hooks.resend_event),
    ("GET", "/groups/:group", projects.get_group),
    ("GET", "/groups/:group/hooks", hooks.list_hooks),
    ("POST", "/groups/:group/hooks", hooks.create_hook),
    ("GET", "/groups/:group/hooks/:hook", hooks.get_hook),
    ("PUT", "/groups/:group/hooks/:hook", hooks.update_hook),
    ("DELETE", "/groups/:group/hooks/:hook", hooks.delete_hook),
    ("GET", "/hooks", hooks.list_hooks),
    ("POST", "/hooks", hooks.create_hook),
    ("GET", "/hooks/:hook", hooks.get_hook),
    ("PUT", "/hooks/:hook", hooks.update_hook),
    ("DELETE", "/hooks/:hook", hooks.delete_hook),
    ("POST", "/hooks/:hook", hooks.test_system_hook),
]
COMPILED = [
    (method, re.compile(re.sub(r":(\w+)", r"(?P<\1>[^/]+)", pattern)), handler)
    for method, pattern, handler in TABLE
]


def token_text(headers: Mapping[str, str]) -> str | None:
    """The token of a request, from `PRIVATE-TOKEN` or `Authorization: Bearer`."""
    private = headers.get("private-token")
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return private or (value.strip() if scheme.lower() == "bearer" else None)


def authenticate(sandbox: Sandbox, headers: Mapping[str, str]) -> Token | None:
    """Who asks; None for an anonymous request. Raises `Refusal` 401 for a bad token."""
    text = token_text(headers)
    if text is None:
        return None
    token = sandbox.forge.tokens.get(text)
    if token is None or not token.active:
        raise Refusal(401, UNAUTHORIZED)
    return token


async def rest(request: Request) -> Response:
    """The endpoint of everything under `/api/v4`."""
    sandbox: Sandbox = request.state.sandbox
    try:
        answer = await _handle(sandbox, request)
    except Refusal as refusal:
        answer = Answer(refusal.body, refusal.status, refusal.headers)
    if isinstance(answer.body, bytes):
        return Response(answer.body, answer.status, answer.headers, answer.media)
    if answer.status == 204:
        return Response(None, 204, answer.headers)
    return JSONResponse(answer.body, answer.status, answer.headers)


async def _handle(sandbox: Sandbox, request: Request) -> Answer:
    raw = request.scope["raw_path"].decode("ascii", "replace")
    path = raw.removeprefix("/api/v4")
    token = authenticate(sandbox, request.headers)
    for method, pattern, handler in COMPILED:
        match = pattern.fullmatch(path)
        if match is None or method != request.method:
            continue
        _check_scope(token, request.method)
        ids = {name: unquote(value) for name, value in match.groupdict().items()}
        body = await _body(request)
        call = Call(
            sandbox, method, raw, ids, dict(request.query_params), body, token,
            request.state.violations,
        )  # fmt: skip
        answer = handler(call)
        return await answer if inspect.isawaitable(answer) else answer
    raise Refusal(404, {"error": "404 Not Found"})


def _check_scope(token: Token | None, method: str) -> None:
    """Reads need `api` or `read_api`, everything else needs `api`."""
    if token is None:
        if method not in READS:
            raise Refusal(401, UNAUTHORIZED)
        return
    enough = {"api", "read_api"} if method in READS else {"api"}
    if not token.scopes & enough:
        raise Refusal(403, INSUFFICIENT)


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if not raw:
        return {}
    if "json" in request.headers.get("content-type", ""):
        try:
            body = msgspec.json.decode(raw)
        except msgspec.DecodeError as bad:
            raise error(400, f"The request body is not valid JSON: {bad}") from bad
        if not isinstance(body, dict):
            raise error(400, "The request body must be an object")
        return body
    return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
