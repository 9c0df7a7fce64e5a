"""Runners: who would pick a job up. Nothing is run by them; the sandbox simulates all jobs."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class CiRunner(msgspec.Struct, kw_only=True):
    """A runner as GitLab knows it. `status` is online, offline, stale or never_contacted."""

    id: int = 1
    description: str = "simulated-runner"
    runner_type: str = "instance_type"
    status: str = "online"
    paused: bool = False
    tags: list[str] = msgspec.field(default_factory=list)
    run_untagged: bool = True
    protected_only: bool = False

    def takes(self, tags: Iterable[str], protected: bool) -> bool:
        """Whether it picks up a job with these tags, on a ref that is protected or not."""
        wanted = set(tags)
        fits = wanted <= set(self.tags) if wanted else self.run_untagged
        awake = self.status == "online" and not self.paused
        return awake and fits and (protected or not self.protected_only)


SIMULATED = CiRunner(tags=["simulated"])
"""The instance's own, which every project has unless it is given others."""
