"""What goes wrong on the way: killed workers, lost answers, absent stores, storms, lost events."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.world import World, world
from workers.events import BRANCH_PREFIX


@pytest.mark.parametrize(
    ("step", "method", "path"),
    [
        ("analyze", "GET", "/repository/tree"),
        ("read", "POST", "/graphql"),
        ("validate", "POST", "/ci/lint"),
        ("commit", "POST", "/repository/commits"),
        ("merge request", "POST", "/merge_requests"),
    ],
)
def test_a_worker_killed_in_a_step_costs_nothing(
    running: World, step: str, method: str, path: str
) -> None:
    """SIGKILL while GitLab's answer is on its way: the next worker finishes; one commit, one MR."""
    project = running.born("killed")
    running.run(project, "waiting_for_push")
    running.quiet()
    running.forge.set_fault("latency", path, method=method, times=1, seconds=3)
    running.forge.push(project, sample="go-hello")
    running.until(lambda: any(f.struck for f in running.forge.faults()), lambda: f"the {step} call")
    os.kill(running.stack.pids["generate-1"], signal.SIGKILL)
    killed = time.monotonic()
    run = running.run(project)
    assert run["state"] == "succeeded", run["reason"]
    assert time.monotonic() - killed < 35
    running.quiet()
    assert len(running.our_commits(project)) == 1
    assert len(running.forge.merge_requests(project)) == 1
    assert len(running.runs(project)) == 1


def test_nobody_is_refused_while_the_receiver_is_started_again(running: World) -> None:
    """SIGKILL for the receiver: whoever calls meanwhile waits for its successor, as GitLab would
    for ten seconds, and is answered. The supervisor holds the socket."""
    os.kill(running.stack.pids["receiver"], signal.SIGKILL)
    with (
        ThreadPoolExecutor(1) as watching,
        httpx.Client(base_url=running.stack.url, timeout=20, trust_env=False) as caller,
    ):
        answers = [watching.submit(caller.get, "/health/live")]
        while not answers[0].done():
            running.stack.check()  # starts what has ended
            time.sleep(0.05)
    assert answers[0].result().status_code == 200


def test_a_recorder_killed_while_it_settles_costs_nothing(running: World) -> None:
    """The verdict is taken in by the next one, and counted once."""
    project = running.born("killed-recorder")
    running.run(project, "waiting_for_push")
    running.forge.set_fault("latency", "/merge_requests/", method="PUT", times=1, seconds=3)
    running.forge.push(project, sample="java-library")
    running.until(lambda: any(f.struck for f in running.forge.faults()), lambda: "the update")
    os.kill(running.stack.pids["record-1"], signal.SIGKILL)
    run = running.run(project)
    assert run["state"] == "succeeded", run["reason"]
    record = running.api.get("/api/v1/learned", params={"language": "java"}).json()["learned"]
    assert sum(r["failures"] for r in record if r["id"] == run["learned"]["id"]) == 0


@pytest.mark.parametrize("path", ["/repository/commits", "/merge_requests"])
def test_a_write_whose_answer_was_lost_is_looked_for_not_repeated(
    running: World, path: str
) -> None:
    """GitLab applied it and the connection broke: still one commit and one merge request."""
    project = running.born("lost-answer")
    running.run(project, "waiting_for_push")
    running.forge.set_fault("drop", path + "$", method="POST", times=1)
    running.forge.push(project, sample="go-hello")
    run = running.run(project)
    assert run["state"] == "succeeded", run["reason"]
    assert len(running.our_commits(project)) == 1
    assert len(running.forge.merge_requests(project)) == 1


def test_gitlab_saying_not_now_is_waited_out_by_nobody(running: World) -> None:
    """429 with Retry-After and a 502: handed to the ticker; the worker is free meanwhile."""
    project, other = running.born("throttled"), running.born("other")
    running.run(project, "waiting_for_push")
    running.run(other, "waiting_for_push")
    running.forge.set_fault(
        "rate_limit", f"/projects/{project}/repository/branches", times=1, retry_after=4
    )
    running.forge.push(project, sample="go-hello")
    running.until(lambda: any(f.struck for f in running.forge.faults()), lambda: "the refusal")
    started = time.monotonic()
    running.forge.push(other, sample="go-hello")
    running.run(other, "awaiting_pipeline", "succeeded")
    assert time.monotonic() - started < 4
    run = running.run(project)
    assert run["state"] == "succeeded" and len(running.our_commits(project)) == 1


def test_a_storm_of_duplicates_gives_one_commit_per_project(running: World) -> None:
    """200 deliveries of 20 projects, each sent five times in shuffled order."""
    projects = [running.born(f"storm-{number}") for number in range(20)]
    for project in projects:
        running.run(project, "waiting_for_push")
        running.imported(project, "go-hello")
    secret = running.stack.settings.gitlab_webhook_secret[0].get_secret_value()
    bodies = [
        {
            "event_name": "push",
            "project_id": project,
            "ref": "refs/heads/main",
            "before": "0" * 40,
            "after": f"{number:040x}",
            "user_id": 5,
        }
        for project in projects
        for number in range(1, 11)
    ] * 5
    random.Random(7).shuffle(bodies)
    headers = {"X-Gitlab-Token": secret, "X-Gitlab-Event": "System Hook"}
    with httpx.Client(base_url=running.stack.url, headers=headers, trust_env=False) as gitlab:

        def send(body: dict[str, object]) -> str:
            answer = gitlab.post("/webhooks/gitlab", json=body, timeout=30)
            assert answer.status_code in (200, 202)
            return str(answer.json()["status"])

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(send, bodies))
    assert statuses.count("accepted") == 200 and statuses.count("duplicate") == 800
    for project in projects:
        assert running.run(project)["state"] == "succeeded"
    running.quiet()
    for project in projects:
        assert len(running.our_commits(project)) == 1
        assert len(running.forge.merge_requests(project)) == 1


def test_an_event_faster_than_the_commit_call_settles_the_run(running: World) -> None:
    """The pipeline is over before GitLab has answered the commit."""
    project = running.born("fast")
    running.run(project, "waiting_for_push")
    running.forge.set_fault("late", "/repository/commits$", method="POST", times=1,
                            seconds=4)  # fmt: skip
    running.forge.push(project, sample="go-hello")
    run = running.run(project)
    assert run["state"] == "succeeded" and run["pipeline"]["confirmed_by"] == "event"


@pytest.fixture(scope="module")
def deaf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A program that polls every second, for six."""
    with world(tmp_path_factory.mktemp("deaf"), poll_interval_s=1.0, poll_limit_s=6.0) as up:
        yield up


def test_a_verdict_is_polled_where_no_event_is_heard(deaf: World) -> None:
    """Hooks go off after the push: `confirmed_by` is `poll`."""
    project = deaf.born("unheard")
    deaf.run(project, "waiting_for_push")
    deaf.imported(project, "go-hello")
    deaf.forge.set_switches(hooks=False)
    try:
        deaf.api.post(f"/api/v1/projects/{project}/retrigger", json={}).raise_for_status()
        run = deaf.run(project)
    finally:
        deaf.forge.set_switches(hooks=True)
    assert run["state"] == "succeeded" and run["pipeline"]["confirmed_by"] == "poll"
    assert any("/pipelines" in call for call in deaf.calls(project))


def test_silence_makes_the_hook_looked_at_and_repaired(deaf: World) -> None:
    """Somebody deleted the project's webhook: where no event is heard it is installed again."""
    project = deaf.born("unhooked")
    deaf.run(project, "waiting_for_push")
    (hook,) = deaf.forge.project(project).hooks
    headers = {"Authorization": deaf.forge.http.headers["Authorization"]}
    address = f"{deaf.gitlab_url}/api/v4/projects/{project}/hooks/{hook.id}"
    httpx.delete(address, headers=headers, trust_env=False).raise_for_status()
    deaf.forge.set_outcome(project, "hang")
    deaf.forge.push(project, sample="go-hello")
    deaf.until(lambda: deaf.forge.project(project).hooks, lambda: "a new webhook")
    assert deaf.run(project, "unconfirmed")["pipeline"]["confirmed_by"] == "poll"


def test_no_verdict_ends_as_unconfirmed_and_a_later_event_settles_it(deaf: World) -> None:
    """No runner takes the jobs: after POLL_LIMIT_S the run says so; the late event counts."""
    project = deaf.born("hanging")
    deaf.forge.set_outcome(project, "hang")
    deaf.forge.push(project, sample="go-hello")
    run = deaf.run(project)
    assert run["state"] == "unconfirmed" and "pending" in run["reason"]
    deaf.forge.set_outcome(project, "success")
    pipeline = f"{deaf.gitlab_url}/api/v4/projects/{project}/pipelines/{run['pipeline']['id']}"
    for action in ("cancel", "retry"):
        headers = {"Authorization": deaf.forge.http.headers["Authorization"]}
        httpx.post(f"{pipeline}/{action}", headers=headers, trust_env=False).raise_for_status()
    assert deaf.run(project, "succeeded")["id"] == run["id"]


def test_without_chroma_templates_are_used_and_runs_go_on(running: World) -> None:
    """Chroma is killed: the run says that it is degraded, and goes green."""
    pid = running.stack.pids["The embedded Chroma"]
    os.kill(pid, signal.SIGSTOP)
    try:
        run = running.run(running.born("no-chroma", sample="node-notes"))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert run["state"] == "succeeded", run["reason"]


def test_without_a_model_the_reference_is_used_as_it_is(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Ollama's address answers nothing: generation is the reference's, with the reason."""
    folder = tmp_path_factory.mktemp("no-model")
    with world(folder, ollama_model="some-model", ollama_host="http://127.0.0.1:9") as up:
        run = up.run(up.born("no-model", sample="python-greeter"))
    assert run["state"] == "succeeded", run["reason"]
    assert run["generation"]["by"] == "reference" and run["generation"]["fallback_reason"]


def test_our_prefix_is_the_one_that_the_contract_names() -> None:
    """The loop guard at the door and the branch that is made agree."""
    assert BRANCH_PREFIX == "devops-backend/"
