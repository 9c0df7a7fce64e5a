"""A sweep at work: its parts, its clock, what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

from workers.clients.gitlab_types import DEVELOPER
from workers.errors import NotFound, Rejected, Retryable
from workers.store.schema import installed_at
from workers.store.sweeps import FINDINGS_MAX, Finding, Pass
from workers.wiring import Parts


class Sweep:
    """What the phases share. `clock` gives Unix ms."""

    def __init__(
        self, parts: Parts, at: Pass, token: str, deadline: float, clock: Callable[[], int]
    ) -> None:
        self.parts = parts
        self.at = at
        self.now = clock()
        self._token = token
        self._deadline = deadline
        self._calls = parts.gitlab.calls

    def over(self) -> bool:
        """Whether this part has had its time."""
        return time.monotonic() > self._deadline

    def keep(self) -> None:
        """Write down how far it is. Raises Retryable where another process has taken over."""
        self.at.calls += self.parts.gitlab.calls - self._calls
        self._calls = self.parts.gitlab.calls
        if not self.parts.sweeps.renew(self._token):
            raise Retryable("another process sweeps")
        self.parts.sweeps.save(self.at)

    def found(
        self, kind: str, project: int, path: str, what: str, *, done: str = "", fix: str = ""
    ) -> None:
        """Report something."""
        if len(self.at.findings) >= FINDINGS_MAX:
            self.at.unlisted += 1
            return
        self.at.findings.append(
            Finding(kind=kind, project=project, path=path, found=what, done=done, fix=fix)
        )

    @contextmanager
    def refusals(self, project: int, path: str) -> Iterator[None]:
        """GitLab saying no about one project is a finding, and ends nothing. What is gone is gone.

        A refused token is no matter of one project: 401 is raised.
        """
        try:
            yield
        except NotFound:
            return
        except Rejected as error:
            if error.status == 401:
                raise
            self.found("refused", project, path, str(error), fix="see the reason")

    @cached_property
    def access(self) -> int | None:
        """What the token's user needs in a project for it to be ours to serve: Developer; an
        administrator serves all."""
        return None if self.parts.gitlab.me().is_admin else DEVELOPER

    @cached_property
    def installed(self) -> int:
        """Unix ms: projects from before are not begun unasked."""
        return installed_at(self.parts.redis)
