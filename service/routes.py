"""A route of the program: its endpoint, who may use it and what the API's document says of it.

What guards a route and what the document says guards it are the same value.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from service.auth import GUARDS, Access
from service.keys import Role
from service.state import Request

ROLES = {"GET": Role.READ, "POST": Role.OPERATE, "DELETE": Role.ADMIN}
PAGES_TAG = "Dashboard"
EndpointFunction = Callable[[Request], Awaitable[Response]]


class Answer(msgspec.Struct, frozen=True):
    """An answer that is no error. `body` is a type that msgspec knows."""

    description: str
    body: Any = None
    media: str = "application/json"
    headers: Mapping[str, str] = {}
    """Name to description."""


class Parameter(msgspec.Struct, frozen=True):
    """A parameter in path, query or header."""

    name: str
    where: str
    description: str
    kind: Any = str


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What a route does, for `/openapi.json`. `errors` are statuses with a problem as body."""

    summary: str
    answers: Mapping[int, Answer]
    access: Access = Access.BEARER
    role: Role | None = None
    """None: what the method says, see `ROLES`."""
    tag: str = "API"
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    body_media: str = "application/json"
    errors: tuple[int, ...] = ()


class Endpoint(Route):
    """A guarded route. There is no way to make one that is not documented."""

    def __init__(
        self, method: str, path: str, endpoint: EndpointFunction, operation: Operation
    ) -> None:
        role = operation.role or ROLES[method]
        super().__init__(path, guarded(endpoint, operation.access, role), methods=[method])
        page = operation.access is Access.SESSION or operation.tag == PAGES_TAG
        self.name = f"page_{endpoint.__name__}" if page else endpoint.__name__
        self.method = method
        self.operation = operation
        self.role = role


def guarded(endpoint: EndpointFunction, access: Access, role: Role) -> EndpointFunction:
    """The endpoint behind the guard of its access."""
    guard = GUARDS[access]

    async def run(request: Request) -> Response:
        refusal = await guard(request, role)
        return await endpoint(request) if refusal is None else refusal

    return run
