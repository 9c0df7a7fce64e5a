"""One server as our child: started, waited for, stopped, and never left behind."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

from workers.errors import Misconfigured

READY_WITHIN_S = 30.0
"""Start to first answer: 0.1 s as a rule, longer while a large append-only file is read."""
STOP_WITHIN_S = 5.0
POLL_S = 0.02
PR_SET_PDEATHSIG = 1
# The servers get no more of the environment than they need: tokens stay with the program.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONHOME")


class Child(ABC):
    """One child process: started, waited for, stopped; its output goes to `<folder>/log`.

    Entering starts it, leaving stops it. The folder is locked while it runs, so that two
    programs cannot write into the same data.
    """

    label = ""
    settings: ClassVar[Mapping[str, str]] = {}
    """What it gets in its environment beside the few variables that are passed on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._starter = 0

    @property
    def pid(self) -> int | None:
        """The running server's process id; None where it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start and wait until it answers; again, where it has died.

        Raises Misconfigured with the end of its log.
        """
        self._end()
        self._starter = os.getpid()
        self._take_folder()
        try:
            self._launch()
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ask it to end, then make it; harmless when it is not running, or in a forked copy."""
        self._end()

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

    def _end(self) -> None:
        if self._starter != os.getpid():
            return
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

    @abstractmethod
    def _command(self) -> list[str]:
        """The server's command line."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether the server answers now."""

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
        path = self.folder / "log"
        if path.exists():
            path.replace(self.folder / "log.before")  # why the last one ended may stand there
        with path.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                env={**environment, **self.settings},
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
