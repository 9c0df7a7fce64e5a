"""Signing in to the dashboard with an API token, and out."""

from __future__ import annotations

import re

from starlette.responses import RedirectResponse, Response

from service import bodies, lockout
from service.keys import SESSION_S
from service.page import html, page
from service.state import Request

_NEXT = re.compile(r"/(?![/\\])[A-Za-z0-9/._~%-]*", re.ASCII)


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
