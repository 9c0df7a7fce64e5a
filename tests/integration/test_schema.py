"""The store's version: older ones are brought up to ours at start, newer ones are refused."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import cast

import msgspec
import pytest
import redis

from tests.support.stories import Story
from workers.embedded import EmbeddedRedis
from workers.errors import Misconfigured
from workers.events import Event
from workers.runs import Project, Run, State, new_run
from workers.store import schema
from workers.store.dead import DeadLetters
from workers.store.deliveries import key, now_ms
from workers.store.learned_records import LearnedPipeline, Provenance
from workers.store.learned_shelf import ALL, PREFIX, outcomes_key, record_key
from workers.store.ledger import Ledger
from workers.store.runs import RunStore
from workers.store.schema import SCHEMA, Upgrade


def of_version_1(client: redis.Redis) -> str:
    """A store as the program left it before stores had a version; gives its failed run."""
    Ledger(client).receive(Event("push", 7, "shop/api", ref="main", before="0", after="1"))
    runs = RunStore(client)
    run = runs.create(new_run(Project(7, "shop/api"), "push"))
    runs.update(run.id, _failed)
    done = runs.create(new_run(Project(8, "shop/web"), "push"))
    runs.update(done.id, _failed)
    again = runs.create(new_run(Project(8, "shop/web"), "push"))
    runs.update(again.id, lambda now: _failed(now, State.SKIPPED))
    for index in ("7", "8"):
        client.persist(key("runs", "project", index))
    for kept in runs.page():
        client.hset(key("run", kept.id), "json", msgspec.json.encode(kept))
    assert not client.exists(SCHEMA)
    return run.id


def _failed(run: Run, state: State = State.ERROR) -> Run:
    return msgspec.structs.replace(run, state=state, reason="commit: refused")


def test_a_fresh_store_has_our_version(redis_client: redis.Redis) -> None:
    """From its first start on, with the time of it."""
    assert schema.ensure(redis_client) == []
    assert schema.version_of(redis_client) == schema.VERSION
    first = schema.installed_at(redis_client)
    assert abs(first - now_ms()) < 60_000
    schema.ensure(redis_client)
    assert schema.installed_at(redis_client) == first


def test_a_store_of_version_1_is_upgraded_once(redis_client: redis.Redis) -> None:
    """It knows when it was first used, lists have lifetimes, failed runs are dead letters; what
    was there is there."""
    run = of_version_1(redis_client)
    before = {k: redis_client.type(k) for k in redis_client.keys("*")}
    assert schema.version_of(redis_client) == 1
    assert len(schema.ensure(redis_client)) == schema.VERSION - 1
    assert schema.ensure(redis_client) == []
    assert schema.version_of(redis_client) == schema.VERSION
    delivery = Ledger(redis_client).deliveries()[0]
    assert schema.installed_at(redis_client) == delivery.at
    assert redis_client.ttl(key("runs", "project", 7)) > 0
    assert [letter.run for letter in DeadLetters(redis_client).list()] == [run]
    packed = cast("bytes", redis_client.hget(key("run", run), "json"))
    assert not packed.startswith(b"{")
    assert RunStore(redis_client).get(run).reason == "commit: refused"
    assert before.items() <= {k: redis_client.type(k) for k in redis_client.keys("*")}.items()


def test_an_upgrade_that_was_cut_off_is_carried_out_again(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is written last; the lock is given back."""
    of_version_1(redis_client)
    whole = schema.UPGRADES[0]

    def dies(client: redis.Redis) -> None:
        whole.run(client)
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(schema, "VERSION", 2)
    monkeypatch.setattr(schema, "UPGRADES", (Upgrade(2, whole.what, dies),))
    with pytest.raises(redis.ConnectionError):
        schema.ensure(redis_client)
    assert schema.version_of(redis_client) == 1
    monkeypatch.setattr(schema, "UPGRADES", (whole,))
    assert schema.ensure(redis_client) == [whole.what]


def test_a_learned_record_from_before_seals_is_refused_in_words(
    redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can say who wrote it: it is not sealed now, but counted, logged and passed over; what
    is learned next of the same plan takes its place."""
    of_version_1(redis_client)
    learned = Story(redis_client).learned
    plan = LearnedPipeline(
        language="go", framework="gin", template="go", template_version="1.0.0",
        provenance=Provenance(project_id=7, namespace="shop/api", run="r", pipeline=1),
    )  # fmt: skip
    core = msgspec.json.encode(plan)
    redis_client.hset(
        record_key(plan.id), mapping={"json": core, "succeeded": 9, "failed": 0, "last_used": 1}
    )
    redis_client.hset(outcomes_key(plan.id), mapping={"1": "succeeded 1760000000.0 1.0"})
    redis_client.zadd(ALL, {plan.id: 0})
    redis_client.zadd(f"{PREFIX}stack:go:gin", {plan.id: 9.0})
    schema.ensure(redis_client)
    assert learned.best("go", "gin", namespace="shop/api", also=[plan.id]) is None
    assert list(learned.every()) == []
    assert learned.refused()["record"] >= 2 and "does not carry our seal" in caplog.text
    assert redis_client.hget(record_key(plan.id), "json") == core
    assert learned.record_outcome(plan, 2, "succeeded")
    found = learned.best("go", "gin", namespace="shop/api")
    assert found is not None and (found.id, found.successes) == (plan.id, 1)


def test_versions_follow_each_other() -> None:
    """Each upgrade leads one further, and the last one to ours."""
    assert [upgrade.to for upgrade in schema.UPGRADES] == list(range(2, schema.VERSION + 1))


def test_processes_that_start_at_once_upgrade_once(
    redis_client: redis.Redis, redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One does it, the others wait for it."""
    of_version_1(redis_client)
    done: list[str] = []
    counted = Upgrade(2, "counted", lambda client: done.append(str(client.ping())))
    monkeypatch.setattr(schema, "UPGRADES", (counted,))
    monkeypatch.setattr(schema, "VERSION", 2)

    def start() -> None:
        with redis.Redis.from_url(redis_server.url) as client:
            schema.ensure(client)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 1 and schema.version_of(redis_client) == 2


def test_a_newer_store_is_refused_by_every_program(
    redis_client: redis.Redis, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    """One line that names the variable, both versions and the ways out; nothing is changed."""
    redis_client.hset(SCHEMA, mapping={"version": schema.VERSION + 1, "installed_at": 1})
    with pytest.raises(Misconfigured, match=f"schema {schema.VERSION + 1}.*knows"):
        schema.ensure(redis_client)
    env = {"PATH": os.environ["PATH"], "REDIS_URL": redis_server.url,
           "DEVOPS_BACKEND_DATA": str(tmp_path)}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "tick"], env=env, text=True, capture_output=True,
        timeout=60, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("error: REDIS_URL") and "restore a backup" in line
    assert redis_client.hgetall(SCHEMA)[b"version"] == str(schema.VERSION + 1).encode()
