"""What the process holds while it runs: made once in `app.create_app`, read by every endpoint."""

from __future__ import annotations

import asyncio
from typing import TypedDict

import httpx
from redis.asyncio import Redis
from starlette.requests import Request as StarletteRequest

from service.health import Health
from service.inbox import Inbox
from service.keys import Keys
from service.metrics import Metrics
from service.rendering import Pages
from service.senders import Senders
from service.stores import Stores
from workers.settings import Settings

FOLLOWERS = 200
"""Requests that follow a run, each with a connection to Redis."""


class Limits:
    """How much of what holds a thread or a connection for long goes on at once."""

    def __init__(self) -> None:
        self.dry_runs = asyncio.Semaphore(8)
        self.followers = asyncio.Semaphore(FOLLOWERS)


class State(TypedDict):
    """Starlette's lifespan state, typed."""

    settings: Settings
    stores: Stores
    inbox: Inbox
    redis: Redis
    """For short commands: two seconds to answer."""
    streams: Redis
    """For blocking reads of progress."""
    http: httpx.AsyncClient
    limits: Limits
    senders: Senders
    keys: Keys
    metrics: Metrics
    health: Health
    pages: Pages
    document: bytes
    """The OpenAPI document, as JSON."""


Request = StarletteRequest[State]
