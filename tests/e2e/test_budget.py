"""The budget of commits in all, in the running program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.world import World, world
from workers.store.deliveries import key
from workers.wiring import Parts


def _page(up: World, project: int) -> dict[str, Any]:
    found: dict[str, Any] = up.api.get(f"/api/v1/projects/{project}").json()
    return found


def test_above_the_budget_runs_wait_for_a_person(tmp_path: Path) -> None:
    """Two of three projects get their commit; the third waits and says why, until the reset."""
    with world(tmp_path, commits_per_hour=2) as up:
        first = [up.born(f"spends-{number}", sample="go-hello") for number in range(2)]
        for project in first:
            assert up.run(project)["state"] == "succeeded"
        third = up.born("waits", sample="go-hello")
        up.until(
            lambda: [run for run in up.runs(third) if "COMMITS_PER_HOUR" in (run["reason"] or "")],
            lambda: f"the reason; it is {up.runs(third)}",
        )
        assert up.our_commits(third) == []
        assert up.api.get("/health").json()["budget"]["state"] == "tripped"
        page = up.until(
            lambda: _page(up, third) if _page(up, third)["reason"] else None, lambda: "the page"
        )
        assert "budget reset" in page["reason"] and "by itself" in page["next_step"]
        up.api.post("/api/v1/budget/reset").raise_for_status()
        # Two minutes are long for a test: what is due then is due now.
        store = Parts(up.stack.settings).redis
        store.zadd(key("due"), {f"generate:{third}": 1})
        assert up.run(third)["state"] == "succeeded"
        assert len(up.our_commits(third)) == 1
