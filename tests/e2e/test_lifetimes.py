"""Redis after a busy time: each key has a lifetime, or a reason to stay."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.chaos.keys import LASTING, without_lifetime
from tests.support.world import world
from workers.connect import connect
from workers.store.deliveries import key


def test_every_key_has_a_lifetime_or_a_reason_to_stay(tmp_path: Path) -> None:
    """After births and deaths of projects, green and red pipelines, a closed merge request, a dead
    letter, dry runs, wrong tokens, chat, a spent budget and a sweep."""
    with world(tmp_path, commits_per_hour=5) as up:
        green, red = up.born("green", sample="go-hello"), up.born("red")
        up.forge.set_outcome(red, "fail", "test")
        up.forge.push(red, sample="node-weather")
        up.run(green, "succeeded")
        up.run(red, "failed")
        up.run(up.born("docs", files={"README.md": "# Notes\n"}), "skipped")
        gone, empty = up.born("gone", sample="go-hello"), up.born("empty")
        up.run(gone, "succeeded")
        up.run(empty, "waiting_for_push")
        up.forge.delete_project(gone)
        up.forge.set_members(green, **{"devops-backend": 20})
        up.api.post(f"/api/v1/projects/{green}/retrigger", json={"force": True}).raise_for_status()
        up.run(green, "error", count=2)
        headers = {"Authorization": f"Bearer {up.forge.http.headers['Authorization'][7:]}"}
        httpx.put(
            f"{up.gitlab_url}/api/v4/projects/{red}/merge_requests/1", headers=headers,
            json={"state_event": "close"}, trust_env=False,
        ).raise_for_status()  # fmt: skip
        up.api.post("/api/v1/pipeline/analyze", json={"repo_url": f"{up.gitlab_url}/x/y"})
        up.api.post("/api/v1/pipeline/validate", json={"content": "a: {script: [b]}"})
        up.api.post("/api/v1/chat", json={"messages": [{"role": "user", "content": "why?"}]})
        httpx.get(f"{up.stack.url}/api/v1/runs", headers={"Authorization": "Bearer no"},
                  trust_env=False)  # fmt: skip
        for number in range(3):
            up.born(f"spends-{number}", sample="go-hello")
        up.until(
            lambda: up.api.get("/api/v1/budget").json()["state"] == "tripped", lambda: "the budget"
        )
        up.api.post("/api/v1/sweep").raise_for_status()
        up.until(lambda: up.api.get("/api/v1/sweep").json()["state"] == "done", lambda: "the sweep")
        up.quiet()
        with connect(up.stack.settings.redis_url or "") as store:
            assert without_lifetime(store) == []
            assert all(store.ttl(name) > 0 for name in store.scan_iter(key("runs", "project", "*")))
            assert store.ttl(key("project", gone)) > 0
            assert len(list(store.scan_iter("dob:*"))) > 100
    assert all(LASTING.values()) and len(LASTING) < 25
