"""The composition root of the HTTP process: settings in, an application out.

Nothing here knows pipelines: no chromadb, no ollama, none of the steps' code. What needs them is
left in Redis for a worker, so this process starts fast, stays small and never waits for a model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import httpx
import msgspec
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry
from starlette.applications import Starlette
from starlette.middleware import Middleware

from service import dashboard_routes, table
from service.edge import Edge
from service.health import Health
from service.inbox import Inbox
from service.keys import Keys
from service.metrics import Metrics
from service.openapi import document
from service.problems import HANDLERS
from service.rendering import Pages
from service.routes import Endpoint
from service.senders import Senders
from service.state import FOLLOWERS, Limits, State
from service.stores import Stores
from workers.errors import Misconfigured
from workers.settings import Settings

ANSWER_S = 2.0
"""What Redis has for one short command; GitLab waits ten seconds for us."""
STREAM_S = 30.0
"""Longer than any blocking read."""


def create_app(settings: Settings) -> Starlette:
    """The application. Opens nothing before it is started.

    `redis_url`, a webhook secret, a key and an API token have to be there
    (`Settings.with_secrets`). Raises Misconfigured.
    """
    _check(settings)
    endpoints = [*table.routes(), *dashboard_routes.routes()]
    app = Starlette(
        routes=endpoints,
        middleware=[Middleware(Edge)],
        exception_handlers=HANDLERS,
        lifespan=_lifespan(settings, endpoints),
    )
    # A path with a slash too many would be sent to an address made from the Host header.
    app.router.redirect_slashes = False
    return app


def _check(settings: Settings) -> None:
    if settings.redis_url is None:
        raise Misconfigured("REDIS_URL: should name a Redis or Valkey server, or use `up`")
    if not settings.gitlab_webhook_secret:
        raise Misconfigured("GITLAB_WEBHOOK_SECRET: there is no way to run without one")
    if settings.devops_backend_key is None:
        raise Misconfigured("DEVOPS_BACKEND_KEY: there is no way to run without one")
    if not settings.devops_backend_api_tokens:
        raise Misconfigured("DEVOPS_BACKEND_API_TOKENS: there is no way to run without one")


def _lifespan(
    settings: Settings, endpoints: list[Endpoint]
) -> Callable[[Starlette], AbstractAsyncContextManager[State]]:
    secure = settings.devops_backend_url.startswith("https://")
    senders = Senders(settings.gitlab_webhook_secret, settings.gitlab_signing_token)
    key = settings.devops_backend_key
    assert key is not None  # _check has seen to it
    keys = Keys(settings.devops_backend_api_tokens, key, secure=secure)
    described, pages = msgspec.json.encode(document(endpoints)), Pages()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        async with AsyncExitStack() as open_now:
            short = await open_now.enter_async_context(_async_redis(settings, ANSWER_S))
            streams = await open_now.enter_async_context(
                _async_redis(settings, STREAM_S, FOLLOWERS + 10)
            )
            sync = open_now.enter_context(_sync_redis(settings))
            http = await open_now.enter_async_context(open_http())
            inbox = Inbox(short)
            open_now.push_async_callback(inbox.close)
            stores = Stores.over(sync, settings)
            yield State(
                settings=settings, stores=stores, inbox=inbox, redis=short,
                streams=streams, http=http,
                limits=Limits(), senders=senders, keys=keys, metrics=Metrics(),
                health=Health(settings, short, http, stores.budget), pages=pages,
                document=described,
            )  # fmt: skip

    return lifespan


def _async_redis(settings: Settings, seconds: float, most: int = 50) -> redis.asyncio.Redis:
    # Its own retries are off: they hide an outage for seconds, and GitLab waits for ten.
    return redis.asyncio.Redis.from_url(
        str(settings.redis_url), socket_timeout=seconds, socket_connect_timeout=ANSWER_S,
        max_connections=most,
        retry=AsyncRetry(NoBackoff(), 0),
    )  # fmt: skip


def _sync_redis(settings: Settings) -> redis.Redis:
    return redis.Redis.from_url(
        str(settings.redis_url), socket_timeout=5, socket_connect_timeout=ANSWER_S,
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip


def open_http() -> httpx.AsyncClient:
    """The client for everything that a request asks elsewhere: GitLab, Ollama, Chroma."""
    # No redirects and no proxies from the environment: a token goes where the settings say. Its
    # SSL_CERT_FILE counts: it names the private authority of a GitLab.
    return httpx.AsyncClient(
        verify=httpx.create_ssl_context(),
        follow_redirects=False, trust_env=False, timeout=httpx.Timeout(10, connect=3),
        headers={"Accept-Encoding": "identity", "User-Agent": "devops-backend"},
    )  # fmt: skip
