"""A typed client for the sandbox's own side (`/_sandbox`), used by `demo` and the tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from service.sandbox.faults import Fault, Kind
from service.sandbox.forge import Switches
from service.sandbox.journal import Entry
from service.sandbox.views import (
    DeliveryView,
    MergeRequestView,
    PipelineView,
    ProjectView,
    UserView,
)

T = TypeVar("T")


class Calls(msgspec.Struct, frozen=True):
    """The journal's answer."""

    calls: list[Entry]


class SandboxClient:
    """Scripts a running sandbox. Raises `httpx.HTTPStatusError` where it refuses."""

    def __init__(self, url: str, admin_token: str) -> None:
        self.url = url
        headers = {"Authorization": f"Bearer {admin_token}"}
        self.http = httpx.Client(
            base_url=f"{url}/_sandbox", headers=headers, trust_env=False, timeout=30
        )

    def __enter__(self) -> SandboxClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.http.close()

    def _ask(self, method: str, path: str, kind: type[T], body: Any = None) -> T:
        answer = self.http.request(method, path, json=body)
        if answer.is_error:
            raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)
        return msgspec.json.decode(answer.content, type=kind)

    def create_project(
        self,
        path: str,
        *,
        sample: str | None = None,
        files: Mapping[str, str] | None = None,
        owner: str = "dev",
        bot_role: int = 40,
        **settings: Any,
    ) -> ProjectView:
        """A new project (`project_create` goes out), then a first push where files are given.

        `settings` are those of `change_project`.
        """
        body = {**settings, "path": path, "sample": sample, "files": files, "owner": owner}
        return self._ask("POST", "/projects", ProjectView, {**body, "bot_role": bot_role})

    def project(self, project: int | str) -> ProjectView:
        return self._ask("GET", f"/projects/{quote(str(project))}", ProjectView)

    def change_project(self, project: int | str, **settings: Any) -> ProjectView:
        """See `PATCH projects/:id` in `service.sandbox.admin`."""
        return self._ask("PATCH", f"/projects/{quote(str(project))}", ProjectView, settings)

    def delete_project(self, project: int | str) -> None:
        self._ask("DELETE", f"/projects/{quote(str(project))}", dict[str, Any])

    def push(
        self,
        project: int | str,
        files: Mapping[str, str | None] | None = None,
        *,
        sample: str | None = None,
        branch: str | None = None,
        message: str = "Change sources",
        user: str = "dev",
        modes: Mapping[str, str] | None = None,
    ) -> str:
        """One commit pushed by a person; its sha. A None text removes the file."""
        body: dict[str, Any] = {"files": files, "sample": sample, "branch": branch, "modes": modes}
        body |= {"message": message, "user": user}
        path = f"/projects/{quote(str(project))}/push"
        return str(self._ask("POST", path, dict[str, str], body)["sha"])

    def import_project(self, project: int | str, *, sample: str, seconds: float = 0.5) -> None:
        """Fills a project as an import does: no hook tells of it."""
        path = f"/projects/{quote(str(project))}/import"
        self._ask("POST", path, dict[str, Any], {"sample": sample, "seconds": seconds})

    def set_outcome(self, project: int | str, kind: str, job: str | None = None) -> None:
        """How the project's next pipelines end; see `service.sandbox.state.Outcome`."""
        path = f"/projects/{quote(str(project))}/outcome"
        self._ask("PUT", path, dict[str, Any], {"kind": kind, "job": job})

    def set_members(self, project: int | str, **levels: int) -> None:
        """Access levels by username (dashes as underscores are not changed); 0 removes."""
        self._ask("PUT", f"/projects/{quote(str(project))}/members", dict[str, int], levels)

    def set_owners(self, group: str, *usernames: str) -> None:
        """Who may manage a group's hooks; the group is made if it is not there."""
        self._ask("PUT", f"/groups/{quote(group)}/owners", dict[str, Any], {"usernames": usernames})

    def files(self, project: int | str, ref: str | None = None) -> dict[str, str]:
        """All files of a ref as text."""
        query = f"?ref={quote(ref, safe='')}" if ref else ""
        return self._ask("GET", f"/projects/{quote(str(project))}/files{query}", dict[str, str])

    def file(self, project: int | str, path: str, ref: str | None = None) -> str | None:
        """One file's text, None where it does not exist."""
        return self.files(project, ref).get(path)

    def merge_requests(self, project: int | str) -> list[MergeRequestView]:
        return self.project(project).merge_requests

    def pipelines(self, project: int | str) -> list[PipelineView]:
        return self.project(project).pipelines

    def create_user(
        self, username: str, *, scopes: tuple[str, ...] = ("api",), admin: bool = False,
        token: str | None = None,
    ) -> UserView:  # fmt: skip
        """A user with a token: a fresh one, or the one that is given."""
        body = {"username": username, "scopes": scopes, "admin": admin, "token": token}
        return self._ask("POST", "/users", UserView, body)

    def set_switches(self, **changes: bool | float) -> Switches:
        """Turns instance settings; see `service.sandbox.state.Switches`."""
        return self._ask("PATCH", "/switches", Switches, changes)

    def age(self, seconds: float) -> None:
        """Lets so much time pass: everything that was kept is so much longer ago."""
        self._ask("POST", "/age", dict[str, Any], {"seconds": seconds})

    def set_fault(self, kind: Kind, path: str = ".*", **rule: Any) -> Fault:
        """Puts a fault in force; see `service.sandbox.faults.Fault`."""
        return self._ask("POST", "/faults", Fault, {"kind": kind, "path": path, **rule})

    def clear_faults(self) -> None:
        self._ask("DELETE", "/faults", dict[str, Any])

    def remove_fault(self, fault: int) -> None:
        """Takes one rule out of force."""
        self._ask("DELETE", f"/faults?id={fault}", dict[str, Any])

    def faults(self) -> list[Fault]:
        return self._ask("GET", "/faults", list[Fault])

    def calls(self, path: str = "", method: str | None = None) -> list[Entry]:
        """Requests to the sandbox's GitLab whose raw path contains `path`, oldest first."""
        query = f"?path={quote(path, safe='')}" + (f"&method={method}" if method else "")
        return self._ask("GET", f"/calls{query}", Calls).calls

    def forget_calls(self) -> None:
        self._ask("DELETE", "/calls", dict[str, Any])

    def deliveries(self, kind: str = "") -> list[DeliveryView]:
        """Webhooks in the order of their events; `kind` as `push`, `pipeline:success` …"""
        found = self._ask("GET", "/deliveries", list[DeliveryView])
        return [delivery for delivery in found if delivery.kind.startswith(kind)]

    def resend(self, delivery: str | int) -> int:
        """Sends a delivery again, with its `Idempotency-Key`; the receiver's status."""
        return int(self._ask("POST", f"/deliveries/{delivery}/resend", dict[str, Any])["status"])

    def samples(self) -> list[str]:
        return self._ask("GET", "/samples", list[str])

    def wait(self, look: Callable[[], T | None], seconds: float = 20.0, what: str = "") -> T:
        """Asks `look` until it answers something true. Raises `TimeoutError` at the deadline."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(0.05)
        raise TimeoutError(f"not within {seconds:g} s: {what or look}")
