"""What is known of a project: the hash `dob:project:{p}`, names to texts. It lives until the
project is gone, and a month longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis import Redis

from workers.store.deliveries import DELIVERY_TTL_S, as_text, key


class Facts:
    """Facts of projects, over a synchronous Redis client."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def project(self, project: int) -> dict[str, str]:
        """The fields kept of a project; empty where it is unknown."""
        return _texts(self._redis.hgetall(key("project", project)))

    def projects(self, projects: Sequence[int]) -> list[dict[str, str]]:
        """The fields kept of several, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        for project in projects:
            pipe.hgetall(key("project", project))
        return [_texts(row) for row in pipe.execute()]

    def note_project(self, project: int, fields: Mapping[str, str | int]) -> None:
        """Keep facts of a project. An empty string removes the fact."""
        gone = [name for name, value in fields.items() if value == ""]
        kept = {name: value for name, value in fields.items() if value != ""}
        pipe = self._redis.pipeline(transaction=True)
        if kept:
            pipe.hset(key("project", project), mapping=cast("Any", kept))
        if gone:
            pipe.hdel(key("project", project), *gone)
        pipe.execute()

    def forget_later(self, project: int) -> None:
        """A project is gone: what is known of it goes with its deliveries."""
        self._redis.expire(key("project", project), DELIVERY_TTL_S)


def _texts(row: Mapping[Any, Any]) -> dict[str, str]:
    return {as_text(name): as_text(value) for name, value in row.items()}
