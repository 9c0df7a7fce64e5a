"""What GitLab tells of CI: pipelines, jobs, runners, variables, its linter. See gitlab_types.py."""

from __future__ import annotations

import msgspec


class ServerLint(msgspec.Struct, frozen=True):
    """What GitLab's own CI lint says. An invalid file is a normal answer."""

    valid: bool
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class PipelineRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the list of pipelines: enough to know that there is one."""

    id: int
    iid: int | None = None
    status: str
    sha: str = ""
    ref: str = ""
    source: str | None = None
    web_url: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The latest attempt of a job. `duration` is seconds, None where it never ran; `timed` is false
    where GitLab tells none at all."""

    id: int
    name: str
    stage: str
    status: str
    duration: float | None = None
    timed: bool = True
    allow_failure: bool = False
    failure_reason: str | None = None


class Tests(msgspec.Struct, frozen=True):
    """Sums over all JUnit reports of a pipeline."""

    total: int = 0
    success: int = 0
    failed: int = 0
    error: int = 0
    skipped: int = 0

    @property
    def executed(self) -> int:
        """Tests that ran, whatever their end."""
        return self.success + self.failed + self.error


class Image(msgspec.Struct, frozen=True):
    """An image in GitLab's own registry: its path below the project, and its layers' bytes."""

    path: str
    size: int


class PipelineState(msgspec.Struct, frozen=True, kw_only=True):
    """The truth about a pipeline when it was asked. `tests` is None where nothing was reported.

    `coverage` is per cent, as GitLab averages it over the jobs that tell theirs; None where none
    does. `images` is what `Pipelines.images` told, where it was asked.
    """

    id: int
    iid: int | None = None
    status: str
    sha: str
    ref: str
    url: str = ""
    duration: float | None = None
    source: str | None = None
    yaml_errors: str | None = None
    jobs: tuple[Job, ...] = ()
    jobs_told: bool = True
    """False where GitLab keeps its jobs from this token."""
    tests: Tests | None = None
    coverage: float | None = None
    images: tuple[Image, ...] = ()


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """A runner that may take the project's jobs.

    Lists tell neither tags nor access: those are None until the runner itself was asked for.
    """

    id: int
    description: str | None = None
    runner_type: str | None = None
    """instance_type, group_type or project_type."""
    status: str | None = None
    """online, offline, stale or never_contacted."""
    paused: bool | None = False
    tag_list: tuple[str, ...] | None = None
    run_untagged: bool | None = None
    access_level: str | None = None
    """not_protected, or ref_protected for one that takes jobs of protected refs only."""

    @property
    def usable(self) -> bool:
        """True where it is online and takes jobs."""
        return self.status == "online" and not self.paused


class Variable(msgspec.Struct, frozen=True):
    """A CI variable by name; its value is never read."""

    key: str
    protected: bool | None = False
    masked: bool | None = False
