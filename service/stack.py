"""Everything on one machine: the stores where none are configured, receiver, workers, ticker."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import structlog

from service.start import check_templates, prepare, settings_environment, upgrade_store
from workers.embedded import EmbeddedChroma, EmbeddedRedis
from workers.errors import Misconfigured, Retryable
from workers.settings import Settings
from workers.supervisor import CHECK_S, Supervisor

log = structlog.get_logger(__name__)

READY_WITHIN_S = 30.0
STORE_PAUSE_S = 2.0


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


def port_of(url: str) -> int:
    """The port of an address, the scheme's own where it names none."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
