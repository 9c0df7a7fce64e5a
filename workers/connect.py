"""How this program talks to Redis: no write is ever sent twice by the client itself."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def connect(url: str) -> Redis:
    """A client that gives up instead of sending a write twice (redis-py retries ten times).

    `socket_timeout` is above the longest blocking read, which is RQ's.
    """
    return Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=3, socket_timeout=30,
        health_check_interval=30,
    )  # fmt: skip
