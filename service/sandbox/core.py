"""The sandbox as one object: the state and the parts that act on it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from service.sandbox.faults import Faults
from service.sandbox.forge import Forge
from service.sandbox.hooks import Courier
from service.sandbox.journal import Journal
from service.sandbox.pipelines import Runner
from service.sandbox.refusal import message
from service.sandbox.repository import ZERO, Author, Blob, Change
from service.sandbox.state import Hook, Project, Role, User, now

GITLAB_VERSION = "18.8.0"


class SandboxOptions(msgspec.Struct, kw_only=True, frozen=True):
    """How a sandbox starts. Tokens that are None are made up; `seed` fixes every chance event."""

    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    """Token of the service's bot: scope `api`, Maintainer of every project."""
    admin_token: str | None = None
    pipeline_seconds: float = 1.0
    journal: Path | None = None
    system_hook: str | None = None
    secret: str | None = None
    signing_token: str | None = None
    seed: int = 1


class Sandbox:
    """One GitLab instance in memory. Use it from the event loop that serves it."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self.tasks: set[asyncio.Task[None]] = set()
        self.forge = Forge(url=f"http://{options.host}:{options.port}")
        self.journal = Journal(options.journal)
        self.faults = Faults(options.seed)
        self.courier = Courier(self.forge, options.seed)
        self.runner = Runner(self.forge, self.courier, options.pipeline_seconds)
        root = self.forge.add_user("root", admin=True)
        self.bot = self.forge.add_user("devops-backend", bot=True)
        self.person = self.forge.add_user("dev")
        admin = frozenset({"api", "admin_mode"})
        self.admin_token = self.forge.add_token(root, admin, options.admin_token)
        self.token = self.forge.add_token(self.bot, frozenset({"api"}), options.token)
        if options.system_hook:
            number = self.forge.next_id("hook")
            self.forge.system_hooks[number] = Hook(
                number,
                options.system_hook,
                token=options.secret,
                signing_token=options.signing_token,
                push_events=False,
            )

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Carries something out in the background, until the sandbox closes."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def close(self) -> None:
        """Stops pipelines and deliveries, then closes the journal."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.runner.close()
        await self.courier.close()
        self.journal.close()

    def create_project(
        self, path: str, owner: User | None = None, bot_role: Role = Role.MAINTAINER
    ) -> Project:
        """A new empty project; the instance's hooks hear `project_create`. Raises `Refusal` 400."""
        project = self.forge.add_project(path, owner or self.person)
        if bot_role is not Role.NONE:
            project.members[self.bot.id] = bot_role
        self.courier.project_event(project, "project_create")
        return project

    def push(
        self,
        project: Project,
        user: User,
        files: Mapping[str, Blob | None],
        *,
        branch: str | None = None,
        text: str = "Add sources",
        quiet: bool = False,
    ) -> Change:
        """A `git push` of one commit over the branch's head; a None file is removed.

        `quiet` is how an import fills a repository: no hook, no pipeline.
        """
        repository = project.repository
        target = branch or repository.default_branch
        parent = repository.resolve(target) or repository.resolve(None)
        merged = dict(parent.files) if parent else {}
        for path, blob in files.items():
            if blob is None:
                merged.pop(path, None)
            else:
                merged[path] = blob
        author = Author(user.name, user.email)
        change = repository.commit(target, merged, text, author, parent.sha if parent else None)
        self.settle(project, user, [change], quiet=quiet)
        return change

    def delete_branch(self, project: Project, user: User, branch: str) -> None:
        """Removes a branch and tells the hooks. Raises `Refusal` 400 for the default branch."""
        if branch == project.repository.default_branch:
            raise message(400, "Cannot remove HEAD branch")
        before = project.repository.branches.pop(branch)
        self.settle(project, user, [Change(before, ZERO, f"refs/heads/{branch}")])

    def settle(
        self, project: Project, user: User, changes: Sequence[Change], quiet: bool = False
    ) -> None:
        """Everything GitLab does after refs moved: protect the first branch, pipelines, hooks."""
        if len(project.repository.branches) == 1 and not project.protected:
            project.protected[project.repository.default_branch] = Role.MAINTAINER
        if quiet:
            return
        project.updated_at = now()
        for change in changes:
            self.runner.pushed(project, user, change)
        self.courier.push(project, user, changes)
