"""What a killed process had under it goes with it: no second run beside the first, no leftovers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.killer import Killer
from tests.chaos.rig import rig
from tests.chaos.traffic import Delivery, Sender, make, populate


@pytest.mark.timeout(180)
def test_a_killed_parent_takes_its_children_along(tmp_path: Path) -> None:
    """A worker in the middle of GitLab's answer, then the whole program: all below is gone at once.

    Without the kernel's signal the work-horse would go on, and commit beside its successor.
    """
    with rig(tmp_path) as tried:
        (subject,) = populate(tried.forge, 1)
        tried.forge.set_fault("latency", f"/projects/{subject.id}$", times=1, seconds=8.0)
        sender = Sender(tried.program.url, _push(make([subject], 12, seed=1)), seconds=0.1)
        sender.start()
        tried.forge.wait(
            lambda: any(fault.struck for fault in tried.forge.faults()), what="the call that hangs"
        )
        sender.close()
        killer = Killer(tried, seed=1, every=1.0)
        horse = tried.program.part("horse")
        assert horse is not None
        assert killer.strike("generate") and not horse.alive
        assert killer.strike("program")
        assert killer.violations == []
        assert not [process for process in killer.seen if process.alive]


def _push(deliveries: list[Delivery]) -> list[Delivery]:
    return [delivery for delivery in deliveries if delivery.kind == "push"][:1]
