"""Makes pipelines for pushes and merge requests and walks them through GitLab's states."""

from __future__ import annotations

import asyncio

from service.sandbox import ci, walk
from service.sandbox.ci_config import ConfigError, parse
from service.sandbox.forge import Forge
from service.sandbox.hooks import Courier
from service.sandbox.repository import ZERO, Change, Commit
from service.sandbox.state import Job, MergeRequest, Pipeline, Project, User, now
from service.sandbox.variables import open_requests, variables_for


class Runner:
    """Creates pipelines and moves each one in a task of its own, `seconds` from start to end."""

    def __init__(self, forge: Forge, courier: Courier, seconds: float) -> None:
        self.forge = forge
        self.courier = courier
        self.seconds = seconds
        self.tasks: dict[int, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Stops every walk."""
        tasks = list(self.tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- creation

    def pushed(self, project: Project, user: User, change: Change) -> None:
        """What GitLab does after a push to a branch: a push pipeline, and one per open request."""
        if change.after == ZERO:
            return
        branch = change.ref.removeprefix("refs/heads/")
        self.create(project, user, branch, "push", before=change.before)
        for request in open_requests(project, branch):
            self.for_request(project, user, request)

    def for_request(self, project: Project, user: User, request: MergeRequest) -> None:
        """A merge request pipeline at the head of its source branch, where switched on."""
        if self.forge.switches.merge_request_pipelines and request.state == "opened":
            branch = request.source_branch
            self.create(project, user, branch, "merge_request_event", request=request)

    def create(
        self,
        project: Project,
        user: User,
        branch: str,
        source: str,
        *,
        before: str = ZERO,
        request: MergeRequest | None = None,
    ) -> Pipeline | None:
        """The pipeline, or None where GitLab would make none (no file, CI off, filtered out)."""
        commit = project.repository.resolve(f"refs/heads/{branch}")
        text = _config(project, commit) if commit else None
        if commit is None or text is None:
            return None
        variables = variables_for(self.forge, project, commit, branch, source, request)
        stages: list[str] = []
        jobs: list[ci.PlannedJob] = []
        errors: str | None = None
        try:
            config = parse(text)
            jobs = ci.plan(config, variables, commit.files)
            stages = [stage for stage in config.stages if any(job.stage == stage for job in jobs)]
        except ci.FilteredOut:
            return None
        except ConfigError as error:
            errors = "; ".join(error.errors)
        pipeline = Pipeline(
            self.forge.next_id("pipeline"),
            self.forge.next_id(f"pipeline of {project.id}"),
            commit.sha,
            before,
            f"refs/merge-requests/{request.iid}/head" if request else branch,
            branch,
            source,
            user,
            stages,
            [self._job(planned) for planned in jobs],
            yaml_errors=errors,
            merge_request=request.iid if request else None,
        )
        project.pipelines[pipeline.id] = pipeline
        self._begin(project, pipeline, commit)
        return pipeline

    def _begin(self, project: Project, pipeline: Pipeline, commit: Commit) -> None:
        """A faulty file fails at once, a commit that asks for it is skipped, the rest walks."""
        if pipeline.yaml_errors is not None:
            self._enter(project, pipeline, "failed")
        elif ci.skipped(commit.message):
            for job in pipeline.jobs:
                job.status = "skipped"
            self._enter(project, pipeline, "skipped")
        else:
            self.start(project, pipeline)

    def _job(self, planned: ci.PlannedJob) -> Job:
        return Job(
            self.forge.next_id("job"),
            planned.name,
            planned.stage,
            planned.script,
            planned.needs,
            when=planned.when,
            allow_failure=planned.allow_failure,
            junit=planned.junit,
            coverage=planned.coverage,
            tags=planned.tags,
        )

    def _enter(self, project: Project, pipeline: Pipeline, status: str) -> None:
        """Enters a state and tells the hooks."""
        pipeline.status = status
        pipeline.updated_at = now()
        if status in walk.FINAL:
            pipeline.finished_at = pipeline.updated_at
            if pipeline.started_at is not None:
                spent = pipeline.finished_at - pipeline.started_at
                pipeline.duration = max(1, round(spent.total_seconds()))
        self.courier.pipeline(project, pipeline)

    # -- the walk

    def start(self, project: Project, pipeline: Pipeline) -> None:
        """Starts walking, or walking again after a retry."""
        previous = self.tasks.get(pipeline.id)
        if previous is not None:
            previous.cancel()
        task = asyncio.create_task(self._walk(project, pipeline))
        self.tasks[pipeline.id] = task
        task.add_done_callback(lambda done: self._forget(pipeline.id, done))

    def _forget(self, key: int, done: asyncio.Task[None]) -> None:
        if self.tasks.get(key) is done:
            del self.tasks[key]

    async def _walk(self, project: Project, pipeline: Pipeline) -> None:
        outcome = project.outcome
        await asyncio.sleep(self.seconds * 0.1)
        self._enter(project, pipeline, "pending")
        if outcome.kind == "hang" or not _picked_up(project, pipeline):
            for job in walk.advance(pipeline):
                job.status = "pending"
            return
        await asyncio.sleep(self.seconds * 0.1)
        pipeline.started_at = pipeline.started_at or now()
        self._enter(project, pipeline, "running")
        target = walk.target_job(pipeline, outcome.job)
        if outcome.kind == "manual" and target is not None and target.status == "created":
            target.when, target.allow_failure = "manual", False
        failing = target if outcome.kind in ("fail", "flaky") else None
        await self._run_jobs(project, pipeline, failing, outcome.kind == "cancel")
        if outcome.kind == "flaky" and pipeline.status == "failed":
            await asyncio.sleep(self.seconds * 0.2)
            self.retry_failed(pipeline)
            self._enter(project, pipeline, "running")
            await self._run_jobs(project, pipeline, None, False)

    async def _run_jobs(
        self, project: Project, pipeline: Pipeline, failing: Job | None, cancel: bool
    ) -> None:
        """Runs jobs in waves, all that are ready together, then enters the state they lead to."""
        tick = self.seconds * 0.8 / max(1, len(pipeline.stages))
        while ready := walk.advance(pipeline):
            walk.start_jobs(ready)
            await asyncio.sleep(tick)
            walk.end_jobs(ready, failing, cancel)
            if cancel:
                break
        files = project.repository.commits[pipeline.sha].files
        pipeline.tests = walk.count_tests(pipeline, files)
        self._enter(project, pipeline, walk.verdict(pipeline, cancel))

    # -- what a person does

    def retry_failed(self, pipeline: Pipeline) -> list[Job]:
        """New attempts of what failed or was cancelled; what was skipped waits again."""
        ended = [job for job in pipeline.latest_jobs() if job.status in ("failed", "canceled")]
        return [self.retry(pipeline, job) for job in ended]

    def retry(self, pipeline: Pipeline, job: Job) -> Job:
        """A new attempt of one job; the old one is kept and marked."""
        job.retried = True
        fresh = Job(
            self.forge.next_id("job"),
            job.name,
            job.stage,
            job.script,
            job.needs,
            when=job.when,
            allow_failure=job.allow_failure,
            junit=job.junit,
            coverage=job.coverage,
        )
        pipeline.jobs.insert(pipeline.jobs.index(job) + 1, fresh)
        self.wake(pipeline)
        return fresh

    def wake(self, pipeline: Pipeline) -> None:
        """Jobs that were skipped wait again, because one before them starts anew."""
        for job in pipeline.latest_jobs():
            if job.status == "skipped":
                job.status = "created"

    def cancel(self, project: Project, pipeline: Pipeline) -> None:
        """Cancels a pipeline that has not ended."""
        task = self.tasks.pop(pipeline.id, None)
        if task is not None:
            task.cancel()
        if pipeline.status not in walk.FINAL:
            self._enter(project, pipeline, walk.verdict(pipeline, True))


def _config(project: Project, commit: Commit) -> str | None:
    """The text of the project's CI file at a commit; None without one, or with CI switched off."""
    blob = commit.files.get(project.ci_config_path or ".gitlab-ci.yml")
    if blob is None or project.builds_access_level == "disabled" or project.archived:
        return None
    return blob.content.decode("utf-8", "replace")


def _picked_up(project: Project, pipeline: Pipeline) -> bool:
    """Whether the project's runners take every job; one that waits holds up the whole."""
    if project.runners is None:
        return True
    protected = project.is_protected(pipeline.branch)
    return all(
        any(runner.takes(job.tags, protected) for runner in project.runners)
        for job in pipeline.jobs
    )
