"""A Redis that pauses, loses answers, is full, or cannot write: what was acknowledged is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos import canaries, oracle
from tests.chaos.proxy import LossyProxy
from tests.chaos.rig import Rig, rig
from tests.chaos.traffic import Delivery, Sender, Subject, first_pushes, make, populate
from workers.embedded import EmbeddedRedis

PAUSE_S = 20.0
DISK = "24m"


def _statuses(sender: Sender) -> Counter[int]:
    return Counter(answer.status for answer in sender.answers)


def _send(tried: Rig, deliveries: list[Delivery], seconds: float) -> Sender:
    sender = Sender(tried.program.url, deliveries, seconds)
    sender.start()
    return sender


@pytest.mark.timeout(300)
def test_a_redis_that_pauses_loses_nothing(tmp_path: Path) -> None:
    """SIGSTOP for twenty seconds under load: 503 meanwhile, then everything goes on by itself."""
    with rig(tmp_path, 2) as tried:
        subjects = populate(tried.forge, 12, canaries.FILES)
        sender = _send(tried, make(subjects, 240, seed=3), seconds=PAUSE_S + 10)
        time.sleep(4)
        victim = tried.program.part("redis")
        assert victim is not None
        os.kill(victim.pid, signal.SIGSTOP)
        time.sleep(PAUSE_S)
        os.kill(victim.pid, signal.SIGCONT)
        sender.wait(90)
        sender.close()
        assert victim.alive, "the server was not replaced, it only slept"
        assert oracle.everything(tried, subjects, sender.answers) == []
        assert _statuses(sender)[202] > 20


@pytest.mark.timeout(300)
def test_answers_that_get_lost_make_nothing_twice(tmp_path: Path) -> None:
    """On the way from Redis every fiftieth answer is lost and the connection with it: each fact
    stands in the ledger once, each project gets one commit."""
    with (
        EmbeddedRedis(tmp_path / "redis") as server,
        LossyProxy(str(tmp_path / "redis" / "redis.sock"), seed=4) as way,
        rig(tmp_path / "rig", 2, redis_url=way.url) as tried,
    ):
        subjects = populate(tried.forge, 12, canaries.FILES)
        way.loss = 0.02
        sender = _send(tried, make(subjects, 300, seed=4), seconds=20)
        sender.wait(90)
        sender.close()
        way.loss = 0.0
        assert oracle.everything(tried, subjects, sender.answers) == []
        assert way.lost > 20, "too few to mean anything"
        assert server.pid is not None


@pytest.mark.timeout(300)
def test_a_full_redis_is_503_and_recovers(tmp_path: Path) -> None:
    """No memory left for writes: nothing is acknowledged that is not stored; with room again the
    work that was taken in before is carried out, and what comes next as well."""
    with rig(tmp_path, 2) as tried:
        early, late = (populate(tried.forge, 6, canaries.FILES, name) for name in ("early", "late"))
        sender = _send(tried, first_pushes(early), seconds=0.5)
        sender.wait()
        with tried.program.redis() as client:
            client.config_set("maxmemory", "1")
            refused = _send(tried, first_pushes(late), seconds=0.5)
            refused.wait()
            assert _statuses(refused) == {503: 6}
            time.sleep(5)
            client.config_set("maxmemory", "512mb")
        again = _send(tried, first_pushes(late), seconds=0.5)
        again.wait()
        for each in (sender, refused, again):
            each.close()
        answers = sender.answers + refused.answers + again.answers
        assert oracle.everything(tried, early + late, answers) == []


@contextmanager
def small_disk(place: Path, size: str = DISK) -> Iterator[Path]:
    """A file system of its own at `place`. Skips where this user may not mount one."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Not a byte is left; the file that took them."""
    full = place / "full"
    with full.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            return full


@pytest.mark.timeout(300)
def test_a_full_disk_is_503_and_recovers(tmp_path: Path) -> None:
    """Redis cannot write its file: 503, no process loops; with room again nothing is missing."""
    data = tmp_path / "program" / "data" / "redis"
    with small_disk(data), rig(tmp_path, 2) as tried:
        early, late = (populate(tried.forge, 6, canaries.FILES, name) for name in ("early", "late"))
        sender = _send(tried, first_pushes(early), seconds=0.5)
        sender.wait()
        server = tried.program.part("redis")
        full = fill(data)
        refused = _send(tried, make(late, 120, seed=5), seconds=8)
        refused.wait()
        assert _statuses(refused)[503] > 60, _statuses(refused)
        full.unlink()
        freed = time.monotonic()
        while not _accepted(tried, late):
            assert time.monotonic() - freed < 30, "still refused"
            time.sleep(0.5)
        again = _send(tried, first_pushes(late), seconds=0.5)
        again.wait()
        for each in (sender, refused, again):
            each.close()
        answers = sender.answers + refused.answers + again.answers
        assert oracle.everything(tried, early + late, answers) == []
        assert server is not None and server.alive, "it waited for room, and was not restarted"


def _accepted(tried: Rig, subjects: list[Subject]) -> bool:
    sender = _send(tried, first_pushes(subjects[:1]), seconds=0.1)
    sender.wait()
    sender.close()
    return sender.answers[0].acknowledged
