"""The whole loop: a project is born, gets its pipeline, goes green, and is learned from."""

from __future__ import annotations

import re

import httpx
import pytest
import yaml

from tests.support.world import World

STAGES = ["compile", "build", "test", "sast", "quality", "security", "push", "notify", "learn"]
FILES = {".gitlab-ci.yml", "Dockerfile", ".dockerignore"}


@pytest.mark.parametrize(
    ("sample", "language"),
    [("go-hello", "go"), ("python-greeter", "python"), ("node-notes", "javascript"),
     ("java-bank", "java")],
)  # fmt: skip
def test_a_project_is_born_and_goes_green(running: World, sample: str, language: str) -> None:
    """From project_create over the first push to a green pipeline, for each of four languages."""
    project = running.born(sample)
    waiting = running.run(project, "waiting_for_push")
    assert waiting["trigger"]["kind"] == "project_created" and "empty" in waiting["reason"]
    running.forge.push(project, sample=sample)
    run = running.run(project)
    assert (run["id"], run["state"]) == (waiting["id"], "succeeded"), run["reason"]
    assert run["analysis"]["language"] == language
    assert run["analysis"]["evidence"] and run["generation"]["by"] == "reference"
    assert run["validation"]["errors"] == [] and run["validation"]["linted_by"] == "gitlab"
    assert run["pipeline"]["status"] == "success" and run["pipeline"]["confirmed_by"] == "event"
    assert run["learned"]["outcome"] == "succeeded"

    branch = run["commit"]["branch"]
    assert branch == f"devops-backend/ci-{run['source_sha'][:8]}"
    committed = running.forge.files(project, branch)
    before = running.forge.files(project)
    added = {path for path in committed if path not in before}
    assert ".gitlab-ci.yml" in added <= FILES
    document = yaml.safe_load(committed[".gitlab-ci.yml"])
    assert document["stages"] == STAGES
    assert document["learn_record"]["stage"] == "learn" and "DEVOPS_BACKEND_URL" in str(
        document["variables"]
    )
    assert list(document)[-1] == "learn_record"
    (message,) = running.our_commits(project)
    assert message.rstrip().endswith(f"Devops-Backend-Run: {run['id']}")

    (opened,) = running.forge.merge_requests(project)
    assert not opened.draft and opened.source_branch == branch
    assert "```mermaid" in opened.description and run["source_sha"][:12] in opened.description


SERVICES = {
    "services/api/go.mod": "module example.com/api\n\ngo 1.24\n",
    "services/api/main.go": "package main\n\nfunc main() {}\n",
    "services/api/main_test.go": "package main\n",
    "services/api/Dockerfile": "FROM golang:1.24\n",
    "services/web/package.json": '{"name": "web", "scripts": {"test": "node --test"}}',
    "services/web/package-lock.json": "{}",
    "services/web/index.js": "",
    "services/web/index.test.js": "",
}


def test_several_apps_each_get_their_jobs_and_nothing_is_learned(running: World) -> None:
    """One file, one merge request that tells of both; green, and no stack's record is touched."""
    project = running.born("shop", files=SERVICES)
    run = running.run(project)
    assert run["state"] == "succeeded", run["reason"]
    assert [app["path"] for app in run["analysis"]["apps"]] == ["services/api", "services/web"]
    assert run["validation"] == {"errors": [], "warnings": [], "linted_by": "gitlab"}
    assert run["learned"] is None
    text = running.forge.files(project, run["commit"]["branch"])[".gitlab-ci.yml"]
    document = yaml.safe_load(text)
    assert document["stages"] == STAGES and list(document)[-1] == "learn_record"
    assert {"api:unit_tests", "api:build_image", "web:compile", "web:unit_tests"} <= set(document)
    (opened,) = running.forge.merge_requests(project)
    assert not opened.draft and "| `services/web` | `javascript` |" in opened.description
    assert "remembered" not in opened.description


def test_the_second_project_of_a_stack_starts_from_what_was_learned(running: World) -> None:
    """`reference.source` is `learned`, and the record grows by one success."""
    first = running.run(running.born("first", sample="go-hello"))
    second = running.run(running.born("second", sample="go-orders"))
    assert first["state"] == second["state"] == "succeeded"
    assert second["reference"]["source"] == "learned"
    learned = running.api.get("/api/v1/learned", params={"language": "go"}).json()
    record = next(r for r in learned["learned"] if r["id"] == second["reference"]["id"])
    assert record["successes"] >= 2 and record["failures"] == 0


def test_a_retrigger_that_commits_nothing_new_teaches_nothing_new(running: World) -> None:
    """One commit is one outcome, however often it is asked about, and is counted in the budget and
    sent to GitLab once. Several projects: which of a commit's two pipelines ends first, and is
    counted, is chance."""
    projects = [running.born("again", sample="go-hello") for _ in range(6)]
    [taught] = {running.run(project, "succeeded")["learned"]["id"] for project in projects}
    running.quiet()

    def successes() -> int:
        rows = running.api.get("/api/v1/learned", params={"language": "go"}).json()["learned"]
        return next(int(row["successes"]) for row in rows if row["id"] == taught)

    before, spent = successes(), running.api.get("/api/v1/budget").json()["spent"]
    for project in projects:
        running.api.post(f"/api/v1/projects/{project}/retrigger", json={}).raise_for_status()
    again = [running.run(project, "succeeded", count=2) for project in projects]
    running.quiet()
    assert {run["learned"]["id"] for run in again} == {taught} and successes() == before
    assert running.api.get("/api/v1/budget").json()["spent"] == spent
    commits = [
        call for call in running.calls(projects[0]) if call.startswith("POST") if "commits" in call
    ]
    assert len(commits) == 1, "GitLab had to refuse the second one"


def test_a_healthy_run_polls_nothing_and_makes_eight_calls_at_most(running: World) -> None:
    """From first push to draft merge request, counted at GitLab's own door."""
    project = running.born("frugal")
    running.run(project, "waiting_for_push")
    running.quiet()
    running.forge.forget_calls()
    running.forge.push(project, sample="go-hello")
    run = running.run(project)
    running.quiet()
    calls = running.calls(project)
    assert not [call for call in calls if "/pipelines" in call]
    opened = next(i for i, c in enumerate(calls) if c.startswith("POST") and "merge_requests" in c)
    assert opened + 1 <= 8, calls
    assert run["state"] == "succeeded"


def test_the_empty_repository_waits_and_says_so(running: World) -> None:
    """Nothing is committed; the project page tells why and what comes next."""
    project = running.born("empty")
    run = running.run(project, "waiting_for_push")
    running.quiet()
    page = running.api.get(f"/api/v1/projects/{project}").json()
    assert "empty" in page["reason"] and "push" in page["next_step"]
    assert running.our_commits(project) == [] and run["commit"] is None
    (hook,) = running.forge.project(project).hooks
    assert hook.url.endswith("/webhooks/gitlab")


def test_an_existing_pipeline_is_left_alone(running: World) -> None:
    """Skipped with the reason; not a byte is changed, no branch is made."""
    theirs = "build:\n  script: [make]\n"
    project = running.born("theirs", files={".gitlab-ci.yml": theirs, "go.mod": "module x\n"})
    run = running.run(project)
    assert run["state"] == "skipped" and "has a pipeline already" in run["reason"]
    assert running.forge.file(project, ".gitlab-ci.yml") == theirs
    assert list(running.forge.project(project).branches) == ["main"]


def test_a_persons_dockerfile_is_kept(running: World) -> None:
    """The pipeline builds with it; the merge request says that it was kept."""
    theirs = 'FROM scratch\nCOPY app /app\nUSER 10001\nENTRYPOINT ["/app"]\n'
    project = running.born("docker")
    running.forge.push(project, {"Dockerfile": theirs}, sample="go-hello")
    run = running.run(project)
    assert run["state"] == "succeeded", run["reason"]
    assert running.forge.file(project, "Dockerfile", run["commit"]["branch"]) == theirs


def test_nothing_to_build_gets_nothing(running: World) -> None:
    """Documentation alone is an answer, with its reason."""
    project = running.born("docs", files={"README.md": "# Notes\n", "docs/a.md": "text\n"})
    run = running.run(project)
    assert run["state"] == "skipped" and run["reason"].startswith("nothing to build")
    assert running.our_commits(project) == []


def test_a_makefile_that_tests_is_enough(running: World) -> None:
    """Of a program in no known language: its own targets run, and a person is asked what it is."""
    makefile = "all:\n\tawk -f a.awk\ntest:\n\tawk -f a.awk | grep -q 6\n"
    run = running.run(running.born("awk", files={"Makefile": makefile, "a.awk": "BEGIN {}\n"}))
    assert run["state"] == "succeeded" and run["analysis"]["language"] is None
    (opened,) = running.forge.merge_requests(run["project"]["id"])
    assert "Which language is this?" in opened.description
    text = running.forge.file(run["project"]["id"], ".gitlab-ci.yml", run["commit"]["branch"])
    assert text and "- make all\n" in text and "- make test\n" in text


def test_a_failed_pipeline_is_told_and_not_offered(running: World) -> None:
    """Red: the run names the job, the merge request stays a draft, nothing is proven."""
    project = running.born("red")
    running.forge.set_outcome(project, "fail", "test")
    running.forge.push(project, sample="node-weather")
    run = running.run(project)
    assert run["state"] == "failed" and "failed" in run["reason"]
    (opened,) = running.forge.merge_requests(project)
    assert opened.draft and "failed" in opened.description
    assert run["learned"]["outcome"] == "failed"


def test_a_retry_turns_failed_into_succeeded(running: World) -> None:
    """The later event settles the run anew, and the record corrects itself."""
    project = running.born("flaky")
    running.forge.set_outcome(project, "flaky")
    running.forge.push(project, sample="python-inventory")
    run = running.run(project, "succeeded")
    assert run["pipeline"]["status"] == "success" and run["learned"]["outcome"] == "succeeded"
    (opened,) = running.forge.merge_requests(project)
    assert not opened.draft


def test_our_own_push_starts_no_second_run(running: World) -> None:
    """The echo of our commit is ignored; one run, one commit."""
    project = running.born("echo", sample="go-hello")
    running.run(project)
    running.quiet()
    assert len(running.runs(project)) == 1 and len(running.our_commits(project)) == 1
    rows = running.api.get("/api/v1/deliveries", params={"project": project}).json()["deliveries"]
    assert any(row["reason"] == "our own branch" for row in rows)


def test_a_push_after_the_merge_request_changes_nothing(running: World) -> None:
    """One merge request per project, however many pushes follow."""
    project = running.born("busy", sample="go-hello")
    running.run(project)
    for number in range(3):
        running.forge.push(project, {"notes.txt": str(number)})
    running.quiet()
    assert len(running.our_commits(project)) == 1
    assert len(running.forge.merge_requests(project)) == 1


def test_an_import_is_found_without_any_event(running: World) -> None:
    """Nothing announces the end of an import; a retrigger finds what is there."""
    project = running.born("imported")
    running.run(project, "waiting_for_push")
    running.imported(project, "go-hello")
    answer = running.api.post(f"/api/v1/projects/{project}/retrigger", json={})
    assert answer.status_code == 202
    assert running.run(project)["state"] == "succeeded"


def test_a_refused_commit_is_a_clear_error(running: World) -> None:
    """`Prefer: wait` answers 500 with GitLab's reason; the run ends in `error` with the step."""
    path = running.name("refused")
    project = running.forge.create_project(path, bot_role=20).id
    running.forge.push(project, sample="go-hello")
    running.run(project)
    answer = running.api.post(
        "/api/v1/pipeline/workflow",
        json={"repo_url": f"{running.gitlab_url}/{path}"},
        headers={"Prefer": "wait=30"},
    )
    assert answer.status_code == 500, answer.text
    problem = answer.json()
    assert problem["status"] == 500 and "commit" in problem["detail"]
    run = running.runs(project)[0]
    assert run["state"] == "error" and running.our_commits(project) == []


def test_a_workflow_request_answers_with_the_commit(running: World) -> None:
    """The user's own way in: POST, wait, 200 with the commit; a waiting run is taken up."""
    path = running.name("asked")
    project = running.forge.create_project(path).id
    running.run(project, "waiting_for_push")
    running.imported(project, "go-hello")
    answer = running.api.post(
        "/api/v1/pipeline/workflow",
        json={"repo_url": f"{running.gitlab_url}/{path}.git", "use_template_only": True},
        headers={"Prefer": "wait=30"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["commit"]["branch"].startswith("devops-backend/ci-")


def test_a_forged_secret_is_refused_and_leaves_no_trace(running: World) -> None:
    """401 with a constant body; the ledger is as it was."""
    project = running.born("forged")
    running.run(project, "waiting_for_push")
    running.quiet()

    def told() -> object:  # of this project: pipelines of others may still be on their way
        answer = running.api.get("/api/v1/deliveries", params={"project": project})
        return answer.raise_for_status().json()["deliveries"]

    before = told()
    answer = httpx.post(
        f"{running.stack.url}/webhooks/gitlab",
        content=b'{"event_name":"push","project_id":%d}' % project,
        headers={"X-Gitlab-Token": "forged-canary", "X-Gitlab-Event": "System Hook"},
        trust_env=False,
    )
    assert answer.status_code == 401 and "forged" not in answer.text
    assert before and told() == before


def test_the_text_is_safe_and_whole(running: World) -> None:
    """A person reads what was found with its evidence, what to configure, and how to stop it."""
    run = running.run(running.born("text", sample="python-greeter"))
    (opened,) = running.forge.merge_requests(run["project"]["id"])
    text = opened.description
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert not re.search(r"(?m)^\s*/\w", outside)
    for part in ("SONAR_TOKEN", "requirements.txt", "close this merge request"):
        assert part in text


def test_duplicates_and_disorder_settle_right(running: World) -> None:
    """Deliveries come twice and in any order: one commit, the right verdict, counted once."""
    running.forge.set_switches(hook_duplicate=0.5, hook_reorder_s=1.0)
    try:
        projects = [running.born("disorder", sample="ts-ledger") for _ in range(4)]
        found = [running.run(project) for project in projects]
        running.quiet()
    finally:
        running.forge.set_switches(hook_duplicate=0.0, hook_reorder_s=0.0)
    assert {run["state"] for run in found} == {"succeeded"}
    for project in projects:
        assert len(running.our_commits(project)) == len(running.forge.merge_requests(project)) == 1
        assert running.runs(project)[0]["state"] == "succeeded"


def test_a_deleted_project_ends_its_run_and_a_renamed_one_keeps_it(running: World) -> None:
    """State is kept by id: a new name changes nothing, a deletion ends what waits."""
    gone, moved = running.born("gone"), running.born("moved")
    running.run(gone, "waiting_for_push")
    waiting = running.run(moved, "waiting_for_push")
    running.forge.delete_project(gone)
    assert "deleted" in running.run(gone, "skipped")["reason"]
    path = running.name("renamed")
    running.forge.change_project(moved, path=path)
    running.forge.push(moved, sample="go-hello")
    run = running.run(moved)
    assert (run["id"], run["state"]) == (waiting["id"], "succeeded")
    assert run["project"]["path"] == path


@pytest.mark.parametrize(
    ("wish", "state", "committed"),
    [(False, "skipped", False), ("none", "skipped", False), ("branch", "succeeded", True)],
)
def test_a_caller_may_want_less_than_a_merge_request(
    running: World, wish: bool | str, state: str, committed: bool
) -> None:
    """`auto_commit` of the request: generate only, or commit and open nothing."""
    path = running.name("less")
    project = running.forge.create_project(path).id
    running.run(project, "waiting_for_push")
    running.forge.set_switches(hooks=False)
    try:
        running.forge.push(project, sample="go-hello")
    finally:
        running.forge.set_switches(hooks=True)
    body = {"repo_url": f"{running.gitlab_url}/{path}", "auto_commit": wish}
    running.api.post("/api/v1/pipeline/workflow", json=body).raise_for_status()
    run = running.run(project)
    assert run["state"] == state, run["reason"]
    assert {file["path"] for file in run["files"]} >= {".gitlab-ci.yml"}
    assert bool(run["commit"]) is committed and run["merge_request"] is None
    assert running.forge.merge_requests(project) == []
