"""The clock of the program jumps, there and back: one commit each, nothing stuck afterwards."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.chaos import canaries, oracle
from tests.chaos.rig import rig
from tests.chaos.traffic import Sender, make, populate

PLACES = ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime",
          "/usr/lib/faketime", "/usr/local/lib/faketime")  # fmt: skip
JUMP_S = 12.0
BACK_S = 60.0
"""Once time is right again nothing is stuck for longer."""


def _library() -> Path:
    for place in PLACES:
        found = Path(place) / "libfaketimeMT.so.1"
        if found.exists():
            return found
    pytest.skip("a jumping clock needs libfaketime (Debian: apt install libfaketime)")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("jump", ["+15m", "-15m", "+1d"])
def test_a_clock_that_jumps_and_comes_back(tmp_path: Path, jump: str) -> None:
    """Receiver, workers and ticker are wrong by `jump` for twelve seconds under load, while Redis
    and GitLab are not; a worker and the ticker die meanwhile."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {
        "LD_PRELOAD": str(_library()), "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    with rig(tmp_path / "rig", 2, environment) as tried:
        subjects = populate(tried.forge, 10, canaries.FILES)
        sender = Sender(tried.program.url, make(subjects, 200, seed=8), seconds=3 * JUMP_S)
        sender.start()
        time.sleep(JUMP_S / 2)
        clock.write_text(jump)
        time.sleep(JUMP_S)
        clock.write_text("+0")
        sender.wait(90)
        sender.close()
        assert oracle.everything(tried, subjects, sender.answers, BACK_S) == []
