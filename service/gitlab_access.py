"""Which project a caller means, and what they may do in it. Talks to `GITLAB_URL` only.

An address given by a caller is never called: it must be one of `GITLAB_URL`, only its path is
taken, and the address that is called is built from the setting. Redirects are off.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from pydantic import SecretStr

from workers.errors import Denied, Misconfigured, NotFound, Rejected, Retryable
from workers.runs import Project
from workers.settings import Settings

DEVELOPER = 30
"""GitLab's access level that may push and run pipelines (GitLab docs, "Members API")."""
CALL_S = 10.0
ANSWER_MAX = 1_048_576
_PATH = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.][A-Za-z0-9_.-]*){1,20}", re.ASCII)
"""A namespace and a project (GitLab docs, "Reserved names and rules")."""
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\%?#@;<>\"'`{}|^]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Found(msgspec.Struct, frozen=True):
    """A project as one token sees it."""

    project: Project
    access_level: int


def project_path(repo_url: str, gitlab_url: str) -> str:
    """`group/project` of an address of this GitLab.

    Raises Rejected for any other host, scheme or port, and for whatever an address of a project
    has no need of: user, query, fragment, escapes, backslashes, control and non-ASCII characters.
    """
    refused = Rejected(f"repo_url should be the address of a project at {gitlab_url}", 422)
    if len(repo_url) > 1024 or _UNSAFE.search(repo_url):
        raise refused
    try:
        given, ours = urlsplit(repo_url), urlsplit(gitlab_url)
        same = _origin(given) == _origin(ours)
    except ValueError:
        raise refused from None
    root = ours.path.rstrip("/") + "/"
    if not same or not given.path.startswith(root):
        raise refused
    return checked_path(given.path.removeprefix(root).removesuffix("/").removesuffix(".git"))


def checked_path(path: str) -> str:
    """`path` where it may be a project's. Raises Rejected."""
    parts = path.split("/")
    if len(path) > 512 or not _PATH.fullmatch(path) or any(part in (".", "..") for part in parts):
        raise Rejected("this is not the path of a project: group/project", 422)
    return path


def _origin(parts: Any) -> tuple[str, str, int]:
    scheme = parts.scheme.lower()
    host = (parts.hostname or "").lower()
    # An empty port ("host:") and ports written oddly ("080") are no address of ours.
    written = parts.netloc.rpartition("]")[2].rpartition(":")
    if written[1] and not re.fullmatch(r"[1-9][0-9]{0,4}", written[2]):
        raise ValueError("port")
    return scheme, host, parts.port or _DEFAULT_PORTS.get(scheme, 0)


async def look_up(
    http: httpx.AsyncClient, settings: Settings, project: int | str, token: SecretStr | None
) -> Found:
    """One call: the project by id or path, and the token's access level in it.

    Raises Misconfigured without a token, Denied, NotFound, Rejected (a redirect, an odd answer)
    and Retryable. No message holds the token or what GitLab wrote.
    """
    if token is None:
        raise Misconfigured("GITLAB_TOKEN: is needed to look up a project")
    url = f"{settings.gitlab_url}/api/v4/projects/{quote(str(project), safe='')}"
    headers = {"Authorization": f"Bearer {_header_safe(token)}", "Accept": "application/json"}
    try:
        async with asyncio.timeout(CALL_S), http.stream("GET", url, headers=headers) as answer:
            _judge(answer)
            body = await _body(answer)
    except (TimeoutError, httpx.TransportError) as error:
        raise Retryable(f"GitLab did not answer ({type(error).__name__})", 10) from None
    return _read(body)


def _header_safe(token: SecretStr) -> str:
    text = token.get_secret_value()
    if not text or not re.fullmatch(r"[\x21-\x7e]{1,1024}", text):
        raise Denied("the GitLab token is malformed", 401)
    return text


def _judge(answer: httpx.Response) -> None:
    status = answer.status_code
    if status == 200:
        return
    if status in (401, 403):
        raise Denied("GitLab refuses this token", status)
    if status == 404:
        raise NotFound("GitLab knows no such project, or this token may not see it", 404)
    if status == 429 or status >= 500:
        raise Retryable(f"GitLab answered {status}", _retry_after(answer))
    raise Rejected(f"GitLab answered {status} to a look at the project", status)


def _retry_after(answer: httpx.Response) -> float:
    value = answer.headers.get("retry-after", "")
    return min(900.0, float(value)) if value.isdecimal() else 10.0


async def _body(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > ANSWER_MAX:
            raise Retryable("GitLab's answer is too long", 60)
    return bytes(body)


class _Level(msgspec.Struct):
    access_level: int = 0


class _Permissions(msgspec.Struct):
    project_access: _Level | None = None
    group_access: _Level | None = None


class _Answer(msgspec.Struct):
    id: int
    path_with_namespace: str
    web_url: str = ""
    permissions: _Permissions | None = None


def _read(body: bytes) -> Found:
    try:
        got = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Retryable(f"GitLab's answer makes no sense ({type(error).__name__})", 60) from None
    rights = got.permissions or _Permissions()
    levels = [level.access_level for level in (rights.project_access, rights.group_access) if level]
    project = Project(got.id, got.path_with_namespace, got.web_url)
    return Found(project, max(levels, default=0))
