"""The whole program killed at once, as where a machine goes down: started again, it goes on."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.chaos import canaries, oracle, recovery
from tests.chaos.killer import Killer
from tests.chaos.rig import Rig, rig
from tests.chaos.traffic import Answered, Sender, Subject, make, populate

BLOWS = 4
GOES_ON_S = 30.0
"""From the kill to the next run that reads GitLab: the start, with Redis' file to be read, the
lease of 20 s that the dead worker held where it is the only work, and the ticker's half second."""


@pytest.mark.timeout(400)
def test_the_whole_program_goes_on_when_it_is_started_again(tmp_path: Path) -> None:
    """`up` and all below it get SIGKILL four times while deliveries arrive and runs are at work:
    what was acknowledged is carried out, once, and soon; whoever called meanwhile got no answer."""
    chance = random.Random(9)
    with rig(tmp_path, 2) as tried:
        baseline = len(tried.program.family())
        killer = Killer(tried, seed=9, every=1.0)
        told: list[Subject] = []
        answers: list[Answered] = []
        for round_ in range(BLOWS):
            subjects = populate(tried.forge, 8, canaries.FILES, f"whole-{round_}")
            sender = Sender(tried.program.url, make(subjects, 40, seed=round_), seconds=4)
            sender.start()
            _wait_begun(tried, subjects)
            time.sleep(chance.uniform(0, 1))
            assert killer.strike("program")
            sender.wait(90)
            sender.close()
            told += subjects
            answers += sender.answers
        assert oracle.everything(tried, told, answers) == []
        assert killer.violations + oracle.processes_as_before(tried, killer.seen, baseline) == []
        found = recovery.recoveries(killer.kills, tried.entries(), answers)
    waits = found["a run begins"]
    print("\n".join(recovery.lines(found)))
    assert len(waits) >= BLOWS - 1 and waits[-1] < GOES_ON_S


def _wait_begun(tried: Rig, subjects: list[Subject]) -> None:
    """Until GitLab was asked about one of them."""
    paths = tuple(f"/api/v4/projects/{subject.id}" for subject in subjects)
    deadline = time.monotonic() + 60
    while not any(entry.path.startswith(paths) for entry in tried.entries()):
        assert time.monotonic() < deadline, "no run began"
        time.sleep(0.1)
