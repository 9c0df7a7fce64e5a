"""The audit log against the sandbox's journal: no write without a line, no line without a write."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from service.sandbox.journal import Entry
from tests.support.gitlab import BOT_TOKEN
from tests.support.world import World, world
from workers.store.audit import Line
from workers.wiring import Parts

READS = re.compile(r"/api/graphql$|/ci/lint$")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("audit")) as running:
        yield running


def writes(up: World) -> list[Entry]:
    """What the bot wrote, as GitLab saw it."""
    found = [call for call in up.forge.calls() if call.user == "devops-backend"]
    return [
        call for call in found if call.method not in ("GET", "HEAD") and not READS.search(call.path)
    ]


def lines(up: World) -> list[Line]:
    """The whole log."""
    return Parts(up.stack.settings).audit.lines(limit=1000)


def shape(line: Line) -> str:
    """The path of a call, as far as its line tells it."""
    return re.escape(line.route).replace(":x", "[^/]+").replace("[^/]+", line.project, 1)


def test_every_write_has_its_line_and_every_line_its_write(up: World) -> None:
    """After births, verdicts, a closed and labelled merge request, a sweep, a refusal and a worker
    that was killed while GitLab's answer was on its way."""
    green, red = up.born("green", sample="go-hello"), up.born("red")
    up.forge.set_outcome(red, "fail", "test")
    up.forge.push(red, sample="node-weather")
    up.run(green, "succeeded")
    up.run(red, "failed")
    killed = up.born("killed")
    up.run(killed, "waiting_for_push")
    up.forge.set_fault("late", f"/projects/{killed}/repository/commits$", times=1, seconds=3)
    up.forge.push(killed, sample="go-hello")
    up.until(lambda: any(f.struck for f in up.forge.faults()), lambda: "the commit")
    os.kill(up.stack.pids["generate-1"], signal.SIGKILL)
    up.run(killed, "succeeded")
    gone = up.born("gone", sample="go-hello")
    up.run(gone, "succeeded")
    up.forge.set_members(gone, **{"devops-backend": 20})
    up.api.post(f"/api/v1/projects/{gone}/retrigger", json={"force": True}).raise_for_status()
    up.run(gone, "error", count=2)
    up.api.post("/api/v1/sweep").raise_for_status()
    up.until(lambda: up.api.get("/api/v1/sweep").json()["state"] == "done", lambda: "the sweep")
    up.quiet()
    # A write that is under way just now stands in the log and not yet in the journal.
    up.until(lambda: len(writes(up)) == len(lines(up)), lambda: f"{writes(up)}, {lines(up)}")

    seen, told = writes(up), lines(up)
    assert len(seen) == len(told) >= 15
    left = list(told)
    for call in seen:
        path = call.path.removeprefix("/api/v4")
        match = next(
            line for line in left
            if line.method == call.method and re.fullmatch(shape(line), path)
            and line.status in (call.status, None)
        )  # fmt: skip
        left.remove(match)
    assert left == []
    died = [line for line in told if line.status is None]
    assert [(line.project, line.route.rpartition("/")[2]) for line in died] == [
        (str(killed), "commits")
    ]
    statuses = Counter(line.status for line in told)
    assert statuses[403] >= 1 and statuses[201] > 5


def test_each_line_says_who_why_and_which_run(up: World) -> None:
    """A commit names its run and what made it; a verdict its pipeline; nothing holds a secret."""
    run = up.run(up.born("told", sample="go-hello"), "succeeded")
    mine = [line for line in lines(up) if line.run == run["id"]]
    routes = {line.route.rpartition("/")[2]: line for line in mine}
    commit = routes["commits"]
    assert commit.who == "generate worker" and commit.status == 201
    assert commit.why.startswith("project_created") or commit.why.startswith("push")
    assert commit.project == str(run["project"]["id"]) and commit.ms is not None
    ended = next(line for line in mine if line.method == "PUT")
    assert ended.who == "record worker" and "is success" in ended.why
    hook = routes["hooks"]
    assert hook.why == "the project's own webhook"
    secret = up.stack.settings.gitlab_webhook_secret[0].get_secret_value()
    assert not [x for x in map(repr, lines(up)) if BOT_TOKEN in x or secret in x]


def test_by_api_for_administrators(up: World) -> None:
    """Pages without gaps, of one project, since a time; no token without the role reads it."""
    project = up.born("paged", sample="go-hello")
    up.run(project, "succeeded")
    up.quiet()
    found, cursor = [], None
    while True:
        query = {"limit": 2, "project": project} | ({"cursor": cursor} if cursor else {})
        page = up.api.get("/api/v1/audit", params=query).raise_for_status().json()
        found += page["audit"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len({line["id"] for line in found}) == len(found) >= 4
    assert {line["project"] for line in found} == {str(project)}
    newest = found[0]["at"]
    since = up.api.get("/api/v1/audit", params={"project": project, "since": newest}).json()
    assert len(since["audit"]) < len(found) and since["audit"][0] == found[0]
    assert up.api.get("/api/v1/audit", params={"since": "soon"}).status_code == 422
    assert httpx.get(f"{up.stack.url}/api/v1/audit", trust_env=False).status_code == 401
