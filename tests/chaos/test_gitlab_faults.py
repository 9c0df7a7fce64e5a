"""GitLab that limits, breaks, is late, or loses answers: no second commit, and few calls more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.chaos import canaries, oracle
from tests.chaos.rig import Rig, rig
from tests.chaos.traffic import Sender, Subject, first_pushes, populate
from workers.standing import LONGEST_WAIT_S
from workers.store.deliveries import key, now_ms
from workers.store.due import DUE

PROJECTS = 12
MORE_CALLS = 1.5
REFUSED_MAX = 5
"""Calls a project: one for each burst, for whoever asks again runs into the next."""
BURSTS, BURST_S, PAUSE_S = 5, 1.5, 3.5
"""Broken for 30 % of the time."""


def _born(tried: Rig, group: str, count: int = PROJECTS) -> tuple[list[Subject], Sender]:
    subjects = populate(tried.forge, count, canaries.FILES, group)
    sender = Sender(tried.program.url, first_pushes(subjects), seconds=0.5)
    sender.start()
    sender.wait()
    sender.close()
    return subjects, sender


def _calls(tried: Rig, subjects: list[Subject]) -> tuple[int, int]:
    """Calls about these projects, those of the sweep over all of them left out: how many GitLab
    carried out, and how many it refused."""
    ours = {f"/projects/{subject.id}" for subject in subjects}
    calls = [e for e in tried.entries() if "/".join(["", *e.path.split("/")[3:5]]) in ours]
    refused = sum(e.status >= 500 or e.status == 429 for e in calls)
    return len(calls) - refused, refused


@pytest.mark.timeout(400)
def test_bursts_lost_answers_and_limits_make_no_second_commit(tmp_path: Path) -> None:
    """500 for all for 1.5 s of every 5, a tenth of all commits applied without an answer, some
    429 and late answers: one commit each, at most half as many calls more, and few refused."""
    with rig(tmp_path, 2, sweep_interval_s=600) as tried:
        calm, sender = _born(tried, "calm")
        assert oracle.everything(tried, calm, sender.answers) == []
        usual, _ = _calls(tried, calm)
        commits = "/repository/commits$"
        lost = tried.forge.set_fault("drop", commits, method="POST", times=2)
        tried.forge.set_fault("drop", commits, method="POST", probability=0.1)
        tried.forge.set_fault("drop", "/merge_requests$", method="POST", probability=0.1)
        tried.forge.set_fault("rate_limit", "/projects/[0-9]+$", probability=0.1, retry_after=2)
        tried.forge.set_fault("latency", "/ci/lint", method="POST", probability=0.2, seconds=2)
        subjects, sender = _born(tried, "stormy")
        for _ in range(BURSTS):
            burst = tried.forge.set_fault("status", "/api/", status=500)
            time.sleep(BURST_S)
            tried.forge.remove_fault(burst.id)
            time.sleep(PAUSE_S)
        assert oracle.everything(tried, subjects, sender.answers, 120) == []
        struck = {fault.id: fault.struck for fault in tried.forge.faults()}
        assert struck[lost.id] == 2 and sum(struck.values()) > 2, struck
        done, refused = _calls(tried, subjects)
        print(f"calls: {usual} without faults, {done} with them, and {refused} refused")
        assert done <= MORE_CALLS * usual and refused <= REFUSED_MAX * PROJECTS


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seconds", [1, 60, 3600])
def test_retry_after_is_kept_and_nobody_waits_for_it(tmp_path: Path, seconds: int) -> None:
    """429: planned for then, at most fifteen minutes on; the worker serves others meanwhile."""
    with rig(tmp_path, sweep_interval_s=600) as tried:
        (limited,) = populate(tried.forge, 1, canaries.FILES, "limited")
        tried.forge.set_fault(
            "rate_limit", f"/projects/{limited.id}$", times=1, retry_after=seconds
        )
        sender = Sender(tried.program.url, first_pushes([limited]), seconds=0.1)
        sender.start()
        asked = now_ms()
        tried.forge.wait(lambda: any(f.struck for f in tried.forge.faults()), what="the 429")
        with tried.program.redis() as client:
            name = f"generate:{limited.id}"
            at = tried.forge.wait(lambda: client.zscore(DUE, name), what="another try")
            wanted = min(seconds, LONGEST_WAIT_S) * 1000
            assert at >= asked + wanted - 500 and at <= now_ms() + wanted
            others, beside = _born(tried, "others", 3)
            told = oracle.one_each
            tried.forge.wait(lambda: not told(tried, others, beside.answers), 60, "the others")
            client.zadd(DUE, {name: 0}, xx=True)
            assert not client.exists(key("lease", "generate", limited.id)) or seconds == 1
        sender.close()
        assert oracle.everything(tried, [limited], sender.answers) == []
