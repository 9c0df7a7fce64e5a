"""An hour in which GitLab tells nothing, then one sweep of the running program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.world import World, world
from workers.connect import connect
from workers.store.deliveries import now_ms
from workers.store.schema import SCHEMA

HOUR_S = 3600


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A program that polls once a minute at the most: what is settled sooner, the sweep settled."""
    folder = tmp_path_factory.mktemp("sweep")
    with world(folder, poll_interval_s=60.0, poll_limit_s=3600.0) as running:
        with connect(running.stack.settings.redis_url or "") as store:
            # It has been here for longer than the hour that passes below.
            store.hset(SCHEMA, "installed_at", now_ms() - 2 * HOUR_S * 1000)
        yield running


def swept(up: World) -> dict[str, Any]:
    """One sweep, asked for as a person does; its report."""
    asked = up.api.post("/api/v1/sweep")
    assert asked.status_code == 202, asked.text
    before = up.api.get("/api/v1/sweep").json()

    def report() -> dict[str, Any] | None:
        now: dict[str, Any] = up.api.get("/api/v1/sweep").json()
        ended = now["state"] == "done" and now["thorough"]
        return now if ended and now["began_at"] >= asked.json()["asked_at"] else None

    return up.until(report, lambda: f"the sweep to end; it was {before['state']}")


def at_gitlab(up: World, method: str, path: str, **fields: Any) -> None:
    """An administrator's hands."""
    headers = {"Authorization": up.forge.http.headers["Authorization"]}
    address = f"{up.gitlab_url}/api/v4/projects/{path}"
    httpx.request(
        method, address, json=fields or None, headers=headers, trust_env=False
    ).raise_for_status()


def test_an_hour_without_hooks_then_one_sweep(up: World) -> None:
    """Births, pushes, verdicts, a closed merge request and a deleted webhook: all found, all
    repaired, with one commit and one merge request per project."""
    waiting, verdict = up.born("waiting"), up.born("verdict")
    closed = up.born("closed", sample="go-hello")
    for project in (waiting, verdict):
        up.run(project, "waiting_for_push")
    up.run(closed, "succeeded")
    [hook] = up.forge.project(closed).hooks
    up.forge.set_outcome(verdict, "hang")
    up.forge.push(verdict, sample="go-hello")
    up.run(verdict, "awaiting_pipeline")
    up.quiet()

    up.forge.set_switches(hooks=False)
    born, empty = up.born("born", sample="go-hello"), up.born("empty")
    up.forge.push(waiting, sample="node-notes")
    up.forge.set_outcome(verdict, "success")
    for row in up.forge.pipelines(verdict):
        for action in ("cancel", "retry"):
            at_gitlab(up, "POST", f"{verdict}/pipelines/{row.id}/{action}")
    up.until(
        lambda: all(row.status == "success" for row in up.forge.pipelines(verdict)),
        lambda: "the pipelines to end",
    )
    at_gitlab(up, "DELETE", f"{closed}/hooks/{hook.id}")
    at_gitlab(up, "PUT", f"{closed}/merge_requests/1", state_event="close")
    up.forge.age(HOUR_S)
    up.forge.set_switches(hooks=True)
    assert up.runs(born) == [] and up.runs(waiting)[0]["state"] == "waiting_for_push"

    report = swept(up)
    kinds = {(finding["project"], finding["kind"]) for finding in report["findings"]}
    assert kinds == {
        (born, "no run"), (empty, "no run"), (waiting, "missed push"), (verdict, "no verdict"),
        (closed, "webhook"), (closed, "merge request"),
    }  # fmt: skip
    assert all(finding["done"] and not finding["fix"] for finding in report["findings"])

    for project in (born, waiting, verdict):
        assert up.run(project, "succeeded")["reason"] is None
        assert len(up.our_commits(project)) == len(up.forge.merge_requests(project)) == 1
    assert up.run(verdict)["pipeline"]["confirmed_by"] == "poll"
    up.run(empty, "waiting_for_push")
    [again] = up.forge.project(closed).hooks
    assert again.pipeline_events and again.id != hook.id
    page = up.api.get(f"/api/v1/projects/{closed}").json()
    assert page["decision"] == "opted out"
    up.quiet()
    assert swept(up)["findings"] == []
