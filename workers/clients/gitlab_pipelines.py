"""The truth about pipelines: one GraphQL query, REST where that is refused or says too little."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from workers.clients.gitlab_ci_types import (
    Job,
    PipelineRow,
    PipelineState,
    Runner,
    Tests,
    Variable,
)
from workers.clients.gitlab_registry import Registry
from workers.clients.gitlab_repository import MAX_PAGES
from workers.errors import Denied, NotFound, Rejected

_QUERY = """query($p:ID!,$i:CiPipelineID!){project(fullPath:$p){pipeline(id:$i){
 iid status sha ref source path duration coverage
 jobs(first:100,retried:false){pageInfo{hasNextPage}
  nodes{id name status duration allowFailure stage{name}}}
 testReportSummary{total{count success failed error skipped}}}}}"""
MAX_TRACE = 4 * 1024 * 1024


class _Detail(msgspec.Struct):
    id: int
    status: str
    sha: str
    ref: str
    iid: int | None = None
    web_url: str = ""
    duration: float | None = None
    source: str | None = None
    yaml_errors: str | None = None
    coverage: float | None = None


class _Total(msgspec.Struct):
    count: int = 0
    success: int = 0
    failed: int = 0
    error: int = 0
    skipped: int = 0

    def tests(self) -> Tests | None:
        """None where no report came: GitLab then sums up zeros."""
        if not self.count:
            return None
        return Tests(self.count, self.success, self.failed, self.error, self.skipped)


class _Summary(msgspec.Struct):
    total: _Total = msgspec.field(default_factory=_Total)


class _Job(msgspec.Struct):
    id: int
    name: str
    stage: str
    status: str
    duration: float | msgspec.UnsetType | None = msgspec.UNSET
    allow_failure: bool | None = False
    failure_reason: str | None = None


class _Stage(msgspec.Struct):
    name: str = ""


class _JobNode(msgspec.Struct, rename="camel"):
    id: str | None
    name: str | None
    status: str | None
    duration: float | None = None
    allow_failure: bool = False
    stage: _Stage | None = None

    def job(self) -> Job:
        number = (self.id or "").rpartition("/")[2]
        return Job(
            id=int(number) if number.isdigit() else 0,
            name=self.name or "",
            stage=self.stage.name if self.stage else "",
            status=(self.status or "created").lower(),
            duration=self.duration,
            allow_failure=self.allow_failure,
        )


class _PageInfo(msgspec.Struct, rename="camel"):
    has_next_page: bool = False


class _Jobs(msgspec.Struct, rename="camel"):
    nodes: list[_JobNode]
    page_info: _PageInfo = msgspec.field(default_factory=_PageInfo)


class _Node(msgspec.Struct, rename="camel"):
    status: str
    sha: str
    ref: str
    jobs: _Jobs
    iid: int | None = None
    source: str | None = None
    path: str | None = None
    duration: float | None = None
    coverage: float | None = None
    test_report_summary: _Summary | None = None


class Pipelines(Registry):
    """Pipelines, jobs and what they need."""

    def pipelines(self, project_id: int, sha: str) -> tuple[PipelineRow, ...]:
        """Pipelines of a commit, newest first, children left out. For polls only."""
        answer = self.get("/projects/{}/pipelines", project_id, sha=sha, per_page=100)
        return tuple(answer.decode(list[PipelineRow]))

    def pipeline(
        self, project_path: str, project_id: int, pipeline_id: int, sha: str
    ) -> PipelineState:
        """A pipeline with its jobs' latest attempts and the sums of its test reports, as of now.

        One GraphQL query; REST where GraphQL is refused, answers null or knows too little (an
        older GitLab), and for the jobs of a failed pipeline: GraphQL does not tell
        `failure_reason`. `sha` is its commit: a pipeline that is only listed is found by it.
        Raises NotFound.
        """
        state = self._by_graphql(project_path, pipeline_id)
        if state is None:
            return self._by_rest(project_id, pipeline_id, sha)
        if state.status != "failed":
            return state
        detail = self._detail(project_id, pipeline_id, sha) if not state.jobs else None
        return msgspec.structs.replace(
            state,
            jobs=(self._jobs(project_id, pipeline_id) or state.jobs) if state.jobs else (),
            yaml_errors=detail.yaml_errors if detail else None,
        )

    def _by_graphql(self, project_path: str, pipeline_id: int) -> PipelineState | None:
        variables = {"p": project_path, "i": f"gid://gitlab/Ci::Pipeline/{pipeline_id}"}
        try:
            answer = self.graphql(_QUERY, variables)
        except Rejected:
            return None
        found = None if answer.errors else _inside(answer.data, "project", "pipeline")
        try:
            node = msgspec.convert(found, _Node, strict=False)
        except msgspec.ValidationError:
            return None
        if node.jobs.page_info.has_next_page:
            return None
        summary = node.test_report_summary
        return PipelineState(
            id=pipeline_id,
            iid=node.iid,
            status=node.status.lower(),
            sha=node.sha,
            ref=node.ref,
            url=f"{self._origin()}{node.path}" if node.path else "",
            duration=node.duration,
            source=node.source,
            coverage=node.coverage,
            jobs=_in_order(job.job() for job in node.jobs.nodes),
            tests=summary.total.tests() if summary else None,
        )

    def _by_rest(self, project_id: int, pipeline_id: int, sha: str) -> PipelineState:
        detail = self._detail(project_id, pipeline_id, sha)
        jobs = self._jobs(project_id, pipeline_id)
        return PipelineState(
            id=detail.id,
            iid=detail.iid,
            status=detail.status,
            sha=detail.sha,
            ref=detail.ref,
            url=detail.web_url,
            duration=detail.duration,
            source=detail.source,
            yaml_errors=detail.yaml_errors,
            coverage=detail.coverage,
            jobs=jobs or (),
            jobs_told=jobs is not None,
            tests=self._tests(project_id, pipeline_id),
        )

    def _detail(self, project_id: int, pipeline_id: int, sha: str) -> _Detail:
        try:
            answer = self.get("/projects/{}/pipelines/{}", project_id, pipeline_id)
        except NotFound:
            for row in self.pipelines(project_id, sha):
                if row.id == pipeline_id:
                    return msgspec.convert(row, _Detail, from_attributes=True)
            raise
        # REST tells coverage as text: "87.5"
        return msgspec.convert(answer.decode(dict[str, Any]), _Detail, strict=False)

    def _jobs(self, project_id: int, pipeline_id: int) -> tuple[Job, ...] | None:
        """Their latest attempts; None where the token may not see them."""
        try:
            return self._all_jobs(project_id, pipeline_id)
        except (NotFound, Denied):
            return None

    def _all_jobs(self, project_id: int, pipeline_id: int) -> tuple[Job, ...]:
        jobs: list[Job] = []
        for page in range(1, MAX_PAGES + 1):
            template = "/projects/{}/pipelines/{}/jobs"
            answer = self.get(template, project_id, pipeline_id, per_page=100, page=page)
            for row in answer.decode(list[_Job]):
                fields = msgspec.structs.asdict(row)
                fields["allow_failure"] = bool(row.allow_failure)
                if row.duration is msgspec.UNSET:
                    fields |= {"duration": None, "timed": False}
                jobs.append(Job(**fields))
            if not answer.headers.get("x-next-page"):
                break
        return _in_order(jobs)

    def _tests(self, project_id: int, pipeline_id: int) -> Tests | None:
        template = "/projects/{}/pipelines/{}/test_report_summary"
        try:
            answer = self.get(template, project_id, pipeline_id)
        except (NotFound, Denied):
            return None
        found = answer.decode(dict[str, Any]).get("total") or {}
        return msgspec.convert(found, _Total, strict=False).tests()

    def job_trace(self, project_id: int, job_id: int, *, tail: int = 16_384) -> str:
        """The last `tail` bytes of a job's log, within its first 4 MB, as text."""
        answer = self.get("/projects/{}/jobs/{}/trace", project_id, job_id, limit=MAX_TRACE)
        return answer.body[-tail:].decode("utf-8", "replace")

    def runners(self, project_id: int) -> tuple[Runner, ...]:
        """Runners that may take the project's jobs. Raises Denied below Maintainer."""
        answer = self.get("/projects/{}/runners", project_id, per_page=100)
        return tuple(answer.decode(list[Runner]))

    def runner(self, runner_id: int) -> Runner:
        """A runner with its tags. Raises Denied where the token may not see it."""
        return self.get("/runners/{}", runner_id).decode(Runner)

    def variables(self, project_id: int) -> tuple[Variable, ...]:
        """Names of the project's own CI variables, never values. Raises Denied below Maintainer."""
        answer = self.get("/projects/{}/variables", project_id, per_page=100)
        return tuple(answer.decode(list[Variable]))

    def _origin(self) -> str:
        """Scheme and host of GitLab: GraphQL's paths begin at the root, a relative one included."""
        scheme, _, rest = self.base_url.partition("://")
        return f"{scheme}://{rest.partition('/')[0]}"


def _in_order(jobs: Iterable[Job]) -> tuple[Job, ...]:
    """As the file has them: GitLab numbers jobs so, and REST lists them backwards."""
    return tuple(sorted(jobs, key=lambda job: job.id))


def _inside(data: Mapping[str, Any] | None, *names: str) -> Any:
    """The member at `names`, None where any of them is missing or null."""
    found: Any = data
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found
