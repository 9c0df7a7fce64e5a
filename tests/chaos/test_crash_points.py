"""Death at every point: before each single message to Redis, in turn, the worker is no more.

In one process, so that the point is exact: the connection raises what nobody catches, the lease
runs out, and another worker and the ticker go on from what stands in Redis and GitLab.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from pydantic import SecretStr

from service.demo import demo_settings
from tests.support.gitlab import BOT_TOKEN, Instance, sandbox
from workers import jobs, settle
from workers.embedded import EmbeddedRedis
from workers.events import Event
from workers.runs import State
from workers.steps.publish import TRAILER
from workers.store.deliveries import key
from workers.store.due import DUE
from workers.store.ledger import Ledger
from workers.store.runs import RunStore
from workers.ticker import Ticker
from workers.wiring import Parts

NEVER = 10**9
ROUNDS = 100
_numbers = itertools.count(1)


class Died(BaseException):
    """What a SIGKILL is to the code: the next line is not reached."""


class Mortal(redis.UnixDomainSocketConnection):
    """A connection that dies before a message; each message is a crash point."""

    left = NEVER

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        if Mortal.left <= 0:
            raise Died
        Mortal.left -= 1
        send: Any = super().send_packed_command
        send(*args, **kwargs)


class Bench:
    """A sandbox, a Redis, and workers that are called instead of started."""

    def __init__(self, instance: Instance, server: EmbeddedRedis, folder: Path) -> None:
        self.instance = instance
        wanted = demo_settings(folder, instance.url, BOT_TOKEN, 1).model_copy(
            update={"redis_url": server.url, "gitlab_webhook_secret": (SecretStr("s" * 32),)}
        )
        settings, _ = wanted.with_secrets()
        pool: Any = redis.ConnectionPool.from_url(server.url, connection_class=Mortal)
        self.client = redis.Redis(connection_pool=pool)
        self.parts = Parts(settings)
        self.parts.redis = self.client
        self.ledger, self.runs = Ledger(self.client), RunStore(self.client)

    def generate(self, project: int) -> None:
        """As `workers.jobs.generate`."""
        with jobs.held(self.ledger, project, "generate") as work:
            if work is not None:
                jobs.handle(self.parts, work)

    def record(self, project: int) -> None:
        """As `workers.jobs.record`."""
        with jobs.held(self.ledger, project, "record") as work:
            if work is not None:
                settle.settle_project(self.parts, project)

    def until_death(self, after: int, job: Any, project: int) -> bool:
        """Whether the job died; `after` so many messages."""
        Mortal.left = after
        try:
            job(project)
        except Died:
            return True
        finally:
            Mortal.left = NEVER
            self.client.connection_pool.disconnect()
        return False

    def go_on(self, project: int) -> None:
        """What others do afterwards, until nothing is left to do; time is made to pass."""
        for _ in range(ROUNDS):
            for queue in ("generate", "record"):
                self.client.delete(key("lease", queue, project))
            self.generate(project)
            self.record(project)
            planned: Any = self.client.zrange(DUE, 0, -1)
            if not planned:
                return
            self.client.zadd(DUE, dict.fromkeys(planned, 0))
            Ticker(self.ledger).send_due()
            time.sleep(0.02)
        raise AssertionError(f"not over after {ROUNDS} rounds: {planned}")

    def born(self) -> int:
        """A project with sources, and its push taken in."""
        view = self.instance.control.create_project(f"points/app-{next(_numbers)}",
                                                    sample="go-hello")  # fmt: skip
        self.pushed(view.id, view.branches["main"])
        return view.id

    def pushed(self, project: int, sha: str) -> None:
        self.ledger.receive(Event("push", project, ref="main", before="0" * 40, after=sha))

    def heard(self, project: int) -> None:
        """GitLab tells how the run's pipeline ended."""
        (found,) = self.instance.control.wait(
            lambda: [p for p in self.instance.control.pipelines(project) if p.status == "success"]
        )[:1]
        self.ledger.receive(Event("pipeline", project, pipeline_id=found.id, sha=found.sha,
                                  pipeline_status=found.status))  # fmt: skip

    def all_is_well(self, project: int) -> None:
        """One run, green; one commit, one merge request, also after another push."""
        (row,) = self.client.zrange(key("runs", "project", project), 0, -1)
        run = self.runs.get(cast("bytes", row).decode())
        assert run.state is State.SUCCEEDED, (run.state, run.reason)
        assert not self.client.zscore(key("dirty", "generate"), project)
        control = self.instance.control
        self.pushed(project, control.push(project, {"more.txt": "more"}))
        self.go_on(project)
        view = control.project(project)
        assert sum(f"{TRAILER}: " in commit.message for commit in view.commits) == 1
        assert len(view.merge_requests) == 1


@pytest.fixture
def bench(
    redis_server: EmbeddedRedis, redis_client: redis.Redis, tmp_path: Path
) -> Iterator[Bench]:
    """Everything empty."""
    with sandbox(0.05) as instance:
        bench = Bench(instance, redis_server, tmp_path)
        yield bench
        bench.client.connection_pool.disconnect()


def test_a_run_survives_death_at_every_point(bench: Bench) -> None:
    """However far a run came, the next worker brings it to one green commit."""
    for after in itertools.count(0):
        project = bench.born()
        died = bench.until_death(after, bench.generate, project)
        try:
            bench.go_on(project)
            bench.all_is_well(project)
        except AssertionError as error:
            raise AssertionError(f"death before message {after + 1}: {error}") from error
        if not died:
            break
    assert after >= 40


def test_a_verdict_survives_death_at_every_point(bench: Bench) -> None:
    """However far the verdict was taken in, the next recorder settles the run; learned once."""
    for after in itertools.count(0):
        project = bench.born()
        bench.generate(project)
        bench.heard(project)
        died = bench.until_death(after, bench.record, project)
        try:
            bench.go_on(project)
            bench.all_is_well(project)
        except AssertionError as error:
            raise AssertionError(f"death before message {after + 1}: {error}") from error
        if not died:
            break
    assert after >= 15
