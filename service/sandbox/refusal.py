"""The one exception of the sandbox: GitLab says no, with GitLab's status and text."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An answer that is not a success; `body` is the JSON that GitLab would send."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.headers = headers or {}
        self.status = status
        self.body = body


def message(status: int, text: str) -> Refusal:
    """GitLab's usual form, `{"message": text}`."""
    return Refusal(status, {"message": text})


def error(status: int, text: str) -> Refusal:
    """The form of GitLab's parameter checks, `{"error": text}`."""
    return Refusal(status, {"error": text})


def not_found(what: str = "") -> Refusal:
    """404, `404 Project Not Found` and the like."""
    return message(404, f"404 {what} Not Found" if what else "404 Not Found")
