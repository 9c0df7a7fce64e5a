"""Keeps a set of processes running: restarts what dies, stops all in order and in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from workers.worker import die_with_parent

log = structlog.get_logger(__name__)

CHECK_S = 0.2
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Pauses before a restart; the last one repeats. A minute of life forgets them."""
STEADY_S = 60.0
STOP_WITHIN_S = 30.0
PARENT_VARIABLE = "DEVOPS_BACKEND_PARENT"


class _Child(msgspec.Struct):
    name: str
    command: list[str]
    inherits: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    not_before: float = 0.0


def bind_to_parent() -> None:
    """In a child: end when the supervisor ends, however it ends. Does nothing elsewhere."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent and sys.platform == "linux":
        die_with_parent(int(parent))


class Supervisor:
    """Runs named commands of this program, `devops-backend …`, each in its own process."""

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        env: Mapping[str, str],
        sockets: Mapping[str, int] | None = None,
    ) -> None:
        """`sockets`: file descriptors that a command inherits, by its name."""
        program = [sys.executable, "-m", "service.cli"]
        kept = sockets or {}
        self._children = [
            _Child(name, [*program, *args], tuple(fd for to, fd in kept.items() if to == name))
            for name, args in commands.items()
        ]
        self._env = {**env, PARENT_VARIABLE: str(os.getpid())}

    def __enter__(self) -> Supervisor:
        for child in self._children:
            self._start(child)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name, of those that run now."""
        return {
            child.name: child.process.pid
            for child in self._children
            if child.process is not None and child.process.poll() is None
        }

    def check(self) -> None:
        """Restart what died, each after its own pause."""
        now = time.monotonic()
        for child in self._children:
            process = child.process
            if process is not None and process.poll() is not None:
                child.deaths = 0 if now - child.started > STEADY_S else child.deaths
                pause = BACKOFF_S[min(child.deaths, len(BACKOFF_S) - 1)]
                child.not_before, child.process = now + pause, None
                child.deaths += 1
                log.warning(
                    "a process ended and is started again",
                    child=child.name, exit_code=process.returncode, in_s=pause,
                )  # fmt: skip
            if child.process is None and now >= child.not_before:
                self._start(child)

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop`."""
        while not stop.wait(CHECK_S):
            self.check()

    def stop(self) -> None:
        """SIGTERM to all, so that work at hand is finished; SIGKILL for what is left in the end."""
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("a process did not end in time and is killed", pid=process.pid)
                process.kill()
                process.wait()
        for child in self._children:
            child.process = None

    def _start(self, child: _Child) -> None:
        child.started = time.monotonic()
        # A session of its own: a terminal's Ctrl-C is ours to pass on, in order and in time.
        child.process = subprocess.Popen(
            child.command, env=self._env, stdin=subprocess.DEVNULL, start_new_session=True,
            pass_fds=child.inherits,
        )  # fmt: skip


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set; a second one ends the program at once."""
    stop = threading.Event()

    def handle(signum: int, _frame: object) -> None:
        if stop.is_set():
            sys.exit(128 + signum)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop
