"""Makes pipelines for pushes and merge requests and walks them through GitLab's states.

No command is run. What a job would have done is simulated, and its trace says so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator

from service.sandbox import ci
from service.sandbox.hooks import Courier
from service.sandbox.repository import ZERO, Change, Commit
from service.sandbox.state import Forge, Job, MergeRequest, Pipeline, Project, User, now

FINAL = frozenset({"success", "failed", "canceled", "skipped"})
TEST = re.compile(
    rb"^\s*(?:func Test\w+\(|(?:async )?def test_\w*\(|@Test\b|(?:test|it)\(['\"`])", re.MULTILINE
)
SIMULATED = "simulated by the sandbox: this command was not run"


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
        if self.forge.switches.merge_request_pipelines:
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
        commit = project.repository.resolve(branch)
        name = project.ci_config_path or ".gitlab-ci.yml"
        file = commit.files.get(name) if commit else None
        if commit is None or file is None or project.builds_access_level == "disabled":
            return None
        pipeline = self._draft(project, user, commit, branch, source, before, request)
        variables = variables_for(self.forge, project, commit, branch, source, request)
        try:
            config = ci.parse(file.content.decode("utf-8", "replace"))
            jobs, pipeline.variables = ci.plan(config, variables)
        except ci.FilteredOut:
            return None
        except ci.ConfigError as error:
            pipeline.yaml_errors = "; ".join(error.errors)
            jobs = []
        pipeline.id = self.forge.next_id("pipeline")
        pipeline.iid = self.forge.next_id(f"pipeline of {project.id}")
        project.pipelines[pipeline.id] = pipeline
        if pipeline.yaml_errors is not None:
            self._now(project, pipeline, "failed")
            return pipeline
        pipeline.stages = [s for s in config.stages if any(job.stage == s for job in jobs)]
        pipeline.jobs = [self._job(planned) for planned in jobs]
        if ci.skipped(commit.message):
            for job in pipeline.jobs:
                job.status = "skipped"
            self._now(project, pipeline, "skipped")
            return pipeline
        self.start(project, pipeline)
        return pipeline

    def _draft(
        self,
        project: Project,
        user: User,
        commit: Commit,
        branch: str,
        source: str,
        before: str,
        request: MergeRequest | None,
    ) -> Pipeline:
        ref = f"refs/merge-requests/{request.iid}/head" if request else branch
        iid = request.iid if request else None
        return Pipeline(0, 0, commit.sha, before, ref, branch, source, user, merge_request=iid)

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
        )

    def _now(self, project: Project, pipeline: Pipeline, status: str) -> None:
        """Enters a state and tells the hooks."""
        pipeline.status = status
        pipeline.updated_at = now()
        if status in FINAL:
            pipeline.finished_at = pipeline.updated_at
            if pipeline.started_at is not None:
                spent = pipeline.finished_at - pipeline.started_at
                pipeline.duration = max(1, round(spent.total_seconds()))
        self.courier.pipeline(project, pipeline)

    # -- the walk

    def start(self, project: Project, pipeline: Pipeline) -> None:
        """Starts walking, or walking again after a retry."""
        task = asyncio.create_task(self._walk(project, pipeline))
        self.tasks[pipeline.id] = task
        task.add_done_callback(lambda done: self._forget(pipeline.id, done))

    def _forget(self, key: int, done: asyncio.Task[None]) -> None:
        if self.tasks.get(key) is done:
            del self.tasks[key]

    async def _walk(self, project: Project, pipeline: Pipeline) -> None:
        outcome = project.outcome
        target = target_job(pipeline, outcome.job)
        await asyncio.sleep(self.seconds * 0.1)
        self._now(project, pipeline, "pending")
        for job in pipeline.latest_jobs():
            if job.status == "created":
                job.status = "pending" if outcome.kind == "hang" else "created"
        if outcome.kind == "hang":
            return
        await asyncio.sleep(self.seconds * 0.1)
        pipeline.started_at = pipeline.started_at or now()
        self._now(project, pipeline, "running")
        if outcome.kind == "manual" and target is not None:
            target.when, target.allow_failure = "manual", False
        failing = target if outcome.kind in ("fail", "flaky") else None
        cancel = outcome.kind == "cancel"
        await self._run_jobs(pipeline, failing, cancel)
        self._finish(project, pipeline, cancel)
        if outcome.kind == "flaky" and pipeline.status == "failed":
            await asyncio.sleep(self.seconds * 0.2)
            self.retry_failed(pipeline)
            self._now(project, pipeline, "running")
            await self._run_jobs(pipeline, None, False)
            self._finish(project, pipeline, False)

    async def _run_jobs(self, pipeline: Pipeline, failing: Job | None, cancel: bool) -> None:
        """Runs jobs in waves: all that are ready together, until none is."""
        waves = len(pipeline.stages) or 1
        tick = self.seconds * 0.8 / waves
        while ready := ready_jobs(pipeline):
            for job in ready:
                job.status, job.started_at = "running", now()
            await asyncio.sleep(tick)
            for job in ready:
                job.finished_at = now()
                spent = job.finished_at - (job.started_at or job.finished_at)
                job.duration = round(max(spent.total_seconds(), 0.001), 6)
                job.status = "success"
                if job is failing:
                    job.status, job.failure_reason = "failed", "script_failure"
                elif cancel:
                    job.status = "canceled"
            pipeline.tests = count_tests(pipeline, self.forge)

    def _finish(self, project: Project, pipeline: Pipeline, cancel: bool) -> None:
        """What waits for ever is skipped; then the pipeline's state follows from its jobs."""
        blocked, broken = False, _broken(pipeline)
        for job in pipeline.latest_jobs():
            if job.status == "created" and job.when == "manual" and not (cancel or broken):
                job.status = "manual"
                blocked = blocked or not job.allow_failure
        for job in pipeline.latest_jobs():
            if job.status == "created" and not blocked:
                job.status = "canceled" if cancel else "skipped"
        if cancel:
            self._now(project, pipeline, "canceled")
        elif broken:
            self._now(project, pipeline, "failed")
        else:
            self._now(project, pipeline, "manual" if blocked else "success")

    def retry_failed(self, pipeline: Pipeline) -> list[Job]:
        """New attempts of what failed or was cancelled; what was skipped waits again."""
        fresh = [
            self.retry(pipeline, job)
            for job in pipeline.latest_jobs()
            if job.status in ("failed", "canceled")
        ]
        for job in pipeline.latest_jobs():
            if job.status == "skipped":
                job.status = "created"
        return fresh

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
        )
        pipeline.jobs.insert(pipeline.jobs.index(job) + 1, fresh)
        return fresh

    def cancel(self, project: Project, pipeline: Pipeline) -> None:
        """Cancels a pipeline that has not ended."""
        task = self.tasks.pop(pipeline.id, None)
        if task is not None:
            task.cancel()
        for job in pipeline.latest_jobs():
            if job.status not in FINAL:
                job.status = "canceled"
        if pipeline.status not in FINAL:
            self._now(project, pipeline, "canceled")


def open_requests(project: Project, branch: str) -> Iterator[MergeRequest]:
    """Open merge requests from `branch`."""
    for request in project.merge_requests.values():
        if request.state == "opened" and request.source_branch == branch:
            yield request


def target_job(pipeline: Pipeline, name: str | None) -> Job | None:
    """The job an outcome is about: by name, else the first of stage test, else the first."""
    jobs = pipeline.latest_jobs()
    wanted: list[Callable[[Job], bool]] = [lambda job: job.name == name]
    if name is None:
        wanted = [lambda job: job.stage == "test", lambda job: True]
    for wants in wanted:
        for job in jobs:
            if wants(job):
                return job
    return None


def _broken(pipeline: Pipeline) -> bool:
    return any(job.status == "failed" and not job.allow_failure for job in pipeline.latest_jobs())


def ready_jobs(pipeline: Pipeline) -> list[Job]:
    """Jobs whose predecessors (by `needs`, else by stage) ended so that they may start."""
    jobs = pipeline.latest_jobs()
    order = {stage: index for index, stage in enumerate(pipeline.stages)}
    ready = []
    for job in jobs:
        if job.status != "created" or job.when in ("manual", "never"):
            continue
        if job.needs is not None:
            before = [other for other in jobs if other.name in job.needs]
        else:
            before = [other for other in jobs if order[other.stage] < order[job.stage]]
        if _may_start(job, before):
            ready.append(job)
    return ready


def _may_start(job: Job, before: list[Job]) -> bool:
    optional_manual = [j for j in before if j.when == "manual" and j.allow_failure]
    waiting = [j for j in before if j.status not in FINAL and j not in optional_manual]
    failed = [j for j in before if j.status == "failed" and not j.allow_failure]
    if job.when == "on_failure":
        # A job after a failure never starts; it must not hold back the one that reports it.
        return bool(failed)
    if job.when == "always":
        return not waiting
    broken = failed or any(j.status in ("canceled", "skipped") for j in before)
    return not waiting and not broken


def count_tests(pipeline: Pipeline, forge: Forge) -> dict[str, int]:
    """Counts for the test report: test functions in the sources, per finished job with a report."""
    total = failed = 0
    for job in pipeline.latest_jobs():
        if job.junit and job.status in ("success", "failed"):
            found = _tests_at(pipeline, forge)
            total += found
            failed += 1 if job.status == "failed" and found else 0
    return {"total": total, "failed": failed}


def _tests_at(pipeline: Pipeline, forge: Forge) -> int:
    for project in forge.all():
        if project.pipelines.get(pipeline.id) is pipeline:
            files = project.repository.commits[pipeline.sha].files
            return sum(len(TEST.findall(blob.content)) for blob in files.values())
    return 0


def trace(job: Job) -> str:
    """A job's log: each command, and that it was not run."""
    if job.started_at is None:
        return ""
    lines = [f"Running with simulated-runner of the sandbox, job {job.name} ({job.id})"]
    for command in job.script:
        lines += [f"$ {command}", SIMULATED]
    end = {"success": "Job succeeded", "failed": "ERROR: Job failed: exit code 1"}
    return "\n".join([*lines, end.get(job.status, f"Job is {job.status}"), ""])


def variables_for(
    forge: Forge,
    project: Project,
    commit: Commit,
    branch: str,
    source: str,
    request: MergeRequest | None,
) -> dict[str, str]:
    """GitLab's predefined variables that rules ask for, and the project's own."""
    protected = project.is_protected(branch)
    known = {
        "CI": "true",
        "GITLAB_CI": "true",
        "CI_COMMIT_SHA": commit.sha,
        "CI_COMMIT_SHORT_SHA": commit.sha[:8],
        "CI_COMMIT_MESSAGE": commit.message,
        "CI_COMMIT_TITLE": commit.title,
        "CI_COMMIT_REF_NAME": branch,
        "CI_COMMIT_REF_SLUG": re.sub(r"[^a-z0-9]+", "-", branch.lower()).strip("-")[:63],
        "CI_COMMIT_REF_PROTECTED": "true" if protected else "false",
        "CI_DEFAULT_BRANCH": project.repository.default_branch,
        "CI_PIPELINE_SOURCE": source,
        "CI_PROJECT_ID": str(project.id),
        "CI_PROJECT_NAME": project.path,
        "CI_PROJECT_PATH": project.full_path,
        "CI_PROJECT_NAMESPACE": project.namespace,
        "CI_SERVER_URL": forge.url,
        "CI_API_V4_URL": f"{forge.url}/api/v4",
    }
    if request is None:
        known["CI_COMMIT_BRANCH"] = branch
    else:
        known["CI_MERGE_REQUEST_IID"] = str(request.iid)
        known["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"] = request.source_branch
        known["CI_MERGE_REQUEST_TARGET_BRANCH_NAME"] = request.target_branch
    requests = [f"{project.full_path}!{r.iid}" for r in open_requests(project, branch)]
    if requests:
        known["CI_OPEN_MERGE_REQUESTS"] = ",".join(requests[:4])
    for variable in project.variables.values():
        if protected or not variable.protected:
            known[variable.key] = variable.value
    return known
