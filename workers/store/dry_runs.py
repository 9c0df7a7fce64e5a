"""Dry runs: analyse, generate or validate on demand, committing nothing.

The HTTP process knows nothing of pipelines, so it leaves the question in Redis, wakes a
`generate` worker with the question's id and waits for the answer. Keys: `dob:dry:{id}`,
`dob:dry:{id}:answer`; both live ten minutes.
"""

from __future__ import annotations

import secrets
from typing import Any, Literal, cast

import msgspec
from redis import Redis

from workers import queues
from workers.errors import NotFound, Retryable
from workers.store.deliveries import key

TTL_S = 600


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """A question: `project` (id or path) for analyze and generate, `content` for validate."""

    kind: Literal["analyze", "generate", "validate"]
    project: str = ""
    ref: str = ""
    content: str = ""
    use_template_only: bool = False


class Answer(msgspec.Struct, frozen=True):
    """`result` is the JSON to show; `error` one sentence, with the HTTP `status` that fits it."""

    result: dict[str, Any] | None = None
    error: str | None = None
    status: int = 200


class DryRuns:
    """Questions and answers, over a synchronous Redis client."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def ask(self, question: DryRun) -> str:
        """Leave a question and wake a worker; gives its id."""
        ask_id = secrets.token_hex(12)
        self._redis.set(key("dry", ask_id), msgspec.json.encode(question), ex=TTL_S)
        queues.send(self._redis, "dry_run", ask_id, "generate", f"dry-{ask_id}")
        return ask_id

    def question(self, ask_id: str) -> DryRun:
        """What was asked. Raises NotFound once it has expired."""
        raw = self._redis.get(key("dry", ask_id))
        if raw is None:
            raise NotFound("the question has expired", 404)
        return msgspec.json.decode(cast("bytes", raw), type=DryRun)

    def reply(self, ask_id: str, answer: Answer) -> None:
        """Give the answer to whoever waits."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.rpush(key("dry", ask_id, "answer"), msgspec.json.encode(answer))
        pipe.expire(key("dry", ask_id, "answer"), TTL_S)
        pipe.execute()

    def wait(self, ask_id: str, timeout_s: float) -> Answer:
        """The answer. Raises Retryable where no worker gave one within `timeout_s`."""
        got = cast("Any", self._redis.blpop([key("dry", ask_id, "answer")], timeout=timeout_s))
        if got is None:
            raise Retryable("no worker answered in time; are workers running?", 30)
        return msgspec.json.decode(got[1], type=Answer)
