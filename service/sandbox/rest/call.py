"""One REST call as handlers see it, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from service.sandbox.core import Sandbox
from service.sandbox.refusal import Refusal, error, message, not_found
from service.sandbox.state import Project, Role, Token, User

UNAUTHORIZED = {"message": "401 Unauthorized"}
INSUFFICIENT = {
    "error": "insufficient_scope",
    "error_description": "The request requires higher privileges than provided by the access"
    " token.",
    "scope": "api",
}
LARGEST_PAGE = 100


class Answer(msgspec.Struct):
    """What is sent back. `body` is JSON, or `bytes` sent as `media`."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    media: str = "application/json"


class Call(msgspec.Struct):
    """A request after authentication. `ids` are the decoded parts of its path."""

    sandbox: Sandbox
    method: str
    path: str
    ids: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    token: Token | None
    violations: list[str]

    @property
    def user(self) -> User:
        """Who asks. Raises `Refusal` 401 for nobody."""
        if self.token is None:
            raise Refusal(401, UNAUTHORIZED)
        return self.token.user

    def login(self) -> None:
        """Raises `Refusal` 401 for nobody; anybody else may go on."""
        if self.token is None:
            raise Refusal(401, UNAUTHORIZED)

    def project(self, needed: Role = Role.GUEST) -> Project:
        """The project of the path. Raises 404 where hidden, 401 or 403 where a right is missing."""
        forge = self.sandbox.forge
        project = forge.find_project(self.ids["id"])
        role = forge.role(project, self.token.user if self.token else None)
        if role < Role.GUEST:
            raise not_found("Project")
        if role < needed:
            if self.token is None:
                raise Refusal(401, UNAUTHORIZED)
            raise message(403, "403 Forbidden")
        return project

    def admin(self) -> User:
        """The caller, if an administrator. Raises `Refusal` 401 or 403."""
        if not self.user.admin:
            raise message(403, "403 Forbidden")
        return self.user

    def get(self, name: str) -> Any:
        """A parameter, from the body or the query."""
        return self.body.get(name, self.query.get(name))

    def text(self, name: str) -> str | None:
        value = self.get(name)
        return None if value is None else str(value)

    def require(self, *names: str) -> list[str]:
        """Parameters that must be there. Raises `Refusal` 400 with GitLab's `x is missing`."""
        missing = [name for name in names if self.get(name) is None]
        if missing:
            raise error(400, ", ".join(f"{name} is missing" for name in missing))
        return [str(self.get(name)) for name in names]

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.get(name)
        return default if value is None else str(value).lower() in ("true", "1", "yes", "on")

    def number(self, name: str) -> int:
        """A number of the path. Raises `Refusal` 400."""
        if not self.ids[name].isdigit():
            raise error(400, f"{name} is invalid")
        return int(self.ids[name])

    def page_size(self) -> int:
        given = self.query.get("per_page", "20")
        size = int(given) if given.isdigit() else 20
        return max(1, min(size, LARGEST_PAGE))

    def link(self, **changes: str) -> str:
        """This request's address with other parameters."""
        query = urlencode({**self.query, **changes})
        return f"{self.sandbox.forge.url}{self.path}?{query}"


def paginate(call: Call, items: Sequence[Any], show: Callable[[Any], Any]) -> Answer:
    """One page of `items` with GitLab's offset pagination headers."""
    size = call.page_size()
    given = call.query.get("page", "1")
    page = max(1, int(given)) if given.isdigit() else 1
    pages = max(1, -(-len(items) // size))
    links = [f'<{call.link(page="1", per_page=str(size))}>; rel="first"']
    if page < pages:
        links.append(f'<{call.link(page=str(page + 1), per_page=str(size))}>; rel="next"')
    links.append(f'<{call.link(page=str(pages), per_page=str(size))}>; rel="last"')
    headers = {
        "X-Page": str(page),
        "X-Per-Page": str(size),
        "X-Total": str(len(items)),
        "X-Total-Pages": str(pages),
        "X-Next-Page": str(page + 1) if page < pages else "",
        "X-Prev-Page": str(page - 1) if page > 1 else "",
        "Link": ", ".join(links),
    }
    return Answer([show(item) for item in items[(page - 1) * size : page * size]], headers=headers)


def keyset(
    call: Call, items: Sequence[Any], key: Callable[[Any], str], show: Callable[[Any], Any]
) -> Answer:
    """One page by `page_token`, the key of the last item seen; `Link` names the next page."""
    size = call.page_size()
    start = 0
    token = call.query.get("page_token")
    if token:
        keys = [key(item) for item in items]
        if token not in keys:
            raise message(400, "Invalid page token")
        start = keys.index(token) + 1
    page = items[start : start + size]
    headers = {"X-Per-Page": str(size)}
    if start + size < len(items):
        following = call.link(pagination="keyset", per_page=str(size), page_token=key(page[-1]))
        headers["Link"] = f'<{following}>; rel="next"'
        headers["X-Next-Page"] = ""
    return Answer([show(item) for item in page], headers=headers)
