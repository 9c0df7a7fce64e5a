"""What is tried: a sandbox GitLab whose journal nothing kills, and `devops-backend up`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import redis
from pydantic import SecretStr
from redis import Redis

from service.demo import demo_settings
from service.sandbox.client import SandboxClient
from service.sandbox.journal import Entry
from service.start import settings_environment
from tests.chaos import processes
from tests.chaos.lending import Lending
from tests.chaos.processes import Process
from tests.chaos.tokens import API_TOKEN, SECRET
from tests.support.gitlab import BOT_TOKEN
from workers.embedded import find_running, free_port
from workers.errors import Retryable
from workers.store.learned import LearnedStore

ROOT = Path(__file__).parents[2]
READY_S = 180.0
SWEEP_S = 20.0
"""Ten minutes by default; a trial has no time to wait for that."""
PARTS = {
    "receiver": "service.cli serve",
    "generate": "service.cli _worker generate",
    "record": "service.cli _worker record",
    "ticker": "service.cli tick",
    "redis": "unixsocket",
    "chroma": "chromadb_rust_bindings",
}
"""The program's processes by a piece of their command line."""


class Program:
    """`devops-backend up` in a process of its own; its log and data below `folder`."""

    def __init__(
        self, folder: Path, gitlab_url: str, workers: int = 1,
        environment: Mapping[str, str] | None = None, **changes: Any,
    ) -> None:  # fmt: skip
        """`changes` are settings, `environment` is what the processes get beside them."""
        self.folder = folder
        self.data = folder / "data"
        self.workers = workers
        """Processes per queue."""
        self.log = folder / "log"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        settings = demo_settings(folder, gitlab_url, BOT_TOKEN, port).model_copy(
            update={
                "gitlab_webhook_secret": (SecretStr(SECRET),), "log_format": "json",
                "devops_backend_api_tokens": (SecretStr(API_TOKEN),),
                "log_level": "info", "poll_interval_s": 5.0, "sweep_interval_s": SWEEP_S, **changes,
            }
        )  # fmt: skip
        self.environment = {
            **os.environ, **settings_environment(settings), "PYTHONPATH": str(ROOT),
            **(environment or {}),
        }  # fmt: skip
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "up", "--processes", str(self.workers)],
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + READY_S
        while not self._ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise Retryable(f"the program did not become ready: {tail}")
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/health/ready", timeout=2, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    @property
    def pid(self) -> int:
        """Of the supervisor. Raises Retryable where it has ended: it never should by itself."""
        if self._process is None or self._process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""
            raise Retryable(f"the program is down: {tail}")
        return self._process.pid

    def part(self, name: str) -> Process | None:
        """One of PARTS, `horse`: what a generate worker has forked, or `program`; None while it is
        down. Of several the oldest, so that each gets its turn."""
        if name == "program":
            return processes.look(self.pid)
        return min(self.parts(name), key=lambda process: process.started, default=None)

    def parts(self, name: str) -> list[Process]:
        """All of one kind that run now."""
        everyone = processes.everyone()
        mark = PARTS["generate" if name == "horse" else name]
        found = [p for p in everyone if p.parent == self.pid and mark in p.command]
        if name == "horse":
            workers = {worker.pid for worker in found}
            found = [p for p in everyone if p.parent in workers]
        return found

    def family(self) -> list[Process]:
        """All that it has started, down to the work-horses."""
        return processes.family(self.pid)

    def killed(self) -> None:
        """After a SIGKILL of the supervisor: reap it."""
        if self._process is not None:
            self._process.wait(10)

    def redis(self) -> redis.Redis:
        """The server, for looking only. Raises Retryable while the embedded one is down."""
        url = self.settings.redis_url or find_running(self.data)
        if url is None:
            raise Retryable("redis is down")
        return redis.Redis.from_url(url, socket_timeout=5)

    def learned(self, client: Redis) -> LearnedStore:
        """What was learned, read with the program's own key."""
        settings, _ = self.settings.with_secrets()
        assert settings.devops_backend_key is not None
        return LearnedStore(client, settings.devops_backend_key, settings.learned_quorum)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not help."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(45)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()


class Rig(msgspec.Struct, frozen=True):
    """Everything that a trial needs."""

    folder: Path
    forge: SandboxClient
    gitlab_url: str
    journal: Path
    program: Program
    lending: Lending

    def entries(self) -> list[Entry]:
        """The journal as it stands on the disk."""
        lines = self.journal.read_bytes().splitlines(keepends=True)
        return [msgspec.json.decode(ln, type=Entry) for ln in lines if ln.endswith(b"\n")]


@contextmanager
def rig(
    folder: Path, workers: int = 1, environment: Mapping[str, str] | None = None, **changes: Any
) -> Iterator[Rig]:
    """A sandbox with its journal, and the program, ready; it has been lent a caller's token."""
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / "journal.jsonl"
    command = [sys.executable, "-m", "service.sandbox", "--port", "0", "--token", BOT_TOKEN]
    command += ["--pipeline-seconds", "0.2", "--journal", str(journal)]
    ours = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        (folder / "sandbox.log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=ROOT, env=ours)
        as process,
    ):  # fmt: skip
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            program = Program(folder / "program", ready["url"], workers, environment, **changes)
            program.folder.mkdir(exist_ok=True)
            with SandboxClient(ready["url"], ready["admin_token"]) as forge:
                try:
                    program.start()
                    lending = Lending(forge, program.url, ready["url"])
                    lending.ask_all(lending.plant(1, "lent"))
                    yield Rig(folder, forge, ready["url"], journal, program, lending)
                finally:
                    program.stop()
        finally:
            process.terminate()
            process.wait(10)
