"""Chroma: what is similar among the learned pipelines and the templates.

An index only: each entry is an id, a vector, metadata and a scrubbed plan, and can be made again
from Redis and the template files. Vectors are our own, always: given texts alone, Chroma would
download a model. Its server knows no users, so nothing private is ever sent there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

import chromadb
import httpx
import msgspec
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings
from chromadb.errors import NotFoundError

from workers.clients.guard import Breaker, DeadlinePassed, State, within
from workers.errors import Retryable
from workers.vectors import vector

QUERY_S = 0.3
"""What a query may add to a run; without an answer the run goes on without Chroma."""
CONNECT_S = 2.0
WRITE_S = 10.0
BATCH = 500
NONE = "none"
"""Stands for "no framework": Chroma's metadata knows no null."""

Where = Mapping[str, str | tuple[str, ...]]
"""What metadata have to equal; of several values, one."""
Name = Literal["successful_pipelines", "pipeline_templates"]
NAMES: tuple[Name, ...] = ("successful_pipelines", "pipeline_templates")
T = TypeVar("T")


class Item(msgspec.Struct, frozen=True):
    """What is put in: `metadata` holds at least `language` and `framework` (or "none")."""

    id: str
    features: tuple[str, ...]
    metadata: Mapping[str, str]
    document: str


class Hit(msgspec.Struct, frozen=True):
    """What is found. `distance` is 1 - cosine: 0 the same to 2; 0 where nothing was compared."""

    id: str
    metadata: Mapping[str, str]
    document: str
    distance: float = 0.0


class _Failed(Exception):
    """Something that chromadb or httpx raised."""


class Index:
    """The two collections of one Chroma server, reached when first needed.

    A query may take `timeout` seconds, a write ten. Whatever goes wrong is Retryable, and after
    three failures in a row nobody asks for 30 s. Safe to make before a fork: each process gets
    its own connection.
    """

    def __init__(self, url: str, timeout: float = QUERY_S) -> None:
        self.url = url
        self._timeout = timeout
        self._breaker = Breaker("Chroma")
        self._pid = 0
        self._client: Any = None
        self._collections: dict[str, Collection] = {}

    def upsert(self, name: Name, items: Iterable[Item]) -> None:
        """Put items in, replacing those of the same id; harmless when done twice."""
        for batch in _batches(items):
            self._on(name, WRITE_S, lambda c, batch=batch: _put(c, batch))  # type: ignore[misc]

    def find(self, name: Name, where: Where, limit: int = 10) -> list[Hit]:
        """Entries whose metadata equal `where` (none: all), at most `limit`."""
        got = self._on(
            name,
            self._timeout,
            lambda c: c.get(where=_where(where), limit=limit, include=["metadatas", "documents"]),
        )
        return _hits(got["ids"], got["metadatas"], got["documents"])

    def nearest(
        self, name: Name, features: Iterable[str], where: Where, limit: int = 8
    ) -> list[Hit]:
        """Entries whose metadata equal `where`, nearest features first, at most `limit`."""
        wanted = vector(features)
        got: Any = self._on(
            name,
            self._timeout,
            lambda c: c.query(
                query_embeddings=[wanted],  # type: ignore[arg-type]
                n_results=limit,
                where=_where(where),
                include=["metadatas", "documents", "distances"],
            ),
        )
        return _hits(*(got[key][0] for key in ("ids", "metadatas", "documents", "distances")))

    def delete(self, name: Name, ids: Sequence[str]) -> None:
        """Take entries out; ids that are not there do no harm."""
        if ids:
            self._on(name, WRITE_S, lambda c: c.delete(ids=list(ids)))

    def count(self, name: Name) -> int:
        """How many entries there are."""
        return self._on(name, self._timeout, lambda c: c.count())

    def rebuild(self, name: Name, items: Iterable[Item]) -> int:
        """Replace the whole collection by `items`; how many there are.

        It is made beside the old one and takes its name when it is complete, so that queries
        find the old one until then.
        """
        beside = f"{name}_next"
        self._ask(WRITE_S, lambda client: _drop(client, beside))
        fresh = self._ask(WRITE_S, lambda client: _open(client, beside))
        total = 0
        for batch in _batches(items):
            self._ask(WRITE_S, lambda _, batch=batch: _put(fresh, batch))  # type: ignore[misc]
            total += len(batch)
        self._ask(WRITE_S, lambda client: _drop(client, name))
        self._ask(WRITE_S, lambda _: fresh.modify(name=name))
        self._collections.pop(name, None)
        return total

    def state(self) -> State:
        """Whether it answers, and how fast; raises nothing."""
        started = time.monotonic()
        try:
            entries = sum(self.count(name) for name in NAMES)
        except Retryable as error:
            return State(False, str(error), time.monotonic() - started)
        return State(True, f"{entries} entries", time.monotonic() - started)

    def close(self) -> None:
        """Give the connection back; the next call makes a new one."""
        client, self._client = self._client, None
        self._collections.clear()
        if client is not None and self._pid == os.getpid():
            client.close()

    def _on(self, name: Name, seconds: float, act: Callable[[Collection], T]) -> T:
        def with_collection(client: Any) -> T:
            for last in (False, True):
                collection = self._collections.get(name) or _open(client, name)
                self._collections[name] = collection
                try:
                    return act(collection)
                except NotFoundError:  # made again by somebody since we looked
                    del self._collections[name]
                    if last:
                        raise
            raise AssertionError("unreachable")

        return self._ask(seconds, with_collection)

    def _ask(self, seconds: float, act: Callable[[Any], T]) -> T:
        self._breaker.check()
        try:
            if self._client is None or self._pid != os.getpid():
                self._collections = {}
                self._client, self._pid = _named(CONNECT_S, lambda: _connect(self.url)), os.getpid()
            client = self._client
            answer = _named(seconds, lambda: act(client))
        except _Failed as error:
            self._breaker.failed()
            self.close()
            raise Retryable(f"Chroma at {self.url}: {error}") from error
        self._breaker.succeeded()
        return answer


def _named(seconds: float, call: Callable[[], T]) -> T:
    """What `call` returns; _Failed for whatever it raises, and after `seconds`."""

    def attempt() -> T:
        try:
            return call()
        # chromadb raises plain Exception for answers it does not know. This runs in a thread of
        # its own, so no time-out of the worker can be among what is caught.
        except Exception as error:
            raise _Failed(f"{type(error).__name__}: {error}"[:300]) from error

    try:
        return within(seconds, attempt)
    except DeadlinePassed:
        raise _Failed(f"no answer within {seconds:g} s") from None


def _connect(url: str) -> Any:
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    _go_around_proxy(host)
    tls = parts.scheme == "https"
    # `_env_file`: chromadb would read the program's own .env otherwise.
    settings = Settings(anonymized_telemetry=False, _env_file=None)  # type: ignore[call-arg]
    client = chromadb.HttpClient(
        host=host, port=parts.port or (443 if tls else 80), ssl=tls, settings=settings
    )
    # chromadb has no time-out at all and no setting for one; this ends the threads of calls that
    # we have given up. The attributes are private: chromadb is pinned, and a test holds them.
    cast(Any, client)._server._session.timeout = httpx.Timeout(WRITE_S)
    return client


def _go_around_proxy(host: str) -> None:
    """Chroma stands on this machine or a private network, where a proxy cannot reach; chromadb
    makes its HTTP client itself and leaves only the environment to say so."""
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [part for part in os.environ.get(name, "").split(",") if part]
        if host not in hosts:
            os.environ[name] = ",".join([*hosts, host])


def _open(client: Any, name: str) -> Collection:
    return cast(
        Collection,
        client.get_or_create_collection(
            name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        ),
    )


def _drop(client: Any, name: str) -> None:
    try:
        client.delete_collection(name)
    except NotFoundError:
        return


def _put(collection: Collection, items: Sequence[Item]) -> None:
    collection.upsert(
        ids=[item.id for item in items],
        embeddings=[vector(item.features) for item in items],  # type: ignore[arg-type]
        metadatas=[dict(item.metadata) for item in items],
        documents=[item.document for item in items],
    )


def _batches(items: Iterable[Item]) -> Iterable[list[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _where(equal: Where) -> Any:
    parts: list[dict[str, Any]] = [
        {name: value if isinstance(value, str) else {"$in": list(value)}}
        for name, value in equal.items()
    ]
    return {"$and": parts} if len(parts) > 1 else parts[0] if parts else None


def _hits(ids: Any, metadatas: Any, documents: Any, distances: Any = None) -> list[Hit]:
    rows = zip(ids, metadatas, documents, distances or [0.0] * len(ids), strict=True)
    return [Hit(id, meta or {}, document or "", float(far)) for id, meta, document, far in rows]
