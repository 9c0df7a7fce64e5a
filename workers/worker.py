"""RQ worker processes as we run them: one queue each, forked per job, dying with their parent."""

from __future__ import annotations

import ctypes
import os
import signal
from typing import Any

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Worker
from rq.serializers import JSONSerializer

from workers import queues
from workers.connect import connect
from workers.settings import Settings

log = structlog.get_logger(__name__)

PR_SET_PDEATHSIG = 1
"""prctl(2)."""


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

    def fork_work_horse(self, job: Any, queue: Any) -> None:
        """Fork as RQ does; the child first ties its life to ours."""
        self._parent_pid = os.getpid()
        super().fork_work_horse(job, queue)

    def main_work_horse(self, job: Any, queue: Any) -> None:
        """The child's way: bound to its parent, then RQ's own."""
        die_with_parent(self._parent_pid)
        super().main_work_horse(job, queue)


def work(settings: Settings, queue: str, *, burst: bool = False) -> int:
    """Work off one queue until SIGTERM. Gives the exit code: 1 where Redis went away.

    `worker_ttl` bounds how long an idle worker blocks, `maintenance_interval` how often RQ looks
    for jobs of dead workers; both are for RQ's own books, since our leases decide what is lost.
    """
    if settings.redis_url is None:
        raise ValueError("a worker needs REDIS_URL")
    from workers import jobs  # heavy imports happen here, once, before the first fork

    jobs.preload(settings)
    redis = connect(settings.redis_url)
    worker = BoundWorker(
        [queues.rq_queue(queue, redis)], connection=redis, worker_ttl=20, maintenance_interval=10,
        job_monitoring_interval=5, serializer=JSONSerializer, log_job_description=False,
    )  # fmt: skip
    try:
        worker.work(burst=burst, with_scheduler=False, logging_level="WARNING")
    except (RedisConnectionError, RedisTimeoutError) as error:
        log.error("redis is gone", error=str(error))
        return 1
    return 0
