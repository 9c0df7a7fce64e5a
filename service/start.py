"""What a process needs before it starts: its settings complete, the store of its version, templates
that hold; and what it hands on to its children."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import structlog
from redis.exceptions import RedisError

from workers.connect import connect
from workers.errors import Misconfigured, Rejected, Retryable
from workers.settings import Settings
from workers.store import schema

log = structlog.get_logger(__name__)

SYNC_ATTEMPTS, SYNC_PAUSE_S = 20, 15.0
"""For five minutes: Chroma may be slower up than we are."""


def upgrade_store(settings: Settings) -> None:
    """What Redis holds is brought to our version. Raises Misconfigured where it is newer.

    A Redis that is away is no reason not to start: it is waited for, as later on.
    """
    try:
        with connect(settings.redis_url or "") as redis:
            schema.ensure(redis)
    except RedisError as error:
        log.warning("the store's version could not be looked at", error=str(error))


def check_templates(settings: Settings) -> None:
    """Raises Misconfigured where a template is wrong, before anything runs with it."""
    from workers.pipeline.templates import Templates

    Templates.load(settings.templates_dir)


def prepare(settings: Settings) -> None:
    """Templates into Chroma and the model into memory, beside the start: neither delays it.

    Raises Misconfigured where a template is wrong, before anything is served with it.
    """
    from workers.clients.chroma import Index
    from workers.clients.ollama import Model
    from workers.pipeline.templates import Templates
    from workers.steps.retrieve import sync_templates as sync

    templates, url = Templates.load(settings.templates_dir), settings.chroma_url

    def load() -> None:
        for _ in range(SYNC_ATTEMPTS if url is not None else 0):
            try:
                sync(Index(url or "", timeout=10), templates)
                return
            except Retryable as error:
                log.warning("templates are not in Chroma, the files are used", reason=str(error))
            time.sleep(SYNC_PAUSE_S)

    def warm() -> None:
        # A cold load takes up to 100 s, and a call that gives up during it aborts it.
        try:
            if settings.ollama_model:
                timeout = settings.ollama_timeout_s
                Model(settings.ollama_host, settings.ollama_model, timeout).preload()
        except (Retryable, Rejected) as error:
            log.warning("no model: references are used as they are", reason=str(error))

    for work in (load, warm):
        threading.Thread(target=work, daemon=True, name=work.__name__).start()


def settings_environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables, secrets included; read back by `Settings.load`."""
    found: dict[str, str] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, tuple):
            text = ",".join(secret.get_secret_value() for secret in value)
        elif hasattr(value, "get_secret_value"):
            text = value.get_secret_value()
        elif isinstance(value, Path):
            text = str(value.absolute())
        else:
            text = "" if value is None else str(value)
        found[name.upper()] = text
    return found


def require_secret(settings: Settings) -> None:
    """Raises Misconfigured where no webhook secret is known.

    One made here would not be the one that the receiver checks deliveries with.
    """
    if not settings.gitlab_webhook_secret:
        raise Misconfigured(
            "GITLAB_WEBHOOK_SECRET: should be the receiver's; run this where `up` or `serve` has"
            f" run (it is kept in {settings.devops_backend_data}), or set it for both"
        )


def require_key(settings: Settings) -> None:
    """Raises Misconfigured where no key is known: what another sealed could not be read."""
    if settings.devops_backend_key is None:
        raise Misconfigured(
            "DEVOPS_BACKEND_KEY: should be the receiver's; run this where `up` or `serve` has"
            f" run (it is kept in {settings.devops_backend_data}), or set it for both"
        )


def require_gitlab(settings: Settings) -> None:
    """Raises Misconfigured where there is no token to talk to GitLab with."""
    if settings.gitlab_token is None:
        raise Misconfigured(
            "GITLAB_TOKEN: should be an access token with scope api, of a user with at least the "
            "Developer role (Maintainer to install webhooks) in the projects to serve"
        )
