"""RQ as the wake-up: two queues, ids only, JSON, and nothing but the functions named here.

The ledger is the record of what is to do; losing a wake-up loses nothing (the ticker sends it
again). RQ's pickle default, and any function name that JSON may carry, would let whoever can
write to Redis run code: `SafeJob` takes only names on the list.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rq import Queue as RQQueue
from rq.job import Job
from rq.serializers import JSONSerializer

from workers.errors import Rejected

QUEUES = ("generate", "record")
FUNCTIONS = frozenset(
    {"workers.jobs.generate", "workers.jobs.record", "workers.jobs.dry_run", "workers.jobs.sweep"}
)

JOB_PREFIX = "rq:job:"
QUEUE_SET = "rq:queues"
JOB_REST_S = 240
"""What a job may take beside the model: GitLab's answers, the checks, the writes."""
RESULT_TTL_S = 60
WAKE_UP_TTL_S = 86400
FAILURE_TTL_S = 7 * 86400
"""RQ's own default keeps failures, arguments included, for a year."""


class SafeJob(Job):
    """A job that refuses every function that is not on the list, before it is imported."""

    @property
    def func(self) -> Callable[..., Any] | None:
        if self.func_name not in FUNCTIONS or self.instance is not None:
            raise Rejected(f"worker job {self.id} names a function that is not allowed")
        return super().func  # type: ignore[no-any-return]


class SafeQueue(RQQueue):
    """A queue of `SafeJob`s."""

    job_class = SafeJob


def job_timeout_s(model_s: float) -> int:
    """Seconds after which a job is stopped, where one call of the model may take `model_s`: a run
    asks it for so long in all, and is never stopped while that is not over."""
    return JOB_REST_S + math.ceil(model_s)


def queue_key(queue: str) -> str:
    """RQ's list of waiting job ids."""
    return f"rq:queue:{queue}"


def job_fields(function: str, argument: int | str, queue: str) -> list[str | bytes | int]:
    """The fields of RQ's job hash (RQ 3.0), flat, for HSET inside our scripts.

    The worker that takes it sets the timeout anew. Written by hand because `rq.enqueue` costs the
    receiver ten times as much; a test lets RQ itself read and run what this makes.
    """
    name = f"workers.jobs.{function}"
    data = json.dumps([name, None, [argument], {}]).encode()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    fields: dict[str, str | bytes | int] = {
        "created_at": now, "enqueued_at": now, "data": zlib.compress(data, 1), "origin": queue,
        "status": "queued", "description": f"{function} {argument}", "timeout": JOB_REST_S,
        "result_ttl": RESULT_TTL_S, "failure_ttl": FAILURE_TTL_S, "started_at": "", "ended_at": "",
        "last_heartbeat": "", "worker_name": "", "group_id": "", "success_callback_name": "",
        "failure_callback_name": "", "stopped_callback_name": "",
    }  # fmt: skip
    return [part for item in fields.items() for part in item]


def send(redis: Any, function: str, argument: int | str, queue: str, job: str) -> None:
    """Wake a worker of `queue` with one of our functions; a wake-up not taken expires in a day."""
    pipe = redis.pipeline(transaction=True)
    pipe.hset(JOB_PREFIX + job, items=job_fields(function, argument, queue))
    pipe.expire(JOB_PREFIX + job, WAKE_UP_TTL_S)
    pipe.sadd(QUEUE_SET, queue_key(queue))
    pipe.rpush(queue_key(queue), job)
    pipe.execute()


def rq_queue(name: str, redis: Any) -> SafeQueue:
    """RQ's own view of a queue."""
    return SafeQueue(name, connection=redis, serializer=JSONSerializer)
