"""What GitLab's answers mean to the caller: JSON to structs, refusals to errors."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from workers.errors import Conflict, Denied, NotFound, Rejected, Retryable, Unclear

T = TypeVar("T")

MAX_WAIT_S = 900.0
"""What `Retry-After` may ask for at most: longer, and one wrong header would park a project."""

_CONFLICTS = re.compile(
    r"already exists|doesn't exist|has changed since|could not update|cannot lock ref"
    r"|branch_conflict|reference already|refresh and try again",
    re.IGNORECASE,
)
_TRANSIENT = re.compile(r"only create or edit files when you are on a branch", re.IGNORECASE)
"""GitLab says so of a branch that was just made (issue 434467)."""


class Moved(Rejected):
    """A 3xx answer. `location` is where it points to, which is not followed."""

    def __init__(self, message: str, status: int, location: str) -> None:
        super().__init__(message, status)
        self.location = location


class Answer(msgspec.Struct, frozen=True):
    """Status, headers and body of a call that GitLab carried out."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True
    """False where `limit` cut the body."""
    write: bool = False

    def decode(self, kind: type[T]) -> T:
        """The JSON body as `kind`; unknown members are dropped.

        Raises Retryable when it is none, Unclear after a write: that one was carried out.
        """
        try:
            return msgspec.json.decode(self.body, type=kind, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            problem = plain(str(error))
            kinds = Unclear if self.write else Retryable
            raise kinds(f"GitLab's answer is not what was asked for ({problem})") from None


def judge(answer: Answer, what: str, said: str, *, write: bool) -> Answer:
    """The answer where it is a success; raises the error that it means otherwise.

    `what` is the call for people, `said` are GitLab's own words without secrets.
    """
    status = answer.status
    if 200 <= status < 300:
        return answer
    if 300 <= status < 400:
        location = answer.headers.get("location", "")
        raise Moved(
            f"GitLab moved {what} to {_address(location)}; it is not followed: set GITLAB_URL"
            " to the address that GitLab answers on",
            status,
            location,
        )
    if status == 429:
        after = _retry_after(answer.headers.get("retry-after"))
        raise Retryable(f"GitLab asks to wait {after:.0f} s before {what}", after)
    if status >= 500:
        kind = Unclear if write else Retryable
        after = _retry_after(answer.headers.get("retry-after"), 5.0)
        raise kind(f"GitLab failed at {what} ({status} {said})", after)
    raise _refusal(status, what, said)


def _refusal(status: int, what: str, said: str) -> Rejected | Retryable:
    """The error that a 4xx means to the caller."""
    said = said.removeprefix(f"{status} ")  # GitLab's own words often begin with the status
    if status == 401:
        return Denied(
            f"GitLab refused the token at {what} (401 {said}): it is wrong, expired or revoked;"
            " set GITLAB_TOKEN to a valid one",
            status,
        )
    if status == 403:
        return Denied(
            f"the token may not {what} (403 {said}): give it the scope `api`, and its user the role"
            " that this needs in the project (Developer to commit, Maintainer for webhooks)",
            status,
        )
    if status == 404:
        return NotFound(f"GitLab knows nothing at {what}, or hides it from this token", status)
    if status == 409 or (status in (400, 422) and _CONFLICTS.search(said)):
        return Conflict(f"GitLab refused {what}: {said}", status)
    if status == 400 and _TRANSIENT.search(said):
        return Retryable(f"GitLab is not ready for {what}: {said}", 3.0)
    if status in (408, 425):
        return Retryable(f"GitLab asks to repeat {what} ({status})")
    return Rejected(f"GitLab refused {what} ({status}): {said}", status)


def plain(text: str, most: int = 300) -> str:
    """One line of printable characters, at most `most` of them."""
    return "".join(c if c.isprintable() else " " for c in text[:most]).strip() or "no reason given"


def _address(location: str) -> str:
    """Scheme, host and path of a redirect; its query may hold secrets."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "an address that cannot be read"
    host = parts.netloc.rpartition("@")[2]
    return plain(f"{parts.scheme}://{host}{parts.path}" if host else parts.path, 200)


def _retry_after(value: str | None, default: float = 30.0) -> float:
    """Seconds of a `Retry-After` header, number or date (RFC 9110, 10.2.3), 1 to MAX_WAIT_S."""
    if not value:
        return default
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return default
    return min(max(seconds, 1.0), MAX_WAIT_S) if seconds == seconds else default
