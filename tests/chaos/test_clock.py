"""The clock of the program jumps, there and back: one commit each, nothing stuck afterwards."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.chaos import canaries, oracle
from tests.chaos.points import CLOCK
from tests.chaos.rig import rig
from tests.chaos.traffic import Sender, make, populate
from workers.store.lent import LENT_S

JUMP_S = 12.0
BACK_S = 60.0
"""Once time is right again nothing is stuck for longer."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("jump", [900, -900, 86_400])
def test_a_clock_that_jumps_and_comes_back(tmp_path: Path, jump: int) -> None:
    """Receiver, workers and ticker are wrong by `jump` seconds for twelve under load, while Redis
    and GitLab are not."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    here = Path(__file__).parent
    path = os.pathsep.join([str(here / "sitecustomize"), str(here.parents[1])])
    environment = {CLOCK: str(clock), "PYTHONPATH": path}
    with rig(tmp_path / "rig", 2, environment) as tried:
        tried.lending.may_expire = jump > LENT_S or jump < 0
        subjects = populate(tried.forge, 10, canaries.FILES)
        sender = Sender(tried.program.url, make(subjects, 200, seed=8), seconds=3 * JUMP_S)
        sender.start()
        time.sleep(JUMP_S / 2)
        clock.write_text(str(jump))
        time.sleep(JUMP_S)
        clock.write_text("0")
        sender.wait(90)
        sender.close()
        assert oracle.everything(tried, subjects, sender.answers, BACK_S) == []
