"""Nothing acknowledged is lost and nothing is done twice, whatever dies; short, by seed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.flagship import Options, run


@pytest.mark.timeout(240)
def test_nothing_is_lost_or_done_twice_while_processes_are_killed(tmp_path: Path) -> None:
    """600 deliveries of 30 projects in 30 s, a SIGKILL every two seconds: all promises hold."""
    report = run(Options(projects=30, deliveries=600, seed=7, seconds=30, every=2.0), tmp_path)
    print(report.text())
    assert not report.violations, report.text()
    assert sum(report.kills.values()) >= 8
