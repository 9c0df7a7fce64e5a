"""What stands behind the scenes, under `/_sandbox`: scripting the instance for demo and tests.

Every call needs the administrator's token as `Authorization: Bearer`. Bodies are JSON.

- `POST projects` `{path, sample?, files?, owner?, bot_role?, branch?}` and settings as below: a
  project, born empty (`project_create` goes out), then pushed to where `sample` or `files` are
  given.
- `PATCH projects/:id` sets `archived`, `builds_access_level`, `ci_config_path`,
  `auto_devops_enabled`, `visibility`, `import_status`, `protected` `{glob: access_level}`,
  `variables` `{KEY: value}`, `runners` (a list of `runners.CiRunner`),
  `container_registry_enabled`, `merge_requests_enabled`, `path` (rename or transfer, with its
  hook). `DELETE` removes it.
- `POST projects/:id/push` `{files? {path: text, null removes}, files_base64?, modes?, sample?,
  branch?, message?, user?}`: one commit; all hooks fire. `modes` are Git's, by path: 120000 makes
  a link to the text, 160000 a submodule at the commit of that id.
- `POST projects/:id/import` `{sample?, files?, seconds?}`: `started`, then filled and `finished`
  with no hook at all.
- `PUT projects/:id/outcome` `{kind, job?}`: how its next pipelines end (`state.Outcome`).
- `PUT projects/:id/members` `{username: access_level}`; 0 removes.
- `PUT groups/:path/owners` `{usernames}`: who may manage the hooks of a group.
- `GET projects/:id`: branches, commits, merge requests, pipelines and hooks in one answer.
- `GET projects/:id/files?ref=`: all files of a ref as text.
- `POST users` `{username, admin?, bot?, scopes?, token?}`: the user and a fresh token, or that one.
- `POST age` `{seconds}`: so much time passes; every time that was kept is so much longer ago.
- `GET, PATCH switches`: instance settings (`state.Switches`).
- `GET, POST, DELETE faults`: rules (`faults.Fault`).
- `GET, DELETE calls`: the journal; `?path=` and `?method=` filter.
- `GET deliveries`, `POST deliveries/:key/resend`: webhooks sent, and sending one again.
- `GET samples`: names of the sample repositories.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service.sandbox import admin_instance as instance
from service.sandbox import samples
from service.sandbox.admin_instance import Body
from service.sandbox.core import Sandbox
from service.sandbox.overview import overview
from service.sandbox.refusal import Refusal, error
from service.sandbox.repository import Blob
from service.sandbox.runners import SIMULATED, CiRunner
from service.sandbox.state import Outcome, Project, Role, Variable

Endpoint = Callable[[Request], Awaitable[Response]]


def _handler(handle: Callable[[Sandbox, Request, Body], Any]) -> Endpoint:
    """An endpoint that checks the token, reads the body and sends refusals."""

    async def endpoint(request: Request) -> Response:
        sandbox: Sandbox = request.state.sandbox
        try:
            if request.headers.get("authorization") != f"Bearer {sandbox.admin_token}":
                raise Refusal(401, {"message": "401 Unauthorized"})
            raw = await request.body()
            body = msgspec.json.decode(raw, type=Body) if raw else {}
            answer = handle(sandbox, request, body)
            if asyncio.iscoroutine(answer):
                answer = await answer
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status)
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as bad:
            return JSONResponse({"message": f"400 Bad request: {bad}"}, 400)
        return Response(msgspec.json.encode(answer), media_type="application/json")

    return endpoint


def _project(sandbox: Sandbox, request: Request) -> Project:
    return sandbox.forge.find_project(request.path_params["id"])


def _blobs(body: Body) -> dict[str, Blob | None]:
    """Files of a body: a sample's, then `files`, then `files_base64`."""
    found: dict[str, Blob | None] = {}
    if body.get("sample"):
        found.update(samples.load(str(body["sample"])))
    for path, text in (body.get("files") or {}).items():
        found[path] = None if text is None else Blob(str(text).encode())
    for path, text in (body.get("files_base64") or {}).items():
        try:
            found[path] = Blob(base64.b64decode(text, validate=True))
        except binascii.Error as bad:
            raise error(400, f"{path} is not valid Base64") from bad
    for path, mode in (body.get("modes") or {}).items():
        blob = found.get(path)
        if blob is not None:
            found[path] = Blob(blob.content, str(mode))
    return found


PLAIN = ("archived", "builds_access_level", "ci_config_path", "auto_devops_enabled", "visibility",
         "import_status", "container_registry_enabled", "merge_requests_enabled")  # fmt: skip


def _set(sandbox: Sandbox, project: Project, body: Body) -> None:
    """Takes over the settings that a body names."""
    for name in PLAIN:
        if name in body:
            setattr(project, name, body[name])
    for glob, level in (body.get("protected") or {}).items():
        project.protected[glob] = Role(level)
    for key, value in (body.get("variables") or {}).items():
        project.variables[key] = Variable(key, str(value))
    if "runners" in body:
        project.runners = msgspec.convert(body["runners"], list[CiRunner])
        for runner in project.runners:
            if runner.id == SIMULATED.id:
                runner.id += sandbox.forge.next_id("runner")


def create_project(sandbox: Sandbox, _: Request, body: Body) -> Body:
    owner = sandbox.forge.add_user(str(body.get("owner") or "dev"))
    role = Role(int(body.get("bot_role", Role.MAINTAINER)))
    files = _blobs(body)  # before anything is made: an unknown sample is refused
    project = sandbox.create_project(str(body["path"]) if "path" in body else "", owner, role)
    _set(sandbox, project, body)
    if files:
        sandbox.push(project, owner, files, branch=body.get("branch"), text="Add sources")
    return overview(sandbox.forge, project)


def show_project(sandbox: Sandbox, request: Request, _: Body) -> Body:
    return overview(sandbox.forge, _project(sandbox, request))


def change_project(sandbox: Sandbox, request: Request, body: Body) -> Body:
    project = _project(sandbox, request)
    _set(sandbox, project, body)
    if "path" in body:
        old = sandbox.forge.move(project, str(body["path"]))
        moved = not old.startswith(f"{project.namespace}/")
        event = "project_transfer" if moved else "project_rename"
        sandbox.courier.project_event(project, event, old)
    return overview(sandbox.forge, project)


def delete_project(sandbox: Sandbox, request: Request, _: Body) -> Body:
    project = _project(sandbox, request)
    del sandbox.forge.projects[project.id]
    sandbox.courier.project_event(project, "project_destroy")
    return {"id": project.id}


def push(sandbox: Sandbox, request: Request, body: Body) -> Body:
    project = _project(sandbox, request)
    user = sandbox.forge.add_user(str(body.get("user") or "dev"))
    text = str(body.get("message") or "Change sources")
    change = sandbox.push(project, user, _blobs(body), branch=body.get("branch"), text=text)
    return {"sha": change.after, "before": change.before, "ref": change.ref}


async def _import(
    sandbox: Sandbox, project: Project, files: dict[str, Blob | None], seconds: float
) -> None:
    await asyncio.sleep(seconds)
    sandbox.push(project, sandbox.person, files, text="Imported", quiet=True)
    project.import_status = "finished"


def import_project(sandbox: Sandbox, request: Request, body: Body) -> Body:
    project = _project(sandbox, request)
    project.import_status = "started"
    work = _import(sandbox, project, _blobs(body), float(body.get("seconds", 0.5)))
    sandbox.spawn(work)
    return {"import_status": project.import_status}


def set_outcome(sandbox: Sandbox, request: Request, body: Body) -> Body:
    project = _project(sandbox, request)
    project.outcome = msgspec.convert(body, Outcome)
    return cast(Body, msgspec.to_builtins(project.outcome))


def set_members(sandbox: Sandbox, request: Request, body: Body) -> Body:
    project = _project(sandbox, request)
    for username, level in body.items():
        user = sandbox.forge.add_user(username)
        if int(level) == 0:
            project.members.pop(user.id, None)
        else:
            project.members[user.id] = Role(int(level))
    return {sandbox.forge.users[uid].username: int(role) for uid, role in project.members.items()}


def list_files(sandbox: Sandbox, request: Request, _: Body) -> dict[str, str]:
    commit = _project(sandbox, request).repository.resolve(request.query_params.get("ref"))
    if commit is None:
        raise Refusal(404, {"message": "404 Commit Not Found"})
    return {path: blob.content.decode("utf-8", "replace") for path, blob in commit.files.items()}


def routes() -> list[Route]:
    """The routes below `/_sandbox`."""
    table: list[tuple[str, str, Callable[[Sandbox, Request, Body], Any]]] = [
        ("POST", "/projects", create_project),
        ("GET", "/projects/{id:path}/files", list_files),
        ("POST", "/projects/{id:path}/push", push),
        ("POST", "/projects/{id:path}/import", import_project),
        ("PUT", "/projects/{id:path}/outcome", set_outcome),
        ("PUT", "/projects/{id:path}/members", set_members),
        ("GET", "/projects/{id:path}", show_project),
        ("PATCH", "/projects/{id:path}", change_project),
        ("DELETE", "/projects/{id:path}", delete_project),
        ("PUT", "/groups/{path:path}/owners", instance.set_owners),
        ("POST", "/users", instance.create_user),
        ("POST", "/age", instance.age),
        ("GET", "/switches", instance.switches),
        ("PATCH", "/switches", instance.switches),
        ("GET", "/faults", instance.list_faults),
        ("POST", "/faults", instance.add_fault),
        ("DELETE", "/faults", instance.clear_faults),
        ("GET", "/calls", instance.calls),
        ("DELETE", "/calls", instance.forget_calls),
        ("GET", "/deliveries", instance.deliveries),
        ("POST", "/deliveries/{key}/resend", instance.resend),
        ("GET", "/samples", instance.list_samples),
    ]
    return [Route(path, _handler(handle), methods=[method]) for method, path, handle in table]
