"""Everything on one machine: the stores where none are configured, receiver, workers, ticker."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import structlog
from redis.exceptions import RedisError

from workers.connect import connect
from workers.embedded import EmbeddedChroma, EmbeddedRedis
from workers.errors import Misconfigured, Rejected, Retryable
from workers.settings import Settings
from workers.store import schema
from workers.supervisor import CHECK_S, Supervisor

log = structlog.get_logger(__name__)

READY_WITHIN_S = 30.0
STORE_PAUSE_S = 2.0
SYNC_ATTEMPTS, SYNC_PAUSE_S = 20, 15.0
"""For five minutes: Chroma may be slower up than we are."""


class Stack:
    """Starts on entering, stops on leaving, in order. Restarts what dies while `run` watches.

    `settings` are made complete (secrets, store addresses) and handed to the children through
    their environment, the one place where settings come from.
    """

    def __init__(
        self, settings: Settings, *, host: str = "127.0.0.1", port: int | None = None,
        workers_per_queue: int = 1, stop: threading.Event | None = None,
    ) -> None:  # fmt: skip
        """`stop`: what ends the wait for the receiver where it is set before that is ready."""
        self.settings, self.made_tokens = settings.with_secrets()
        self._host = host
        self._port = port or port_of(settings.devops_backend_url)
        self._per_queue = workers_per_queue
        self._stop = stop or threading.Event()
        self._exit = ExitStack()
        self._stores: list[EmbeddedRedis | EmbeddedChroma] = []
        self._supervisor: Supervisor | None = None
        self._store_again = 0.0

    def __enter__(self) -> Stack:
        check_templates(self.settings)
        with ExitStack() as building:
            self._exit = building
            listening = building.enter_context(listen(self._host, self._port))
            self._start_stores()
            upgrade_store(self.settings)
            fd = listening.fileno()
            commands = {"receiver": ["serve", "--fd", str(fd)]}
            for queue in ("generate", "record"):
                for number in range(1, self._per_queue + 1):
                    commands[f"{queue}-{number}"] = ["_worker", queue]
            commands["ticker"] = ["tick"]
            self._supervisor = building.enter_context(
                Supervisor(commands, self.environment(), {"receiver": fd})
            )
            prepare(self.settings)
            self.wait_ready()
            self._exit = building.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @property
    def url(self) -> str:
        """Where the receiver listens."""
        return f"http://{self._host}:{self._port}"

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        found = dict(self._supervisor.pids) if self._supervisor else {}
        return found | {store.label: store.pid for store in self._stores if store.pid}

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop`."""
        while not stop.wait(CHECK_S):
            self.check()

    def check(self) -> None:
        """Restart what died."""
        for store in self._stores:
            if store.pid is None and time.monotonic() >= self._store_again:
                log.warning("a store ended and is started again", store=store.label)
                self._restart(store)
        if self._supervisor:
            self._supervisor.check()

    def _restart(self, store: EmbeddedRedis | EmbeddedChroma) -> None:
        """A store that does not start, for want of room on its disk say, takes nobody down."""
        store.stop()
        try:
            store.start()
        except Misconfigured as error:
            self._store_again = time.monotonic() + STORE_PAUSE_S
            log.error("a store does not start; tried again", store=store.label, error=str(error))

    def _start_stores(self) -> None:
        data = self.settings.devops_backend_data
        changes: dict[str, str] = {}
        if self.settings.redis_url is None:
            redis = self._exit.enter_context(EmbeddedRedis(data / "redis"))
            self._stores.append(redis)
            changes["redis_url"] = redis.url
        if self.settings.chroma_url is None:
            chroma = self._exit.enter_context(EmbeddedChroma(data / "chroma"))
            self._stores.append(chroma)
            changes["chroma_url"] = chroma.url
        self.settings = self.settings.model_copy(update=changes)

    def environment(self) -> dict[str, str]:
        """The children's environment: ours, with every setting as it is now."""
        return {**os.environ, **settings_environment(self.settings)}

    def wait_ready(self) -> None:
        """Until `/health/ready` answers 200, or somebody wants it to stop.

        Raises Retryable where it never does.
        """
        pause = threading.Event()
        for _ in range(int(READY_WITHIN_S / 0.1)):
            if self._stop.is_set():
                return
            self.check()
            try:
                if (
                    httpx.get(f"{self.url}/health/ready", timeout=2, trust_env=False).status_code
                    == 200
                ):
                    return
            except httpx.HTTPError:
                pause.wait(0.1)
        raise Retryable(f"the receiver at {self.url} did not become ready; see its log above")


def listen(host: str, port: int) -> socket.socket:
    """The receiver's socket, held by the supervisor: who calls while a receiver is started again
    waits a second or two instead of being refused, for GitLab does not call twice.

    Raises Misconfigured where the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise Misconfigured(
            f"DEVOPS_BACKEND_URL: its port should be free on {host} (or give --host, --port);"
            f" {port} is not: {error}"
        ) from None


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


def port_of(url: str) -> int:
    """The port of an address, the scheme's own where it names none."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


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
