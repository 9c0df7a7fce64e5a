"""Errors, named by what the caller does next.

BackendError
├── Misconfigured   a person must change a setting; the program says which and stops
├── Rejected        asking again will not help; the message is shown to the user
│   ├── NotFound    the thing does not exist, or may not be seen
│   ├── Denied      the token lacks a right
│   └── Conflict    the other side moved on: look again, then decide
└── Retryable       asking again later may help; `after` says when
    └── Unclear     a write may or may not have happened: look before trying again
"""

from __future__ import annotations


class BackendError(Exception):
    """Root of every error this program raises on purpose.

    `str(error)` is one sentence fit for a person: the cause, and the fix where one is known.
    """


class Misconfigured(BackendError):
    """A setting is wrong or missing; names the variable and what it should be."""


class Rejected(BackendError):
    """The other side said no, for good. `status` is its HTTP status, 0 where there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NotFound(Rejected):
    """No such thing, or not visible to this token (GitLab answers 404 for both)."""


class Denied(Rejected):
    """401 or 403: the token is wrong, expired, or lacks a role or scope."""


class Conflict(Rejected):
    """The write lost against another: branch or file exists, file changed, merge request open."""


class Retryable(BackendError):
    """A passing fault. `after`: seconds to wait, as the other side asked or a default."""

    def __init__(self, message: str, after: float = 5.0) -> None:
        super().__init__(message)
        self.after = after


class Unclear(Retryable):
    """A write whose answer was lost. The caller looks at what is there before it writes again."""
