"""The sandbox's commits API: one commit of several files, and every refusal of GitLab."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import httpx
import pytest

from tests.support.gitlab import RunningSandbox

_numbers = itertools.count(1)
FORBIDDEN = {"message": "403 Forbidden - You are not allowed to push into this branch"}
NEW = {"action": "create", "file_path": "new.txt", "content": "new\n"}


@pytest.fixture
def project(lab: RunningSandbox) -> int:
    files = {"a.txt": "a\n", "dir/b.txt": "b\n"}
    return lab.client.create_project(f"acme/commits-{next(_numbers)}", files=files).id


def head(lab: RunningSandbox, project: int, branch: str = "main") -> str:
    return lab.client.project(project).branches[branch]


def commit(
    api: httpx.Client, project: int, *actions: dict[str, Any], **body: Any
) -> httpx.Response:
    whole = {"branch": "main", "commit_message": "Change", "actions": list(actions), **body}
    return api.post(f"/projects/{project}/repository/commits", json=whole)


def refused(answer: httpx.Response) -> str:
    assert answer.status_code == 400, answer.text
    return str(answer.json().get("message") or answer.json().get("error"))


def test_several_actions_make_one_commit(
    lab: RunningSandbox, api: httpx.Client, project: int
) -> None:
    """Create, update, delete, move and chmod together; the answer is the commit."""
    before = head(lab, project)
    answer = commit(
        api,
        project,
        {"action": "create", "file_path": "c.bin", "encoding": "base64",
         "content": base64.b64encode(b"\x00\xff").decode()},
        {"action": "update", "file_path": "a.txt", "content": "A\n"},
        {"action": "move", "file_path": "moved.txt", "previous_path": "dir/b.txt"},
        {"action": "chmod", "file_path": "a.txt", "execute_filemode": True},
        commit_message="All\n\nDevops-Backend-Run: 7",
    )  # fmt: skip
    body = answer.json()
    assert answer.status_code == 201
    assert (body["parent_ids"], body["title"]) == ([before], "All")
    assert body["trailers"] == {"Devops-Backend-Run": "7"}
    assert head(lab, project) == body["id"]
    modes = {e["path"]: e["mode"] for e in api.get(f"/projects/{project}/repository/tree").json()}
    assert modes == {"a.txt": "100755", "c.bin": "100644", "moved.txt": "100644"}
    assert lab.client.file(project, "moved.txt") == "b\n"
    assert commit(api, project, {"action": "delete", "file_path": "c.bin"}).status_code == 201


def test_a_branch_is_made_by_the_commit(
    lab: RunningSandbox, api: httpx.Client, project: int
) -> None:
    """`start_branch` or `start_sha` give the start; the default branch does not move."""
    before = head(lab, project)
    made = commit(api, project, NEW, branch="bot/1", start_branch="main")
    assert made.json()["parent_ids"] == [before]
    made = commit(api, project, NEW, branch="bot/2", start_sha=before)
    assert made.json()["parent_ids"] == [before]
    assert head(lab, project) == before


@pytest.mark.parametrize("start", ["start_branch", "start_sha"])
def test_the_branch_is_the_lock(
    lab: RunningSandbox, api: httpx.Client, project: int, start: str
) -> None:
    """A second commit that would make the same branch is refused, unless forced."""
    first = {start: "main" if start == "start_branch" else head(lab, project)}
    assert commit(api, project, NEW, branch="bot/1", **first).status_code == 201
    text = refused(commit(api, project, NEW, branch="bot/1", **first))
    assert text == (
        "A branch called 'bot/1' already exists. Switch to that branch in order to make changes"
    )
    assert commit(api, project, NEW, branch="bot/1", force=True, **first).status_code == 201


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ({"action": "create", "file_path": "a.txt"}, "A file with this name already exists"),
        ({"action": "create", "file_path": "dir"}, "A directory with this name already exists"),
        ({"action": "create", "file_path": "a.txt/x"}, "A file with this name already exists"),
        ({"action": "update", "file_path": "no"}, "A file with this name doesn't exist"),
        ({"action": "delete", "file_path": "no"}, "A file with this name doesn't exist"),
        ({"action": "chmod", "file_path": "no"}, "A file with this name doesn't exist"),
        (
            {"action": "move", "file_path": "x", "previous_path": "no"},
            "A file with this name doesn't exist",
        ),
        ({"action": "create", "file_path": "../x"}, "invalid path: '../x'"),
        ({"action": "create", "file_path": ".git/hooks/x"}, "invalid path: '.git/hooks/x'"),
        ({"action": "upsert", "file_path": "x"}, "actions[0][action] does not have a valid value"),
        ({"action": "create"}, "actions[0][file_path] is missing"),
    ],
)
def test_refused_actions_change_nothing(
    lab: RunningSandbox, api: httpx.Client, project: int, action: dict[str, str], text: str
) -> None:
    """One bad action refuses the whole commit, in GitLab's words."""
    before = head(lab, project)
    assert refused(commit(api, project, NEW, {**action, "content": "x"})) == text
    assert head(lab, project) == before


def test_last_commit_id_compares_the_file_not_the_branch(
    lab: RunningSandbox, api: httpx.Client, project: int
) -> None:
    """It holds while the file was left alone, and refuses once somebody touched it."""
    seen = head(lab, project)
    update = {"action": "update", "file_path": "a.txt", "content": "mine\n", "last_commit_id": seen}
    lab.client.push(project, {"other.txt": "x"})
    assert commit(api, project, update).status_code == 201
    stale = {**update, "content": "late\n"}
    text = refused(commit(api, project, stale))
    assert text == "The file has changed since you started editing it: a.txt"
    assert lab.client.file(project, "a.txt") == "mine\n"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"branch": "gone"}, "You can only create or edit files when you are on a branch"),
        (
            {"branch": "b", "start_branch": "gone"},
            "You can only create or edit files when you are on a branch",
        ),
        ({"branch": "b", "start_sha": "0" * 40}, f"Cannot find start_sha '{'0' * 40}'"),
        ({"branch": "b", "start_sha": "abc"}, "Invalid start_sha 'abc'"),
        (
            {"branch": "b", "start_branch": "main", "start_sha": "0" * 40},
            "start_branch, start_sha are mutually exclusive",
        ),
        ({"commit_message": None}, "commit_message is missing"),
        ({"actions": None}, "actions is missing"),
        ({"branch": "a b", "start_branch": "main"}, "Branch name is invalid"),
    ],
)
def test_refused_starts(api: httpx.Client, project: int, body: dict[str, Any], text: str) -> None:
    """A commit that has no place to go is refused before anything is written."""
    assert text in refused(commit(api, project, NEW, **body))


def test_a_developer_may_not_push_to_a_protected_branch(lab: RunningSandbox, project: int) -> None:
    """403 on the default branch, 201 on a branch of one's own, 403 for a Reporter everywhere."""
    with lab.member(project, "developer", 30) as developer:
        answer = commit(developer, project, NEW)
        assert (answer.status_code, answer.json()) == (403, FORBIDDEN)
        assert commit(developer, project, NEW, branch="b", start_branch="main").status_code == 201
    with lab.member(project, "reporter", 20) as reporter:
        answer = commit(reporter, project, NEW, branch="c", start_branch="main")
        assert answer.status_code == 403


def test_protected_patterns_hold_for_new_branches(lab: RunningSandbox, project: int) -> None:
    """A wildcard protects a branch that does not exist yet; the most permissive match wins."""
    lab.client.change_project(project, protected={"release/*": 40})
    with lab.member(project, "developer", 30) as developer:
        body = {"branch": "release/1/x", "start_branch": "main"}
        assert commit(developer, project, NEW, **body).json() == FORBIDDEN
        lab.client.change_project(project, protected={"release/1/*": 30})
        assert commit(developer, project, NEW, **body).status_code == 201


def test_an_empty_repository(lab: RunningSandbox, api: httpx.Client) -> None:
    """Developers are refused, `start_branch` is ignored, the first branch becomes the default."""
    made = lab.client.create_project("acme/nothing-yet").id
    with lab.member(made, "developer", 30) as developer:
        assert commit(developer, made, NEW).json() == FORBIDDEN
    assert "Cannot find start_sha" in refused(commit(api, made, NEW, start_sha="0" * 40))
    answer = commit(api, made, NEW, branch="trunk", start_branch="main")
    assert (answer.status_code, answer.json()["parent_ids"]) == (201, [])
    body = api.get(f"/projects/{made}").json()
    assert (body["default_branch"], body["empty_repo"]) == ("trunk", False)
    assert api.get(f"/projects/{made}/protected_branches/trunk").status_code == 200


def test_an_archived_project_takes_no_commit(
    lab: RunningSandbox, api: httpx.Client, project: int
) -> None:
    """Archived is read-only, for everybody."""
    lab.client.change_project(project, archived=True)
    assert commit(api, project, NEW).status_code == 403


def test_history(lab: RunningSandbox, api: httpx.Client, project: int) -> None:
    """Newest first; by path only those that touched it; one commit with its last pipeline."""
    lab.client.push(project, {"dir/b.txt": "2\n"}, message="Second")
    base = f"/projects/{project}/repository/commits"
    assert [c["title"] for c in api.get(base).json()] == ["Second", "Add sources"]
    assert len(api.get(base, params={"path": "a.txt"}).json()) == 1
    one = api.get(f"{base}/{head(lab, project)}").json()
    assert (one["title"], one["stats"]["total"]) == ("Second", 2)
    assert api.get(f"{base}/{'f' * 40}").status_code == 404
