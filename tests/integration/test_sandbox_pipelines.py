"""The sandbox's pipelines: which are made, how they walk and end, and lint."""

from __future__ import annotations

import itertools
import time

import httpx
import pytest

from service.sandbox.views import PipelineView
from tests.support.gitlab import RunningSandbox

_numbers = itertools.count(1)
NINE = """
stages: [compile, test, quality, notify, learn]
workflow:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS
      when: never
    - if: $CI_COMMIT_BRANCH
compile: {stage: compile, script: [go build ./...]}
unit: {stage: test, needs: [], script: [go test ./...], artifacts: {reports: {junit: r.xml}}}
sonar: {stage: quality, script: [scan], allow_failure: true, rules: [{if: $SONAR_TOKEN}]}
notify_failure: {stage: notify, script: [curl], when: on_failure}
notify_success: {stage: notify, script: [curl], when: on_success}
learn_record: {stage: learn, script: [curl]}
"""
END = ("success", "failed", "canceled", "skipped", "manual")


@pytest.fixture
def project(lab: RunningSandbox) -> int:
    return lab.client.create_project(f"acme/run-{next(_numbers)}", sample="go-hello").id


def ended(lab: RunningSandbox, project: int, number: int = 0, *states: str) -> PipelineView:
    """The project's pipeline of that number once it stands in one of `states`."""

    def look() -> PipelineView | None:
        found = lab.client.pipelines(project)
        ready = len(found) > number and found[number].status in (states or END)
        return found[number] if ready else None

    return lab.client.wait(look, what=f"{states or END}")


def push(
    lab: RunningSandbox,
    project: int,
    text: str = NINE,
    *,
    branch: str | None = None,
    message: str = "Pipeline",
) -> str:
    return lab.client.push(project, {".gitlab-ci.yml": text}, branch=branch, message=message)


def test_a_healthy_pipeline(lab: RunningSandbox, api: httpx.Client, project: int) -> None:
    """It ends well; jobs have durations; what rules leave out is absent; reports count tests."""
    sha = push(lab, project)
    pipeline = ended(lab, project)
    assert (pipeline.sha, pipeline.source, pipeline.status) == (sha, "push", "success")
    assert pipeline.jobs == {
        "compile": "success",
        "unit": "success",
        "notify_failure": "skipped",
        "notify_success": "success",
        "learn_record": "success",
    }
    base = f"/projects/{project}/pipelines/{pipeline.id}"
    body = api.get(base).json()
    assert body["duration"] >= 1 and body["yaml_errors"] is None
    jobs = {job["name"]: job for job in api.get(f"{base}/jobs").json()}
    assert jobs["unit"]["duration"] > 0 and jobs["notify_failure"]["duration"] is None
    total = api.get(f"{base}/test_report_summary").json()["total"]
    assert (total["count"], total["success"], total["failed"]) == (3, 3, 0)
    trace = api.get(f"/projects/{project}/jobs/{jobs['unit']['id']}/trace").text
    assert "$ go test ./..." in trace
    assert "simulated by the sandbox: this command was not run" in trace


def test_a_job_whose_variable_is_set_runs(lab: RunningSandbox, project: int) -> None:
    """A variable of the project lets the job in that asks for it."""
    lab.client.change_project(project, variables={"SONAR_TOKEN": "t"})
    push(lab, project)
    assert ended(lab, project).jobs["sonar"] == "success"


def test_a_failing_job(lab: RunningSandbox, api: httpx.Client, project: int) -> None:
    """What follows is skipped, but for what waits for a failure; the reason is told."""
    lab.client.set_outcome(project, "fail", "unit")
    push(lab, project)
    pipeline = ended(lab, project)
    assert pipeline.status == "failed"
    assert pipeline.jobs == {
        "compile": "success",
        "unit": "failed",
        "notify_failure": "success",
        "notify_success": "skipped",
        "learn_record": "skipped",
    }
    base = f"/projects/{project}/pipelines/{pipeline.id}"
    (unit,) = [job for job in api.get(f"{base}/jobs").json() if job["name"] == "unit"]
    assert unit["failure_reason"] == "script_failure"
    assert api.get(f"{base}/test_report_summary").json()["total"]["failed"] == 1
    lab.client.set_outcome(project, "success")
    assert api.post(f"/projects/{project}/jobs/{unit['id']}/retry").status_code == 201
    healed = ended(lab, project, 0, "success")
    assert healed.jobs["unit"] == "success" and healed.jobs["learn_record"] == "success"
    retried = api.get(f"{base}/jobs", params={"include_retried": "true"}).json()
    assert sum(job["name"] == "unit" for job in retried) == 2


def test_a_failure_that_is_allowed(lab: RunningSandbox, project: int) -> None:
    """The pipeline succeeds with a failed job in it."""
    lab.client.change_project(project, variables={"SONAR_TOKEN": "t"})
    lab.client.set_outcome(project, "fail", "sonar")
    push(lab, project)
    pipeline = ended(lab, project)
    assert (pipeline.status, pipeline.jobs["sonar"]) == ("success", "failed")


def test_success_after_a_retry(lab: RunningSandbox, project: int) -> None:
    """A flaky pipeline is failed first and then succeeds under the same id."""
    lab.client.set_outcome(project, "flaky", "compile")
    push(lab, project)
    assert ended(lab, project, 0, "success").jobs["compile"] == "success"


@pytest.mark.parametrize(("kind", "status"), [("cancel", "canceled"), ("manual", "manual")])
def test_other_ends(lab: RunningSandbox, project: int, kind: str, status: str) -> None:
    """Cancelled, and blocked by a manual job."""
    lab.client.set_outcome(project, kind, "compile")
    push(lab, project)
    pipeline = ended(lab, project)
    assert pipeline.status == status
    assert pipeline.jobs["compile"] == status
    assert "success" not in (pipeline.jobs["learn_record"], pipeline.jobs["notify_success"])


def test_a_blocked_pipeline_goes_on_when_played(
    lab: RunningSandbox, api: httpx.Client, project: int
) -> None:
    """Playing the manual job lets everything after it run."""
    lab.client.set_outcome(project, "manual", "compile")
    push(lab, project)
    pipeline = ended(lab, project, 0, "manual")
    lab.client.set_outcome(project, "success")
    jobs = api.get(f"/projects/{project}/pipelines/{pipeline.id}/jobs").json()
    (manual,) = [job for job in jobs if job["status"] == "manual"]
    assert api.post(f"/projects/{project}/jobs/{manual['id']}/play").status_code == 200
    assert ended(lab, project, 0, "success").jobs["learn_record"] == "success"


def test_without_a_runner_it_hangs(lab: RunningSandbox, api: httpx.Client, project: int) -> None:
    """Pending for good, until somebody cancels it; the project has no runner."""
    lab.client.set_outcome(project, "hang")
    push(lab, project)
    pipeline = ended(lab, project, 0, "pending")
    assert api.get(f"/projects/{project}/runners").json() == []
    assert api.post(f"/projects/{project}/pipelines/{pipeline.id}/cancel").status_code == 200
    assert ended(lab, project).status == "canceled"


def test_a_message_that_skips(lab: RunningSandbox, project: int) -> None:
    """The pipeline exists and is skipped."""
    push(lab, project, message="Docs [skip ci]")
    assert ended(lab, project).status == "skipped"


def test_a_faulty_file(lab: RunningSandbox, api: httpx.Client, project: int) -> None:
    """The pipeline is saved as failed, with the reason and without jobs."""
    push(lab, project, "job: {stage: nowhere, script: [x]}")
    pipeline = ended(lab, project)
    assert (pipeline.status, pipeline.jobs) == ("failed", {})
    assert "chosen stage nowhere does not exist" in (pipeline.yaml_errors or "")
    found = api.get(f"/projects/{project}/pipelines", params={"yaml_errors": "true"}).json()
    assert [p["id"] for p in found] == [pipeline.id]


@pytest.mark.parametrize(
    "settings", [{"builds_access_level": "disabled"}, {"ci_config_path": "other.yml"}]
)
def test_no_pipeline_at_all(
    lab: RunningSandbox, api: httpx.Client, project: int, settings: dict[str, str]
) -> None:
    """CI switched off, or another path for its file: nothing runs and `latest` is 403."""
    lab.client.change_project(project, **settings)
    push(lab, project)
    assert lab.client.pipelines(project) == []
    assert api.get(f"/projects/{project}/pipelines/latest").status_code == 403


def test_a_merge_request_brings_its_own_pipeline(
    lab: RunningSandbox, api: httpx.Client, project: int
) -> None:
    """Opening one runs its head again as `merge_request_event`; pushes then run only that."""
    sha = push(lab, project, branch="bot")
    request = {"source_branch": "bot", "target_branch": "main", "title": "x"}
    api.post(f"/projects/{project}/merge_requests", json=request)
    second = ended(lab, project, 1)
    assert (second.sha, second.source, second.ref) == (
        sha,
        "merge_request_event",
        "refs/merge-requests/1/head",
    )
    lab.client.push(project, {"x": "1"}, branch="bot")
    ended(lab, project, 2)
    assert [p.source for p in lab.client.pipelines(project)] == [
        "push",
        "merge_request_event",
        "merge_request_event",
    ]


def test_the_list_is_filtered(lab: RunningSandbox, api: httpx.Client, project: int) -> None:
    """By sha, ref, status and source, newest first."""
    first, second = push(lab, project), push(lab, project, NINE + "#\n")
    ended(lab, project, 0), ended(lab, project, 1)
    base = f"/projects/{project}/pipelines"
    assert [p["sha"] for p in api.get(base).json()] == [second, first]
    assert [p["sha"] for p in api.get(base, params={"sha": first}).json()] == [first]
    assert api.get(base, params={"ref": "main", "status": "failed"}).json() == []
    assert api.get(f"{base}/latest").json()["sha"] == second


def test_lint_says_valid_or_why_not(api: httpx.Client, project: int) -> None:
    """200 whatever the verdict; GitLab's sentences in `errors`."""
    base = f"/projects/{project}/ci/lint"
    good = api.post(base, json={"content": NINE})
    assert (good.status_code, good.json()["valid"], good.json()["errors"]) == (200, True, [])
    bad = api.post(base, json={"content": "job: {stage: nowhere, script: [x]}"})
    assert (bad.status_code, bad.json()["valid"]) == (200, False)
    assert "chosen stage nowhere does not exist" in bad.json()["errors"][0]
    assert api.post(base, json={}).status_code == 400


def test_a_dry_run_needs_a_ref_that_may_run(
    lab: RunningSandbox, api: httpx.Client, project: int
) -> None:
    """An unknown ref, and one that a Developer may not push to, are faults of the answer's own."""
    base = f"/projects/{project}/ci/lint"
    asked = {"content": NINE, "dry_run": True, "include_jobs": True}
    jobs = api.post(base, json=asked).json()["jobs"]
    assert "sonar" not in [job["name"] for job in jobs]
    assert api.post(base, json={**asked, "ref": "gone"}).json()["errors"] == ["Reference not found"]
    with lab.member(project, "developer", 30) as developer:
        answer = developer.post(base, json=asked).json()
        assert answer["valid"] is False
        assert "sufficient permission" in answer["errors"][0]
        assert developer.post(base, json={"content": NINE}).json()["valid"] is True
    with lab.member(project, "reporter", 20) as reporter:
        assert reporter.post(base, json=asked).status_code == 403


@pytest.mark.parametrize(
    ("runners", "status"),
    [
        ([{"tags": ["docker"]}], "success"),
        ([{"status": "offline"}, {"paused": True}], "pending"),
        ([{"protected_only": True}], "success"),
        ([{"tags": ["docker"], "run_untagged": False}], "pending"),
    ],
)
def test_jobs_wait_for_a_runner_that_takes_them(
    lab: RunningSandbox, project: int, runners: list[dict[str, object]], status: str
) -> None:
    """Awake, open to the branch (main is protected), and taking untagged jobs."""
    lab.client.change_project(project, runners=runners)
    push(lab, project)
    lab.client.wait(lambda: lab.client.pipelines(project)[0].status == status)
    if status == "pending":
        time.sleep(0.5)
        assert lab.client.pipelines(project)[0].status == "pending"


def test_a_runner_that_demands_a_tag(lab: RunningSandbox, project: int) -> None:
    """Jobs that carry it are taken, whether by default or of their own; a protected ref counts."""
    lab.client.change_project(project, runners=[{"tags": ["docker", "x"], "run_untagged": False}])
    text = "default: {tags: [docker]}\na: {script: [x]}\nb: {script: [x], tags: [x, docker]}\n"
    lab.client.push(project, {".gitlab-ci.yml": text})
    assert ended(lab, project, 0, "success").jobs == {"a": "success", "b": "success"}
    lab.client.change_project(project, runners=[{"protected_only": True, "tags": ["docker", "x"]}])
    lab.client.push(project, {".gitlab-ci.yml": text + "\n"}, branch="other")
    assert ended(lab, project, -1, "pending").ref == "other"
