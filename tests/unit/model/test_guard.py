"""Deadlines and breakers: nothing hangs, nothing is hidden, and what fails is left alone."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

import pytest
from rq.timeouts import JobTimeoutException

from workers.clients.guard import Breaker, DeadlinePassed, within
from workers.errors import Retryable

# Python 3.12 warns of a fork beside threads; the child here asks one question and ends.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


def test_a_call_in_time_gives_its_result() -> None:
    """What it returns is returned, None included."""
    assert within(5, lambda: 42) == 42
    assert within(5, lambda: None) is None


def test_what_a_call_raises_is_raised_here() -> None:
    """The same exception, in the caller's thread."""
    error = KeyError("x")

    def fails() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        within(5, fails)
    assert caught.value is error


def test_a_call_that_hangs_is_given_up() -> None:
    """After the deadline, whatever it is doing; its thread does not keep the program alive."""
    never = threading.Event()
    before = set(threading.enumerate())
    started = time.monotonic()
    with pytest.raises(DeadlinePassed):
        within(0.1, never.wait)
    assert time.monotonic() - started < 1
    (left,) = set(threading.enumerate()) - before
    assert left.daemon
    never.set()


def test_the_workers_own_time_out_gets_through() -> None:
    """RQ raises in the main thread by signal: waiting does not hold it up, and no one eats it."""

    def alarm(_: int, __: FrameType | None) -> None:
        raise JobTimeoutException("the job took too long")

    before = signal.signal(signal.SIGALRM, alarm)
    never = threading.Event()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(JobTimeoutException):
            within(30, never.wait)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        never.set()


def test_a_breaker_opens_after_three_failures_in_a_row() -> None:
    """Two and a success do not open it; three do, and the message says for how long."""
    breaker = Breaker("Chroma")
    for failed in (True, True, False, True, True):
        breaker.check()
        breaker.failed() if failed else breaker.succeeded()
    breaker.check()
    breaker.failed()
    with pytest.raises(
        Retryable, match=r"Chroma failed 3 times in a row .* for (30|29) s"
    ) as caught:
        breaker.check()
    assert 29 < caught.value.after <= 30


def test_an_open_breaker_lets_one_try_and_closes_on_success() -> None:
    """After its time: a failure opens it again at once, a success forgets everything."""
    breaker = Breaker("Chroma", open_s=0.1)
    for _ in range(3):
        breaker.failed()
    time.sleep(0.12)
    breaker.check()
    breaker.failed()
    with pytest.raises(Retryable):
        breaker.check()
    time.sleep(0.12)
    breaker.check()
    breaker.succeeded()
    breaker.failed()
    breaker.failed()
    breaker.check()


def test_jobs_share_what_one_of_them_saw() -> None:
    """Failures in forked children open the breaker for their parent and for later children."""
    breaker = Breaker("Ollama")
    for _ in range(3):
        child = os.fork()
        if child == 0:
            breaker.failed()
            os._exit(0)
        os.waitpid(child, 0)
    with pytest.raises(Retryable):
        breaker.check()
