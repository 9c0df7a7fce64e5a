"""RQ worker processes as we run them: one queue each, forked per job, dying with their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import Any

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Worker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from workers import queues
from workers.connect import connect
from workers.settings import Settings

log = structlog.get_logger(__name__)

PR_SET_PDEATHSIG = 1
"""prctl(2)."""
AGAIN_S = (0.2, 0.5, 1.0, 2.0)
"""Pauses before the queue is taken up again after a fault; the last one repeats."""
FAULTS_MAX = 60
"""So many in a row, two minutes, and a new process is the better try."""


def die_with_parent(parent: int) -> None:
    """Ask the kernel for SIGKILL when `parent` dies; leave at once where it is dead already.

    A killed RQ worker otherwise leaves its work-horse running, and a second run starts beside it.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class BoundWorker(Worker):
    """A worker whose work-horse dies with it, and which takes only jobs that are allowed."""

    job_class = queues.SafeJob
    queue_class = queues.SafeQueue
    max_connection_wait_time = 2.0
    """An idle worker looks for a Redis that went away so often; RQ's own is up to a minute."""
    stopping = False
    """Whether SIGTERM or SIGINT came."""
    job_timeout_s = queues.JOB_REST_S
    """What a job may take here, whatever was written when it was sent: it was sent by who does not
    know of our model."""

    def execute_job(self, job: Any, queue: Any) -> None:
        """As RQ does; the limit is that of this worker, for the horse and for us who watch it."""
        job.timeout = self.job_timeout_s
        super().execute_job(job, queue)

    def fork_work_horse(self, job: Any, queue: Any) -> None:
        """Fork as RQ does; the child first ties its life to ours."""
        self._parent_pid = os.getpid()
        super().fork_work_horse(job, queue)

    def main_work_horse(self, job: Any, queue: Any) -> None:
        """The child's way: bound to its parent, then RQ's own."""
        die_with_parent(self._parent_pid)
        super().main_work_horse(job, queue)

    def request_stop(self, signum: Any, frame: Any) -> None:
        """Remember it: RQ ends its loop in the same way for a stop and for a fault."""
        self.stopping = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def subscribe(self) -> None:
        """Take no commands through Redis: nobody gives any, and the thread would not outlive it."""


def work(settings: Settings, queue: str, *, burst: bool = False) -> int:
    """Work off one queue until SIGTERM. Gives the exit code: 1 where Redis stays away.

    A Redis that restarts ends RQ's loop: it is begun again here, in the process that has all its
    imports done, since four workers that start anew cost seconds of CPU just when there is most
    to do.
    """
    if settings.redis_url is None:
        raise ValueError("a worker needs REDIS_URL")
    from workers import jobs  # heavy imports happen here, once, before the first fork

    jobs.preload(settings)
    if queue == "generate":
        jobs.rehearse()
    faults = 0
    while True:
        ended, did = _loop(settings.redis_url, queue, burst, settings.ollama_timeout_s)
        faults = 1 if did else faults + 1
        if ended or burst or faults > FAULTS_MAX:
            return 0 if ended else 1
        time.sleep(AGAIN_S[min(faults, len(AGAIN_S)) - 1])


def _loop(redis_url: str, queue: str, burst: bool, model_s: float) -> tuple[bool, bool]:
    """RQ's loop, once. Whether it came to its end, and whether it did any job.

    `worker_ttl` bounds how long an idle worker blocks, `maintenance_interval` how often RQ looks
    for jobs of dead workers; both are for RQ's own books, since our leases decide what is lost.
    """
    redis = connect(redis_url)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    worker: BoundWorker | None = None
    did = False
    try:
        worker = BoundWorker(
            [queues.rq_queue(queue, redis)], connection=redis, worker_ttl=20,
            maintenance_interval=10, job_monitoring_interval=5, serializer=JSONSerializer,
            log_job_description=False,
        )  # fmt: skip
        worker.job_timeout_s = queues.job_timeout_s(model_s)
        did = worker.work(burst=burst, with_scheduler=False, logging_level="WARNING")
    except (RedisConnectionError, RedisTimeoutError) as error:
        log.warning("redis is gone", error=str(error))
        return bool(worker and worker.stopping), did
    except StopRequested:
        return True, did
    finally:
        # Between two loops nothing is at hand: a signal then ends the process as it stands.
        for number, handler in before.items():
            signal.signal(number, handler)
        redis.close()
    return burst or worker.stopping, did
