"""Dead letters: work that was given up is seen, and set going again, from everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
import redis

from tests.support.service import API_TOKEN, Running, running_service, settings_for
from workers import jobs
from workers.embedded import EmbeddedRedis
from workers.events import Event, Queue
from workers.runs import Project, Run, State, new_run
from workers.standing import Standing
from workers.store.dead import CRASHES_MAX, DeadLetters, Letter
from workers.store.deliveries import key, now_ms
from workers.store.ledger import Ledger
from workers.store.runs import RunStore
from workers.wiring import Parts


@pytest.fixture
def parts(redis_server: EmbeddedRedis, redis_client: redis.Redis) -> Parts:
    made = Parts(settings_for(redis_server.url, gitlab_url="http://127.0.0.1:9"))
    jobs._parts[:] = [made]
    return made


@pytest.fixture(scope="module")
def server(redis_server: EmbeddedRedis) -> Iterator[Running]:
    with running_service(redis_server.url) as running:
        yield running


def push(project: int, number: int = 1) -> Event:
    return Event("push", project, f"shop/{project}", ref="main", before="0", after=str(number))


def failed(parts: Parts, project: int = 7) -> Run:
    """A run that ended in an error."""
    delivery = parts.ledger.receive(push(project)).delivery
    run = parts.runs.create(new_run(Project(project, f"shop/{project}"), "push", delivery))
    return Standing(parts, run).end(State.ERROR, "commit: the token may not", "give it the role")


def test_a_run_that_ends_in_an_error_is_a_letter(parts: Parts) -> None:
    """With its reason, what helps, and the delivery that could not be carried out."""
    run = failed(parts)
    [letter] = parts.dead.list()
    assert (letter.id, letter.run, letter.path) == ("generate-7", run.id, "shop/7")
    assert (letter.reason, letter.next_step) == ("commit: the token may not", "give it the role")
    assert letter.deliveries == (run.trigger.delivery,)
    assert parts.dead.count() == 1


def test_a_later_run_that_ends_well_takes_it_away(parts: Parts) -> None:
    """Nothing waits for a person any more; a second error only renews the letter."""
    failed(parts)
    again = failed(parts)
    assert [letter.run for letter in parts.dead.list()] == [again.id]
    run = parts.runs.create(new_run(Project(7), "push"))
    Standing(parts, run).end(State.SKIPPED, "nothing to build", None)
    assert parts.dead.list() == []


@pytest.mark.parametrize("queue", ["generate", "record"])
def test_work_that_breaks_each_time_is_given_up(
    parts: Parts, queue: str, redis_client: redis.Redis
) -> None:
    """Not a run's fault but ours: begun ten times and never ended, then parked and told."""
    told = (
        push(7)
        if queue == "generate"
        else Event("pipeline", 7, "shop/7", pipeline_id=1, pipeline_status="success", sha="a")
    )
    delivery = parts.ledger.receive(told).delivery
    redis_client.lpush(key("deliveries", 7), "no-delivery")
    redis_client.hset(key("run", "0" * 20), mapping={"json": "{}", "version": 1, "state": "x"})
    redis_client.hset(key("project", 7), "active", "0" * 20)
    redis_client.hset(key("commits", 7), "a", "0" * 20)
    work = jobs.generate if queue == "generate" else jobs.record
    for _ in range(CRASHES_MAX):
        with pytest.raises(msgspec.MsgspecError):
            work(7)
        redis_client.delete(key("lease", queue, 7))
        assert parts.dead.list() == []
    work(7)
    [letter] = parts.dead.list()
    assert letter.id == f"{queue}-7" and letter.reason.startswith("parked")
    assert not redis_client.zscore(key("dirty", queue), "7")
    if queue == "generate":
        assert letter.deliveries == (delivery,)
        row = parts.ledger.delivery(delivery)
        assert row is not None and row.verdict == "dead"
        assert parts.ledger.project(7)["decision"] == "parked"


def test_work_that_ends_is_never_given_up(parts: Parts, redis_client: redis.Redis) -> None:
    """However often it is begun: only what does not end counts."""
    for number in range(CRASHES_MAX * 2):
        parts.ledger.receive(Event("project_renamed", 7, f"shop/{number}"))
        jobs.generate(7)
    assert parts.dead.list() == [] and redis_client.keys(key("crashes", "*")) == []


def test_replaying_a_run(parts: Parts) -> None:
    """A new run, asked for by a person; the letter is gone, and cannot be replayed twice."""
    failed(parts)
    run = parts.runs.get(parts.dead.replay("generate-7", parts.ledger, parts.runs))
    assert run.trigger.kind == "retrigger" and run.project.path == "shop/7"
    work = parts.ledger.take(7, "generate")
    assert work is not None and work.triggers[-1].run == run.id
    assert parts.dead.list() == []


@pytest.mark.parametrize("queue", ["generate", "record"])
def test_replaying_work_that_was_parked(parts: Parts, queue: Queue) -> None:
    """The deliveries are carried out again; verdicts are looked at again."""
    delivery = parts.ledger.receive(push(7)).delivery
    first = parts.ledger.take(7, "generate")
    assert first is not None
    parts.ledger.done(first)
    told = (delivery,) if queue == "generate" else ()
    parts.dead.put(
        Letter(id=f"{queue}-7", queue=queue, project=7, reason="parked", deliveries=told)
    )
    assert parts.dead.replay(f"{queue}-7", parts.ledger, parts.runs) == ""
    work = parts.ledger.take(7, queue)
    assert work is not None
    assert [t.delivery for t in work.triggers] == list(told)


def test_pages_and_age(parts: Parts, redis_client: redis.Redis) -> None:
    """Newest first, by a cursor; what is older than its lifetime is not counted."""
    for project in range(1, 6):
        parts.dead.put(Letter(id=f"generate-{project}", queue="generate", project=project,
                              reason="x", at=now_ms() + project))  # fmt: skip
    first = parts.dead.list(limit=3)
    assert [letter.project for letter in first] == [5, 4, 3]
    assert [letter.project for letter in parts.dead.list(before=first[-1].at)] == [2, 1]
    redis_client.zadd(key("dead"), {"generate-1": 1})
    assert parts.dead.count() == 4


def test_by_api(server: Running, parts: Parts) -> None:
    """Listed with its cursor, replayed once, counted in the metrics; a busy project is 409."""
    run = failed(parts)
    listed = server.api("GET", "/api/v1/dead", params={"limit": 1}).json()
    assert listed["dead"][0]["run"] == run.id and listed["dead"][0]["at"].endswith("Z")
    following = server.api("GET", "/api/v1/dead", params={"cursor": listed["next"]}).json()
    assert following == {"dead": [], "next": None}
    assert server.api("GET", "/api/v1/dead", params={"cursor": "x"}).status_code == 422
    assert "devops_backend_dead_letters 1.0" in server.http.get("/metrics").text
    done = server.api("POST", "/api/v1/dead/generate-7/replay")
    assert done.status_code == 202
    assert RunStore(parts.redis).get(done.json()["run"]).trigger.kind == "retrigger"
    assert server.api("POST", "/api/v1/dead/generate-7/replay").status_code == 404
    assert server.api("POST", "/api/v1/dead/generate-x/replay").status_code == 404
    DeadLetters(parts.redis).run_failed(run)
    assert server.api("POST", "/api/v1/dead/generate-7/replay").status_code == 409


def test_by_dashboard(server: Running, parts: Parts) -> None:
    """The page names project, reason and what helps; its button replays, and needs the token of
    the form."""
    failed(parts)
    with httpx.Client(base_url=server.url, trust_env=False, follow_redirects=True) as browser:
        browser.post("/login", data={"token": API_TOKEN})
        page = browser.get("/dead").text
        assert "shop/7" in page and "the token may not" in page and "give it the role" in page
        assert browser.post("/dead/generate-7/replay", data={"csrf": "no"}).status_code == 403
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        assert (
            "Nothing was given up"
            in browser.post("/dead/generate-7/replay", data={"csrf": csrf}).text
        )
    assert Ledger(parts.redis).take(7, "generate") is not None


def test_by_command_line(parts: Parts, redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    """`dead list`, `dead replay`: as JSON, with an exit code that tells."""
    failed(parts)
    env = {"PATH": os.environ["PATH"], "REDIS_URL": redis_server.url,
           "DEVOPS_BACKEND_DATA": str(tmp_path)}  # fmt: skip

    def devops(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "service.cli", "dead", *words], env=env, text=True,
            capture_output=True, timeout=60, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    listed = devops("list").stdout
    assert "generate-7" in listed and "give it the role" in listed
    done = devops("replay", "--all", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["replayed"][0]["id"] == "generate-7"
    again = devops("replay", "generate-7")
    assert again.returncode == 1 and "no dead letter" in again.stderr
