"""One call at a time to a server that works off one by one, over all processes of a machine."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers.errors import Retryable

POLL_S = 0.05


@contextmanager
def turn(server: str, deadline: float) -> Iterator[None]:
    """Wait until no other process of this user asks `server`, as messages name it.

    Raises Retryable at the deadline (of the monotonic clock), and where no file can be had.

    A file lock: the system gives it back when its holder dies, however it dies.
    """
    descriptor = _lock_file(server)
    try:
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                raise Retryable(f"{server} is busy with other runs")
            time.sleep(POLL_S)
        yield
    finally:
        # Said out loud: a copy that a fork made meanwhile would hold the lock on.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _lock_file(server: str) -> int:
    folder = Path(tempfile.gettempdir()) / f"devops-backend-{os.getuid()}"
    path = folder / f"turn-{hashlib.sha256(server.encode()).hexdigest()[:16]}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Retryable(f"{path} cannot be used to take turns ({error.strerror})") from None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
