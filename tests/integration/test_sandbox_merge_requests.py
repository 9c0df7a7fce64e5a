"""The sandbox's merge requests and notes."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
import pytest

from tests.support.gitlab import RunningSandbox

_numbers = itertools.count(1)


@pytest.fixture
def project(lab: RunningSandbox) -> int:
    made = lab.client.create_project(f"acme/requests-{next(_numbers)}", files={"a": "1"}).id
    lab.client.push(made, {"b": "2"}, branch="bot/1")
    lab.client.forget_calls()
    return made


def ask(api: httpx.Client, project: int, **body: Any) -> httpx.Response:
    whole = {"source_branch": "bot/1", "target_branch": "main", "title": "Draft: Pipeline", **body}
    return api.post(f"/projects/{project}/merge_requests", json=whole)


def test_one_open_request_for_a_branch(api: httpx.Client, project: int) -> None:
    """A second one is 409 in GitLab's words; once the first is closed, another may come."""
    first = ask(api, project, labels="devops-backend, ci")
    body = first.json()
    assert (first.status_code, body["iid"], body["draft"]) == (201, 1, True)
    assert body["labels"] == ["devops-backend", "ci"]
    again = ask(api, project)
    assert again.status_code == 409
    assert again.json() == {
        "message": ["Another open merge request already exists for this source branch: !1"]
    }
    api.put(f"/projects/{project}/merge_requests/1", json={"state_event": "close"})
    assert ask(api, project).json()["iid"] == 2


def test_the_list_is_filtered(api: httpx.Client, project: int) -> None:
    """By state, source and target branch, labels."""
    ask(api, project, labels="ci")
    base = f"/projects/{project}/merge_requests"
    found = {"state": "opened", "source_branch": "bot/1", "target_branch": "main", "labels": "ci"}
    assert [r["iid"] for r in api.get(base, params=found).json()] == [1]
    for key, value in {"state": "merged", "source_branch": "x", "labels": "other"}.items():
        assert api.get(base, params={**found, key: value}).json() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"source_branch": "gone"}, 400),
        ({"target_branch": "gone"}, 400),
        ({"source_branch": "main"}, 422),
        ({"title": None}, 400),
        ({"description": "x" * 1_048_577}, 400),
    ],
)
def test_refused_requests(
    api: httpx.Client, project: int, body: dict[str, Any], status: int
) -> None:
    """Branches must exist and differ, a title must be there, a description has a limit."""
    assert ask(api, project, **body).status_code == status
    assert api.get(f"/projects/{project}/merge_requests").json() == []


def test_the_title_makes_the_draft(api: httpx.Client, project: int) -> None:
    """Taking `Draft:` off makes it ready; labels are added and taken."""
    ask(api, project)
    url = f"/projects/{project}/merge_requests/1"
    assert api.put(f"{url}/merge").status_code == 405
    body = api.put(url, json={"title": "Pipeline", "add_labels": "a,b"}).json()
    assert (body["draft"], body["labels"]) == (False, ["a", "b"])
    assert api.put(url, json={"remove_labels": "a"}).json()["labels"] == ["b"]
    assert api.put(f"{url}/merge").json()["state"] == "merged"


def test_quick_actions_are_executed_and_told(
    lab: RunningSandbox, api: httpx.Client, project: int
) -> None:
    """A line that starts with a quick action runs, vanishes, and stands in the journal."""
    ask(api, project, description="Found: Go\n/merge\n/label ~evil\nthe end")
    body = api.get(f"/projects/{project}/merge_requests/1").json()
    assert (body["state"], body["labels"], body["description"]) == (
        "merged",
        ["evil"],
        "Found: Go\nthe end",
    )
    (call,) = lab.client.calls("/merge_requests", "POST")
    assert call.violations == ["quick action /merge", "quick action /label ~evil"]


@pytest.mark.parametrize(
    "text",
    [
        "```\n/merge\n```",
        "see /merge",
        "<!-- \n/merge\n-->",
        "/usr/bin/merge",
        " /merge",
        "\\/merge",
    ],
)
def test_text_that_is_no_quick_action(
    lab: RunningSandbox, api: httpx.Client, project: int, text: str
) -> None:
    """In code, in comments, inside a line or after a blank nothing is executed."""
    ask(api, project, description=text)
    body = api.get(f"/projects/{project}/merge_requests/1").json()
    assert (body["state"], body["description"]) == ("opened", text)
    assert lab.client.calls("/merge_requests", "POST")[0].violations == []


def test_notes(lab: RunningSandbox, api: httpx.Client, project: int) -> None:
    """Written, changed by their author, listed newest first."""
    ask(api, project)
    base = f"/projects/{project}/merge_requests/1/notes"
    first = api.post(base, json={"body": "one"}).json()
    api.post(base, json={"body": "two"})
    assert api.put(f"{base}/{first['id']}", json={"body": "ONE"}).status_code == 200
    assert [note["body"] for note in api.get(base).json()] == ["two", "ONE"]
    assert api.post(base, json={}).status_code == 400
    with lab.member(project, "other", 30) as other:
        assert other.put(f"{base}/{first['id']}", json={"body": "x"}).status_code == 404
