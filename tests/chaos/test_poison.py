"""A project that kills its worker every time is parked; the others do not notice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.chaos.rig import Rig, rig
from tests.chaos.traffic import Delivery, Sender, Subject, make, populate
from workers.errors import Retryable
from workers.runs import Run, State
from workers.standing import MAX_ATTEMPTS
from workers.store.deliveries import key
from workers.store.runs import RunStore

PARKED_WITHIN_S = 100.0
"""Three leases of 20 s have to run out."""


@pytest.mark.timeout(240)
def test_a_run_that_kills_its_worker_each_time_is_parked(tmp_path: Path) -> None:
    """Killed in three attempts, it ends as `error` with the reason; all others go green meanwhile.

    The work-horse is killed while GitLab's answer about the poisonous project is on its way, as a
    crash of the interpreter on that answer would.
    """
    with rig(tmp_path, sweep_interval_s=600) as tried:
        poison, *others = populate(tried.forge, 6)
        # The sweep lists branches too: what it meets is no attempt.
        head = f"/projects/{poison.id}/repository/branches/main"
        tried.forge.set_fault("latency", head, seconds=5.0)
        sender = Sender(tried.program.url, _told([poison, *others]), seconds=1.0)
        sender.start()
        try:
            struck = _kill_at_each_strike(tried, poison.id)
        finally:
            sender.close()
        run = _run(tried, poison.id)
        assert run is not None and run.reason is not None
        assert run.state is State.ERROR and run.reason.startswith("parked"), run.reason
        assert struck == MAX_ATTEMPTS and len(_runs(tried, poison.id)) == 1
        for subject in others:
            other = _run(tried, subject.id)
            assert other is not None and other.state is State.SUCCEEDED, other


def _told(subjects: list[Subject]) -> list[Delivery]:
    """The first push of each."""
    return [d for d in make(subjects, 2 * len(subjects) + 4, seed=1) if d.kind == "push"]


def _kill_at_each_strike(tried: Rig, project: int) -> int:
    """Kills the work-horse each time the project's call hangs, until the run is at its end."""
    killed, deadline = 0, time.monotonic() + PARKED_WITHIN_S
    while time.monotonic() < deadline:
        run = _run(tried, project)
        if run is not None and run.state is State.ERROR:
            return killed
        horse = tried.program.part("horse")
        if horse and sum(fault.struck for fault in tried.forge.faults()) > killed:
            os.kill(horse.pid, signal.SIGKILL)
            killed += 1
        time.sleep(0.1)
    raise AssertionError(f"not parked after {killed} kills: {_run(tried, project)}")


def _run(tried: Rig, project: int) -> Run | None:
    found = _runs(tried, project)
    return found[0] if found else None


def _runs(tried: Rig, project: int) -> list[Run]:
    try:
        with tried.program.redis() as client:
            store = RunStore(client)
            rows = client.zrange(key("runs", "project", project), 0, -1, desc=True)
            return [store.get(bytes(row).decode()) for row in rows]
    except Retryable:
        return []
