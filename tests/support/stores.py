"""A real Valkey and a real Chroma, one of each per test session, empty before each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import chromadb
import pytest
import redis
from chromadb.config import Settings

from workers.embedded import EmbeddedChroma, EmbeddedRedis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """The session's Valkey; `.url` is where it listens. Shared: flush, do not stop it."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    """A client (replies as bytes) of a server that is empty before and after the test."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client
        client.flushall()


@pytest.fixture(scope="session")
def chroma_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedChroma]:
    """The session's Chroma, whatever is in it."""
    with EmbeddedChroma(tmp_path_factory.mktemp("chroma")) as server:
        yield server


@pytest.fixture
def chroma_server(chroma_process: EmbeddedChroma) -> EmbeddedChroma:
    """The session's Chroma without any collection; `.url` is where it listens."""
    settings = Settings(anonymized_telemetry=False)
    client = chromadb.HttpClient(host="127.0.0.1", port=chroma_process.port, settings=settings)
    for collection in client.list_collections():
        client.delete_collection(collection.name)
    cast(Any, client).close()
    return chroma_process
