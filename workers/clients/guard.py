"""What keeps a slow or dead helper (Chroma, Ollama) from holding up a run: a deadline for the
whole call, and a breaker that stops asking for a while after several failures."""

from __future__ import annotations

import mmap
import struct
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from workers.errors import Retryable

T = TypeVar("T")


class DeadlinePassed(Exception):
    """The call had not ended in time. It goes on in its thread, and its result is dropped."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """What `call` returns or raises, or DeadlinePassed after `seconds`.

    The clients' own time-outs are per connect and per read, so a peer that sends a byte now and
    then holds them for ever. The thread is a daemon: a call that hangs does not keep the program
    from ending.
    """
    result: list[T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            result.append(call())
        except BaseException as error:  # handed to the caller's thread, whatever it is
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if result:
        return result[0]
    raise DeadlinePassed


class Breaker:
    """Opens for `open_s` seconds after `failures` failures in a row; then one call may try.

    Its state lies in memory shared with forked children: work is done in a fork per job, and what
    one of them saw must spare the next one.
    """

    _STATE = struct.Struct("dq")  # not asked before (monotonic s; one clock per machine), failures

    def __init__(self, name: str, failures: int = 3, open_s: float = 30.0) -> None:
        self.name = name
        self._limit = failures
        self._open_s = open_s
        self._shared = mmap.mmap(-1, self._STATE.size)

    def check(self) -> None:
        """Raises Retryable while it is open; `after` says until when."""
        until, failures = self._STATE.unpack_from(self._shared)
        left = until - time.monotonic()
        if failures >= self._limit and left > 0:
            raise Retryable(
                f"{self.name} failed {failures} times in a row and is left alone for {left:.0f} s",
                after=left,
            )

    def succeeded(self) -> None:
        """The call went well: closed, and counting from nothing."""
        self._STATE.pack_into(self._shared, 0, 0.0, 0)

    def failed(self) -> None:
        """The call failed: one nearer to opening, or open again."""
        _, failures = self._STATE.unpack_from(self._shared)
        self._STATE.pack_into(self._shared, 0, time.monotonic() + self._open_s, failures + 1)


class State(msgspec.Struct, frozen=True):
    """How a helper is: for `doctor` and `/health`."""

    ok: bool
    detail: str
    seconds: float
    """How long it took to find out."""
