"""What every page of the dashboard has in common: refusals that are pages, and what all know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.keys import Role
from service.problems import status_of
from service.state import Request
from workers.errors import BackendError

Endpoint = Callable[[Request], Awaitable[Response]]
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
