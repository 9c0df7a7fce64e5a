"""Who may call: bearer tokens for the API, sessions made from one for the dashboard.

Every route has an `Access`; one that names none needs a bearer token (`routes.Endpoint`). The API
takes only `Authorization`, the dashboard only its cookie, so no page of another site can act with
what a browser sends by itself.

A token may be given a role in front: `read:<token>` sees everything, `operate:<token>` also starts
runs and replays, `admin:<token>`, or one without a role, also forgets. What is sent is the token
without its role.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from enum import Enum, IntEnum
from urllib.parse import quote

import msgspec
from pydantic import SecretStr
from starlette.responses import RedirectResponse, Response

from service import bodies, lockout
from service.problems import Problem
from service.state import Request

SESSION_S = 12 * 3600
CSRF_FIELD = "csrf"


class Access(Enum):
    """Who may use a route."""

    OPEN = "anyone"
    HOOK = "a delivery's secret or signature, checked by the receiver itself"
    BEARER = "a bearer token"
    CALLER = "a bearer token, or a GitLab token in the body, checked by the endpoint itself"
    SESSION = "a dashboard session, and its CSRF token for what is no GET"
    LOCAL = "anyone on this machine, else a bearer token"


class Role(IntEnum):
    """What a token may do; each may do what those before it may."""

    READ = 1
    OPERATE = 2
    ADMIN = 3


class Session(msgspec.Struct, frozen=True):
    """A signed-in browser. `csrf` stands in every form of its pages."""

    csrf: str
    role: Role


class _Key(msgspec.Struct, frozen=True):
    digest: bytes
    session_key: bytes
    role: Role


class Keys:
    """The API tokens, kept as digests only, and the sessions derived from them.

    A session ends when its token is taken out of the settings: its key is made from the token.
    """

    def __init__(self, tokens: Iterable[SecretStr], *, secure: bool) -> None:
        self._keys = tuple(_key(token.get_secret_value()) for token in tokens)
        self.secure = secure
        # The prefix makes browsers refuse a cookie set by a neighbour domain (RFC 6265bis, 4.1.3).
        self.cookie = "__Host-devops-backend" if secure else "devops-backend"

    def role(self, token: str) -> Role | None:
        """What an API token may do; None where it is none. Every key is compared."""
        key = self._find(token)
        return key.role if key else None

    def new_session(self, token: str) -> str | None:
        """The cookie's value for a session of this token; None where it is not one."""
        key = self._find(token)
        if key is None:
            return None
        head = f"{int(time.time()) + SESSION_S}.{secrets.token_urlsafe(16)}"
        return f"{head}.{_sign(key, 'session', head)}"

    def session(self, cookie: str, now: float | None = None) -> Session | None:
        """The session of a cookie; None where it is forged or over."""
        head, _, signature = cookie.rpartition(".")
        end = head.partition(".")[0]
        if not (end.isascii() and end.isdigit() and len(end) < 12):
            return None
        if int(end) <= (time.time() if now is None else now):
            return None
        found = [key for key in self._keys if _equal(_sign(key, "session", head), signature)]
        return Session(_sign(found[0], "csrf", head), found[0].role) if found else None

    def _find(self, token: str) -> _Key | None:
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = [key for key in self._keys if hmac.compare_digest(key.digest, digest)]
        return found[0] if found else None


def _key(setting: str) -> _Key:
    name, _, rest = setting.partition(":")
    role = Role.__members__.get(name.upper()) if rest else None
    token = (rest if role else setting).encode()
    derived = hmac.digest(token, b"devops-backend dashboard sessions", "sha256")
    return _Key(hashlib.sha256(token).digest(), derived, role or Role.ADMIN)


def _sign(key: _Key, purpose: str, text: str) -> str:
    message = f"{purpose}\0{text}".encode("utf-8", "replace")
    return hmac.new(key.session_key, message, hashlib.sha256).hexdigest()


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "replace"))


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
    """Pass whoever has an API token of this role. Raises Problem 401, 403, 429 (too many wrong)."""
    token = given_bearer(request)
    if token is None:
        raise unauthorized("a bearer token is needed: Authorization: Bearer <token>")
    if wait := await lockout.locked(request, "api"):
        raise Problem(429, "too many wrong tokens; wait", {"Retry-After": str(wait)})
    has = request.state["keys"].role(token)
    if has is None:
        await lockout.failed(request, "api")
        raise unauthorized("this is not one of DEVOPS_BACKEND_API_TOKENS")
    _check_role(has, role)
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
    if found is None:
        return _to_login(request)
    request.scope["dashboard_session"] = found
    if request.method not in ("GET", "HEAD"):
        form = await bodies.read_form(request)
        if not _equal(found.csrf, form.get(CSRF_FIELD, "")):
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
