"""The inbox over a real Valkey: calls that wait share a round trip, each gets its answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from service import inbox as module
from service.inbox import Inbox
from workers.embedded import EmbeddedRedis, free_port
from workers.errors import Retryable
from workers.store.scripts import Call, Script

ECHO = "redis.call('RPUSH', KEYS[1], ARGV[1]) return {ARGV[1], ARGV[2]}"
FAIL = "return redis.error_reply('MISCONF this one fails')"
SHOUT = "return redis.call('GET', KEYS[1])"


def call(text: str, *args: str | bytes | int, key: str = "list") -> Call:
    return Call(Script(text, hashlib.sha1(text.encode()).hexdigest()), (key,), args)


@asynccontextmanager
async def opened(url: str, timeout: float = 2.0) -> AsyncIterator[Inbox]:
    client = redis.asyncio.Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    async with client:
        yield Inbox(client)


def run(
    server: EmbeddedRedis, body: Callable[[Inbox], Awaitable[Any]], timeout: float = 2.0
) -> Any:
    async def inner() -> Any:
        async with opened(server.url, timeout) as inbox:
            return await body(inbox)

    return asyncio.run(inner())


def packets(client: redis.Redis) -> int:
    """Reads of the server's sockets, which is how often it was sent something."""
    stats: Any = client.info("stats")
    return int(stats["total_reads_processed"])


def test_every_caller_gets_its_own_answer(
    redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """In the order in which they came, whatever bytes they hold."""
    odd = [b"\r\n$5\r\n", b"\x00", "\u00e9".encode(), b"", b"*1\r\n"]

    async def body(inbox: Inbox) -> list[Any]:
        return await asyncio.gather(
            *(inbox.send(call(ECHO, n, odd[n % len(odd)])) for n in range(500))
        )

    answers = run(redis_server, body)
    assert answers == [[str(n).encode(), odd[n % len(odd)]] for n in range(500)]
    assert redis_client.lrange("list", 0, -1) == [str(n).encode() for n in range(500)]


def test_what_waits_goes_out_together(
    redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """Five hundred calls at once take a handful of round trips, and nothing is loaded first."""

    async def body(inbox: Inbox) -> None:
        await inbox.send(call(ECHO, 0, ""))
        before = packets(redis_client)
        await asyncio.gather(*(inbox.send(call(ECHO, n, "")) for n in range(500)))
        assert packets(redis_client) - before < 60

    run(redis_server, body)


def test_one_calls_error_is_its_own(redis_server: EmbeddedRedis, redis_client: redis.Redis) -> None:
    """The others of the batch are answered."""

    async def body(inbox: Inbox) -> list[Any]:
        calls = [call(ECHO, 1, ""), call(FAIL), call(SHOUT, key="list"), call(ECHO, 2, "")]
        return await asyncio.gather(*(inbox.send(c) for c in calls), return_exceptions=True)

    first, failed, wrong_type, last = run(redis_server, body)
    assert first == [b"1", b""] and last == [b"2", b""]
    assert isinstance(failed, ResponseError) and "MISCONF" in str(failed)
    assert isinstance(wrong_type, ResponseError)


def test_a_sender_that_goes_away_disturbs_nobody(
    redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """Its call may be carried out; the answers do not move to others."""

    async def body(inbox: Inbox) -> list[Any]:
        tasks = [asyncio.create_task(inbox.send(call(ECHO, n, ""))) for n in range(20)]
        await asyncio.sleep(0)
        for task in tasks[::3]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        return [answer for answer in done if not isinstance(answer, asyncio.CancelledError)]

    answers = run(redis_server, body)
    assert answers == [[str(n).encode(), b""] for n in range(20) if n % 3]


def test_too_many_waiting_are_sent_away(
    redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """Memory is bounded: beyond the limit a caller hears at once that it should come again."""

    async def body(inbox: Inbox) -> None:
        most = module.WAITING_MAX
        calls = [asyncio.create_task(inbox.send(call(ECHO, n, ""))) for n in range(most + 10)]
        done = await asyncio.gather(*calls, return_exceptions=True)
        refused = [answer for answer in done if isinstance(answer, Retryable)]
        assert len(refused) == 10
        assert all(isinstance(answer, list | Retryable) for answer in done)

    run(redis_server, body)


def test_closing_waits_for_what_was_taken_in(
    redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """Nothing taken in is dropped by a shutdown."""

    async def body(inbox: Inbox) -> None:
        for n in range(300):
            task = asyncio.create_task(inbox.send(call(ECHO, n, "")))
            task.add_done_callback(lambda done: done.result())
        await asyncio.sleep(0)
        await inbox.close()
        await inbox.close()

    run(redis_server, body)
    assert redis_client.llen("list") == 300


def test_after_a_timeout_no_answer_is_mixed_up(
    redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """A late answer is not read as that of a later call."""

    async def body(inbox: Inbox) -> list[Any]:
        await inbox.send(call(ECHO, 0, ""))
        redis_client.client_pause(600)
        with pytest.raises(RedisError):
            await inbox.send(call(ECHO, 1, "late"))
        await asyncio.sleep(0.6)
        return await asyncio.gather(*(inbox.send(call(ECHO, n, "")) for n in range(2, 6)))

    answers = run(redis_server, body, timeout=0.2)
    assert answers == [[str(n).encode(), b""] for n in range(2, 6)]


def test_without_a_server_every_caller_hears_of_it() -> None:
    """Each with a RedisError; the next try begins anew."""

    async def body() -> None:
        async with opened(f"redis://127.0.0.1:{free_port()}") as inbox:
            for _ in range(2):
                calls = (inbox.send(call(ECHO, n, "")) for n in range(5))
                done = await asyncio.gather(*calls, return_exceptions=True)
                assert all(isinstance(answer, RedisError) for answer in done)

    asyncio.run(body())
