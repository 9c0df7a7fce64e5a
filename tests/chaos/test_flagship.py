"""Nothing acknowledged is lost and nothing is done twice, whatever dies; short, by seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.chaos.flagship import SHORT, run


@pytest.mark.timeout(240)
def test_nothing_is_lost_or_done_twice_while_processes_are_killed(tmp_path: Path) -> None:
    """500 deliveries of 25 projects in 30 s, a SIGKILL every 1.3 seconds: all promises hold."""
    report = run(replace(SHORT, seed=7), tmp_path)
    print(report.text())
    assert not report.violations, report.text()
    assert sum(report.kills.values()) >= 12
