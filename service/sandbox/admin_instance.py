"""The part of `/_sandbox` that is about the whole instance; see `service.sandbox.admin`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import msgspec
from starlette.requests import Request

from service.sandbox import samples
from service.sandbox.core import Sandbox
from service.sandbox.faults import Fault
from service.sandbox.forge import Switches
from service.sandbox.refusal import error
from service.sandbox.repository import Repository

Body = dict[str, Any]


def set_owners(sandbox: Sandbox, request: Request, body: Body) -> Body:
    group = sandbox.forge.group(request.path_params["path"])
    group.owners = {sandbox.forge.add_user(str(name)).id for name in body.get("usernames") or []}
    return {"id": group.id, "path": group.full_path}


def create_user(sandbox: Sandbox, _: Request, body: Body) -> Body:
    user = sandbox.forge.add_user(
        str(body["username"]) if "username" in body else "",
        admin=bool(body.get("admin")),
        bot=bool(body.get("bot")),
    )
    scopes = frozenset(body.get("scopes") or ["api"])
    token = sandbox.forge.add_token(user, scopes, body.get("token"))
    return {"id": user.id, "username": user.username, "token": token}


def switches(sandbox: Sandbox, _: Request, body: Body) -> Switches:
    now = cast(Body, msgspec.to_builtins(sandbox.forge.switches))
    unknown = set(body) - set(now)
    if unknown:
        raise error(400, f"unknown switches: {', '.join(sorted(unknown))}")
    sandbox.forge.switches = msgspec.convert({**now, **body}, Switches)
    return sandbox.forge.switches


def list_faults(sandbox: Sandbox, _: Request, __: Body) -> list[Fault]:
    return list(sandbox.faults.rules.values())


def add_fault(sandbox: Sandbox, _: Request, body: Body) -> Fault:
    return sandbox.faults.add(msgspec.convert(body, Fault))


def clear_faults(sandbox: Sandbox, request: Request, _: Body) -> Body:
    """All rules; with `?id=` that one."""
    if "id" in request.query_params:
        sandbox.faults.rules.pop(int(request.query_params["id"]), None)
    else:
        sandbox.faults.rules.clear()
    return {}


def calls(sandbox: Sandbox, request: Request, _: Body) -> Any:
    path, method = request.query_params.get("path", ""), request.query_params.get("method")
    found = [e for e in sandbox.journal.entries if path in e.path and method in (None, e.method)]
    return {"calls": found}


def forget_calls(sandbox: Sandbox, _: Request, __: Body) -> Body:
    sandbox.journal.reset()
    return {}


def deliveries(sandbox: Sandbox, _: Request, __: Body) -> Any:
    return [
        {
            "id": d.id,
            "number": d.number,
            "hook_id": d.hook_id,
            "project_id": d.project_id,
            "url": d.url,
            "event": d.event,
            "kind": d.kind,
            "statuses": d.statuses,
            "error": d.error,
            "body": msgspec.Raw(d.body),
        }
        for d in sandbox.courier.deliveries
    ]


async def resend(sandbox: Sandbox, request: Request, _: Body) -> Body:
    delivery = sandbox.courier.find(request.path_params["key"])
    status = await sandbox.courier.deliver(sandbox.courier.hook_of(delivery), delivery)
    return {"id": delivery.id, "status": status}


def age(sandbox: Sandbox, _: Request, body: Body) -> Body:
    by = timedelta(seconds=float(body.get("seconds") or 0))
    for thing in (sandbox.forge, sandbox.courier.deliveries):
        _age(thing, by)
    return {"seconds": by.total_seconds()}


def _age(thing: Any, by: timedelta) -> None:
    """Moves every time below `thing` into the past; what Git keeps stays as it is."""
    if isinstance(thing, Repository):
        return
    if isinstance(thing, msgspec.Struct):
        for name in thing.__struct_fields__:
            value = getattr(thing, name)
            if isinstance(value, datetime):
                setattr(thing, name, value - by)
            else:
                _age(value, by)
    elif isinstance(thing, dict | list):
        for value in thing.values() if isinstance(thing, dict) else thing:
            _age(value, by)


def list_samples(_: Sandbox, __: Request, ___: Body) -> list[str]:
    return samples.names()
