"""One call to GitLab: where it goes, how long it may take, what its answer means.

The token goes to `GITLAB_URL` and nowhere else: redirects are off, addresses are built from the
setting, each part of a path is quoted, and no message of an error holds the token.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from pydantic import SecretStr

from workers.clients.gitlab_answers import Answer, judge, plain
from workers.clients.gitlab_transport import DEADLINE, DeadlineTransport
from workers.errors import Misconfigured, Rejected, Retryable, Unclear

_TOKEN = re.compile(r"[\x21-\x7e]{1,2048}")
OnWrite = Callable[[str, str, str], Callable[[int], None]]
"""Told of every write before it is sent (method, route, project as the call names it, or "");
gives what is told the status afterwards. What it raises keeps the write from being sent."""
OnCall = Callable[[str, str, int, float], None]
"""Told of every call: method, route with `:x` for its parts, status (0: no answer), seconds."""

MAX_ANSWER = 24 * 1024 * 1024
"""Bytes of one answer. GraphQL gives at most 20 MB of file contents (gitlab-facts, section 5)."""


def route(template: str, *parts: int | str) -> str:
    """`template` with each `{}` replaced by one quoted part. `.` and `..` raise Rejected."""
    quoted = []
    for part in parts:
        text = str(part)
        if text in ("", ".", "..") or "\x00" in text:
            raise Rejected(f"{text!r} cannot be part of an address")
        quoted.append(quote(text, safe=""))
    return template.format(*quoted)


class Connection:
    """Calls to one GitLab with one token. Not for several threads at once.

    `timeout` is the seconds that a whole call may take, its body included. Every method may
    raise: Denied (401, 403), NotFound (404), Conflict (409 and the 400s that mean it), Rejected
    (other refusals, redirects), Retryable (429 with GitLab's own delay, 5xx, no answer, wrong
    JSON), and Unclear where a write's answer was lost. Nothing here sleeps or tries again.
    """

    def __init__(
        self,
        base_url: str,
        token: SecretStr | str,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 30.0,
        on_call: OnCall | None = None,
        on_write: OnWrite | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._token = token if isinstance(token, SecretStr) else SecretStr(token)
        if not _TOKEN.fullmatch(self._token.get_secret_value()):
            raise Misconfigured("GITLAB_TOKEN: should be the token alone, as GitLab shows it")
        self._timeout = timeout
        self._on_call = on_call
        self._on_write = on_write
        self.calls = 0
        """How many were made."""
        self._http = httpx.Client(
            transport=transport or DeadlineTransport(),
            timeout=timeout,
            follow_redirects=False,
            # No answer's cookie comes back with the next request: calls know nothing of each other.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            trust_env=False,
            headers={
                "Accept": "application/json",
                # An encoded body could unpack to any size before a cap is seen.
                "Accept-Encoding": "identity",
                "User-Agent": "devops-backend",
            },
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(
        self, template: str, *parts: int | str, limit: int | None = None, **query: Any
    ) -> Answer:
        """GET `/api/v4` + the route. `limit` cuts the body there instead of refusing it."""
        return self.call("GET", template, parts, query=query, limit=limit)

    def post(self, template: str, *parts: int | str, body: Any, write: bool = True) -> Answer:
        """POST a JSON body. `write=False` marks calls that change nothing: lint, queries."""
        return self.call("POST", template, parts, body=body, write=write)

    def put(self, template: str, *parts: int | str, body: Any) -> Answer:
        """PUT a JSON body."""
        return self.call("PUT", template, parts, body=body, write=True)

    def call(
        self,
        method: str,
        template: str,
        parts: tuple[int | str, ...],
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        write: bool = False,
        limit: int | None = None,
        prefix: str = "/api/v4",
    ) -> Answer:
        """One call. Raises as the class says."""
        self.calls += 1
        path = prefix + route(template, *parts)
        request = self._http.build_request(
            method,
            self.base_url + path,
            params={key: value for key, value in (query or {}).items() if value is not None}
            or None,
            content=None if body is None else msgspec.json.encode(body),
            headers={} if body is None else {"Content-Type": "application/json"},
            extensions={DEADLINE: time.monotonic() + self._timeout},
        )
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        what = f"{method} {path}"
        told = self._about_to_write(method, template, parts) if write else None
        with self._watched(method, template, what, told) as seen:
            response = self._http.send(request, stream=True)
            seen.append(response.status_code)
            try:
                answer = _read(response, limit, write)
            finally:
                response.close()
        return judge(answer, what, self._said(answer), write=write)

    @contextmanager
    def _watched(
        self, method: str, template: str, what: str, told: Callable[[int], None] | None
    ) -> Iterator[list[int]]:
        """Tells `on_call` and, of a write, `told`, and maps what can go wrong on the way."""
        started = time.monotonic()
        seen: list[int] = []
        try:
            yield seen
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            # Nothing was sent, so even a write is clear.
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Rejected(
                    f"the certificate of {self.base_url} is not trusted ({plain(str(error))});"
                    " name a private authority's certificate in SSL_CERT_FILE"
                ) from None
            raise Retryable(f"{self.base_url} cannot be reached ({plain(str(error))})") from None
        except (httpx.TransportError, httpx.StreamError) as error:
            kind = Unclear if told is not None else Retryable
            raise kind(f"GitLab did not answer {what} ({type(error).__name__})") from None
        finally:
            status = seen[0] if seen else 0
            if told is not None:
                told(status)
            if self._on_call is not None:
                seconds = time.monotonic() - started
                self._on_call(method, template.replace("{}", ":x"), status, seconds)

    def _about_to_write(
        self, method: str, template: str, parts: tuple[int | str, ...]
    ) -> Callable[[int], None]:
        """Tells `on_write`; gives what is to be told the status."""
        if self._on_write is None:
            return lambda _: None
        project = str(parts[0]) if template.startswith("/projects/{}") else ""
        return self._on_write(method, template.replace("{}", ":x"), project)

    def _said(self, answer: Answer) -> str:
        """GitLab's own words, one line, without the token."""
        try:
            body = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = None
        words = body
        if isinstance(body, dict):
            words = body.get("message") or body.get("error_description") or body.get("error") or ""
        text = words if isinstance(words, str) else msgspec.json.encode(words).decode()
        token = self._token.get_secret_value()
        return plain(text.replace(token, "***"))


def _read(response: httpx.Response, limit: int | None, write: bool) -> Answer:
    """The body, at most `limit` bytes of it where given. Raises Rejected above MAX_ANSWER."""
    cap = MAX_ANSWER if limit is None or response.status_code >= 300 else limit
    body = bytearray()
    complete = True
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > cap:
            if limit is None:
                raise Rejected(f"GitLab's answer is larger than {MAX_ANSWER} bytes")
            del body[cap:]
            complete = False
            break
    return Answer(response.status_code, dict(response.headers), bytes(body), complete, write)
