"""The whole program against a sandbox GitLab, each in processes of their own, over real HTTP."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from service.demo import demo_settings
from service.sandbox.client import SandboxClient
from service.stack import Stack
from tests.support.gitlab import BOT_TOKEN, sandbox
from workers.embedded import free_port

T = TypeVar("T")

QUIET: dict[str, Any] = {"sweep_interval_s": 86400.0}
"""A sweep in the middle of a test would make calls that the test counts."""
WAIT_S = 40.0
"""No step of a run takes seconds; a loaded CI machine may stall for many."""
END = frozenset({"succeeded", "failed", "skipped", "unconfirmed", "error"})
_names = itertools.count(1)


class World(msgspec.Struct, frozen=True):
    """The sandbox from behind the scenes, the running program, and its API."""

    forge: SandboxClient
    gitlab_url: str
    stack: Stack
    api: httpx.Client

    def name(self, stem: str) -> str:
        """A project path that no other test uses."""
        return f"team/{stem}-{next(_names)}"

    def born(self, stem: str = "app", *, sample: str | None = None, **more: Any) -> int:
        """A new project's id; with a first push where a sample or files are given."""
        return self.forge.create_project(self.name(stem), sample=sample, **more).id

    def imported(self, project: int, sample: str) -> None:
        """Fill a project as an import does, without any hook, and wait until it has ended."""
        self.forge.import_project(project, sample=sample, seconds=0.2)
        self.until(lambda: self.forge.project(project).branches, lambda: "the import to end")

    def runs(self, project: int) -> list[dict[str, Any]]:
        """Its runs, newest first."""
        answer = self.api.get("/api/v1/runs", params={"project": project})
        found: list[dict[str, Any]] = answer.raise_for_status().json()["runs"]
        return found

    def run(self, project: int, *states: str, count: int = 1) -> dict[str, Any]:
        """The project's newest run, once it is in one of `states` (default: any end state)."""
        wanted = set(states) or END

        def look() -> dict[str, Any] | None:
            self.stack.check()
            runs = self.runs(project)
            return runs[0] if len(runs) >= count and runs[0]["state"] in wanted else None

        found = self.until(look, lambda: f"{sorted(wanted)}; it has {self.runs(project)}")
        whole: dict[str, Any] = (
            self.api.get(f"/api/v1/runs/{found['id']}").raise_for_status().json()
        )
        return whole

    def until(
        self, look: Callable[[], T | None], what: Callable[[], str], seconds: float = WAIT_S
    ) -> T:
        """What `look` finds, asked again and again. Fails with `what` it waited for."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds:.0f} s: {what()}")

    def quiet(self) -> None:
        """Until nothing is dirty: what could still happen has happened."""

        def look() -> bool:
            lines = self.api.get("/metrics").text.splitlines()
            work = [line for line in lines if line.startswith("devops_backend_projects_with_work{")]
            return len(work) == 2 and all(line.endswith(" 0.0") for line in work)

        self.until(look, lambda: "no project with work")

    def our_commits(self, project: int) -> list[str]:
        """Messages of commits that carry our trailer."""
        commits = self.forge.project(project).commits
        return [c.message for c in commits if "Devops-Backend-Run:" in c.message]

    def calls(self, project: int) -> list[str]:
        """`METHOD path` of the bot's calls about a project, in order."""
        path = self.forge.project(project).path.replace("/", "%2F")
        return [
            f"{call.method} {call.path.removeprefix('/api/v4')}"
            for call in self.forge.calls()
            if f"/projects/{project}" in call.path
            or path in call.path
            or call.path == "/api/graphql"
        ]


@contextmanager
def world(folder: Path, **changes: Any) -> Iterator[World]:
    """Everything up, with the demo's settings but for `changes`."""
    folder.mkdir(parents=True, exist_ok=True)
    with sandbox() as instance:
        base = demo_settings(folder, instance.url, BOT_TOKEN, free_port())
        settings = base.model_copy(
            update={"log_format": "json", "log_level": "info", **QUIET, **changes}
        )
        with Stack(settings) as stack:
            token = stack.made_tokens[0]
            secret = stack.settings.gitlab_webhook_secret[0].get_secret_value()
            hook = {"url": f"{stack.url}/webhooks/gitlab", "token": secret, "push_events": True}
            httpx.post(
                f"{instance.url}/api/v4/hooks", json=hook, trust_env=False,
                headers={"Authorization": f"Bearer {instance.admin_token}"},
            ).raise_for_status()  # fmt: skip
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(
                base_url=stack.url, headers=headers, timeout=30, trust_env=False
            ) as api:
                yield World(instance.control, instance.url, stack, api)


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
