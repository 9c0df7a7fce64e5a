"""Who may call: bearer tokens for the API, sessions made from one for the dashboard.

Every route has an `Access`; one that names none needs a bearer token (`routes.Endpoint`). The API
takes only `Authorization`, the dashboard its cookie, and `Authorization` to read: so no page of
another site can act with what a browser sends by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from service import bodies, lockout
from service.keys import Role
from service.problems import Problem
from service.state import Request
from workers.seal import equal

CSRF_FIELD = "csrf"


class Access(Enum):
    """Who may use a route."""

    OPEN = "anyone"
    HOOK = "a delivery's secret or signature, checked by the receiver itself"
    BEARER = "a bearer token"
    CALLER = "a bearer token, or a GitLab token in the body, checked by the endpoint itself"
    SESSION = "a dashboard session, and its CSRF token for what is no GET"
    LOCAL = "anyone on this machine, else a bearer token"


def given_bearer(request: Request) -> str | None:
    """The token of `Authorization: Bearer …`; None without that header."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    # Headers are Latin-1 text here: back to the bytes that were sent, and those as UTF-8.
    sent = header.encode("latin-1").decode("utf-8", "surrogateescape")
    scheme, _, token = sent.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def bearer(request: Request, role: Role) -> Response | None:
    """Pass whoever has an API token of this role. Raises Problem 401, 403, and 429 (too many wrong
    ones, or too many requests)."""
    token = given_bearer(request)
    if token is None:
        raise unauthorized("a bearer token is needed: Authorization: Bearer <token>")
    if wait := await lockout.locked(request, "api"):
        raise Problem(429, "too many wrong tokens; wait", {"Retry-After": str(wait)})
    caller = request.state["keys"].caller(token)
    if caller is None:
        await lockout.failed(request, "api")
        raise unauthorized("this is not one of DEVOPS_BACKEND_API_TOKENS")
    request.scope["caller"] = caller.id
    most = request.state["settings"].api_requests_per_minute
    await lockout.spend(request, "api", caller.id, most)
    _check_role(caller.role, role)
    return None


def _check_role(has: Role, needed: Role) -> None:
    if has < needed:
        detail = f"this token may {has.name.lower()}; this needs one that may {needed.name.lower()}"
        raise Problem(403, detail)


def unauthorized(detail: str) -> Problem:
    """401 as RFC 6750 wants it."""
    return Problem(401, detail, {"WWW-Authenticate": 'Bearer realm="devops-backend"'})


async def session(request: Request, role: Role) -> Response | None:
    """Pass a signed-in browser, send others to the login page. Raises Problem 403 (CSRF, role)."""
    keys = request.state["keys"]
    found = keys.session(request.cookies.get(keys.cookie, ""))
    reads = request.method in ("GET", "HEAD")
    if found is None and reads and (token := given_bearer(request)):
        # No browser sends this header by itself, so the page may be read without signing in.
        await bearer(request, role)
        found = keys.session(keys.new_session(token) or "")
    if found is None:
        return _to_login(request)
    request.scope["dashboard_session"] = found
    request.scope["caller"] = found.caller
    if not reads:
        form = await bodies.read_form(request)
        if not equal(found.csrf, form.get(CSRF_FIELD, "")):
            raise Problem(403, "the form is out of date or another site's; load the page again")
        request.scope["form"] = form
    _check_role(found.role, role)
    return None


def _to_login(request: Request) -> Response:
    wanted = quote(request.scope["path"], safe="/")
    target = "/login" if wanted == "/" else f"/login?next={quote(wanted, safe='')}"
    return RedirectResponse(target, 303)


async def local_or_bearer(request: Request, role: Role) -> Response | None:
    """Pass callers on this machine, and others with a token."""
    return None if lockout.is_loopback(request) else await bearer(request, role)


async def _pass(_: Request, __: Role) -> Response | None:
    return None


GUARDS: Mapping[Access, Callable[[Request, Role], Awaitable[Response | None]]] = {
    Access.OPEN: _pass,
    Access.HOOK: _pass,
    Access.CALLER: _pass,
    Access.BEARER: bearer,
    Access.SESSION: session,
    Access.LOCAL: local_or_bearer,
}
