"""Closing our merge request is an opt-out that is remembered, until somebody asks again."""

from __future__ import annotations

import time
from typing import Any

import httpx

from tests.support.world import World
from workers.settings import AGAIN_LABEL


def person(running: World, project: int) -> httpx.Client:
    """A Developer of the project at GitLab's API."""
    user = running.forge.create_user("dana")
    running.forge.set_members(project, dana=30)
    headers = {"Authorization": f"Bearer {user.token}"}
    base = f"{running.gitlab_url}/api/v4/projects/{project}"
    return httpx.Client(base_url=base, headers=headers, trust_env=False, timeout=10)


def change(running: World, project: int, **fields: Any) -> None:
    """A person changes the merge request."""
    with person(running, project) as gitlab:
        gitlab.put("/merge_requests/1", json=fields).raise_for_status()


def page(running: World, project: int) -> dict[str, Any]:
    """What the project's page tells."""
    found: dict[str, Any] = running.api.get(f"/api/v1/projects/{project}").json()
    return found


def closed(running: World, stem: str) -> int:
    """A project whose merge request was closed, as its page says."""
    project = running.born(stem, sample="go-hello")
    assert running.run(project)["state"] == "succeeded"
    change(running, project, state_event="close")
    running.until(
        lambda: page(running, project)["decision"] == "opted out", lambda: "the page to say so"
    )
    return project


def test_closing_is_remembered_and_a_push_begins_nothing(running: World) -> None:
    """The page names the merge request and both ways back; a later push is ignored for it."""
    project = closed(running, "closed")
    told = page(running, project)
    assert "!1 was closed" in told["reason"]
    assert AGAIN_LABEL in told["next_step"] and "re-trigger" in told["next_step"]
    running.forge.push(project, {"more.go": "package main\n"})

    def ignored() -> str:
        rows = running.api.get("/api/v1/deliveries", params={"project": project}).json()
        pushes = [r for r in rows["deliveries"] if r["event"]["kind"] == "push"]
        return str(pushes[0]["reason"]) if pushes[0]["verdict"] == "ignored" else ""

    running.until(lambda: ignored().startswith("opted out"), lambda: "the push to be ignored")
    assert len(running.runs(project)) == 1
    assert running.forge.merge_requests(project)[0].state == "closed"


def test_a_label_brings_it_back(running: World) -> None:
    """The run is a re-trigger, the merge request is open again, and the label is taken off."""
    project = closed(running, "labelled")
    change(running, project, add_labels=AGAIN_LABEL)
    run = running.run(project, "succeeded", count=2)
    assert run["trigger"]["kind"] == "retrigger"
    [request] = running.forge.merge_requests(project)
    assert request.state == "opened" and request.labels == []
    running.quiet()
    assert "opted_out" not in page(running, project)["facts"]


def test_a_re_trigger_brings_it_back_and_closing_again_counts(running: World) -> None:
    """The endpoint does what the label does; the opt-out after it is a new one."""
    project = closed(running, "again")
    running.api.post(f"/api/v1/projects/{project}/retrigger", json={}).raise_for_status()
    assert running.run(project, "succeeded", count=2)["merge_request"]["iid"] == 1
    assert running.forge.merge_requests(project)[0].state == "opened"
    time.sleep(1.1)  # GitLab's hook tells seconds: two closings within one would be the same event
    change(running, project, state_event="close")
    running.until(
        lambda: page(running, project)["decision"] == "opted out", lambda: "the second closing"
    )


def test_opening_it_again_by_hand_takes_the_opt_out_back(running: World) -> None:
    """What GitLab says now is what counts."""
    project = closed(running, "reopened")
    change(running, project, state_event="reopen")
    running.until(
        lambda: page(running, project)["merge_request"]["state"] == "opened",
        lambda: "the page to say so",
    )
    assert "opted_out" not in page(running, project)["facts"]


def test_merging_is_no_opt_out(running: World) -> None:
    """Merged is merged; other people's merge requests decide nothing."""
    project = running.born("merged", sample="go-hello")
    assert running.run(project)["state"] == "succeeded"
    with person(running, project) as gitlab:
        running.forge.set_members(project, dana=40)
        gitlab.put("/merge_requests/1/merge").raise_for_status()
    running.until(
        lambda: page(running, project)["merge_request"]["state"] == "merged",
        lambda: "the page to say so",
    )
    assert "opted_out" not in page(running, project)["facts"]
