"""The worker's process: what it has ready before it forks, and that it outlives its Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from structlog.testing import capture_logs

from service.demo import demo_settings
from service.start import settings_environment
from tests.support.loopback import Asked, loopback
from workers import queues
from workers.embedded import EmbeddedRedis
from workers.events import Event
from workers.pipeline import render
from workers.pipeline.lint.schema import compiled
from workers.rehearsal import rehearse
from workers.store.ledger import Ledger
from workers.wiring import Parts

ROOT = Path(__file__).parents[2]
TAKEN_UP_S = 60.0
"""Two seconds as a rule. A worker that gave up never takes anything; one on a machine with much
else to do starts late, looks for its Redis late, and forks late."""


def test_the_rehearsal_makes_what_every_run_needs(tmp_path: Path) -> None:
    """Without GitLab and Redis it goes through to the end; the second time nothing is made anew."""
    parts = Parts(demo_settings(tmp_path, "http://127.0.0.1:9", "glpat-nobody", 1))
    with capture_logs() as said:
        rehearse(parts)
        words = render._reads_as_text.cache_info().misses
        rehearse(parts)
    assert said == []
    assert compiled.cache_info().currsize == 1
    assert render._reads_as_text.cache_info().misses == words


SLOW_S = 4.0
ONE_JOB = """
from workers import queues, worker
from workers.settings import Settings
queues.JOB_REST_S = 1
worker.work(Settings.load(), "generate", burst=True)
"""


@pytest.mark.parametrize(("model_s", "status"), [("1", "failed"), ("60", "finished")])
def test_a_job_may_take_what_the_model_may(
    redis_server: EmbeddedRedis, redis_client: redis.Redis, tmp_path: Path,
    model_s: str, status: str,
) -> None:  # fmt: skip
    """It is stopped once the model's time (OLLAMA_TIMEOUT_S) and its own are over, not before,
    whatever limit was written when it was sent."""

    def slow(_: Asked) -> tuple[int, bytes]:
        time.sleep(SLOW_S)
        return 404, b"{}"

    with loopback(slow) as port:
        url = f"http://127.0.0.1:{port}"
        settings = demo_settings(tmp_path, url, "glpat-nobody", 1).model_copy(
            update={"redis_url": redis_server.url, "chroma_url": None}
        )
        push = Event("push", 7, "shop/api", ref="main", before="0", after="1")
        Ledger(redis_client).receive(push)
        (job,) = queues.rq_queue("generate", redis_client).job_ids
        environment = {**os.environ, **settings_environment(settings), "PYTHONPATH": str(ROOT)}
        environment["OLLAMA_TIMEOUT_S"] = model_s
        subprocess.run(
            [sys.executable, "-c", ONE_JOB], env=environment, cwd=tmp_path, check=True, timeout=90
        )
    assert redis_client.hget(f"rq:job:{job}", "status") == status.encode()


def test_usual_jobs_have_five_minutes() -> None:
    """Four of their own, and the model's one; an hour's model gives an hour and four minutes."""
    assert queues.job_timeout_s(60) == 300 and queues.job_timeout_s(3600) == 3840


@pytest.mark.timeout(240)
def test_a_worker_outlives_its_redis(tmp_path: Path) -> None:
    """Redis is killed and started again twice: the same process takes up the work that waits, and
    ends on SIGTERM with exit code 0."""
    with EmbeddedRedis(tmp_path / "redis") as server:
        settings = demo_settings(tmp_path, "http://127.0.0.1:9", "glpat-nobody", 1).model_copy(
            update={"redis_url": server.url, "chroma_url": None}
        )
        command = [sys.executable, "-m", "service.cli", "_worker", "generate"]
        environment = {**os.environ, **settings_environment(settings), "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, env=environment, cwd=tmp_path) as worker:
            try:
                for project in (1, 2, 3):
                    _works_off(server, project)
                    if project < 3:
                        assert server.pid is not None
                        os.kill(server.pid, signal.SIGKILL)
                        time.sleep(0.3)
                        server.start()
                assert _queues(server) == {b"generate"}
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(60) == 0
            finally:
                worker.kill()


def _queues(server: EmbeddedRedis) -> set[bytes]:
    """What RQ's workers listen on. RQ loses a job between taking and starting it where a worker
    listens on two queues (RQ 3.0: `Queue.dequeue_any`)."""
    with redis.Redis.from_url(server.url) as client:
        return {client.hget(name, "queues") or b"" for name in client.scan_iter("rq:worker:*")
                if client.type(name) == b"hash" and not client.hexists(name, "death")}  # fmt: skip


def _works_off(server: EmbeddedRedis, project: int) -> None:
    """The project is marked, and soon it has no work any more."""
    with redis.Redis.from_url(server.url) as client:
        ledger = Ledger(client)
        ledger.mark(project, "generate")
        deadline = time.monotonic() + TAKEN_UP_S
        while ledger.project(project).get("generate_done") != "1":
            assert time.monotonic() < deadline, f"nobody took project {project} up"
            time.sleep(0.05)
