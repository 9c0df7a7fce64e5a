"""The sandbox's projects, trees, files and branches, over real HTTP."""

from __future__ import annotations

import base64
import itertools

import httpx
import pytest

from tests.support.gitlab import RunningSandbox

_numbers = itertools.count(1)
FILES = {"README.md": "# x\n", "src/app.py": "print('é')\n", "src/lib/a.py": "1\n"}


@pytest.fixture
def project(lab: RunningSandbox) -> int:
    return lab.client.create_project(f"acme/repo-{next(_numbers)}", files=FILES).id


@pytest.fixture
def empty(lab: RunningSandbox) -> int:
    return lab.client.create_project(f"acme/empty-{next(_numbers)}").id


def test_a_project_by_number_and_by_path(lab: RunningSandbox, api: httpx.Client) -> None:
    """`group%2Fproject` is one part of the address; both ways give the same project."""
    made = lab.client.create_project("acme/two-ways", files=FILES)
    by_path = api.get("/projects/acme%2Ftwo-ways").json()
    assert by_path == api.get(f"/projects/{made.id}").json()
    assert by_path["path_with_namespace"] == "acme/two-ways"
    assert by_path["web_url"] == f"{lab.url}/acme/two-ways"
    assert by_path["permissions"]["project_access"]["access_level"] == 40


def test_an_empty_repository_still_names_a_default_branch(api: httpx.Client, empty: int) -> None:
    """`default_branch` is not null; `empty_repo` tells; the tree is 404."""
    body = api.get(f"/projects/{empty}").json()
    assert (body["empty_repo"], body["default_branch"], body["import_status"]) == (
        True,
        "main",
        "none",
    )
    assert api.get(f"/projects/{empty}/repository/tree").status_code == 404


def test_a_hidden_project_is_not_found(lab: RunningSandbox, project: int) -> None:
    """Who may not see a project gets 404, with a good token; a bad one gets 401; neither 403."""
    stranger = lab.client.create_user("stranger")
    with lab.api(stranger.token) as theirs, lab.api("wrong") as nobody:
        refused = theirs.get(f"/projects/{project}")
        assert (refused.status_code, refused.json()) == (404, {"message": "404 Project Not Found"})
        answer = nobody.get(f"/projects/{project}")
        assert (answer.status_code, answer.json()) == (401, {"message": "401 Unauthorized"})


def test_both_ways_to_send_a_token(lab: RunningSandbox) -> None:
    """`PRIVATE-TOKEN` and `Authorization: Bearer` are the same person."""
    url = f"{lab.url}/api/v4/user"
    for headers in ({"PRIVATE-TOKEN": lab.token}, {"Authorization": f"Bearer {lab.token}"}):
        body = httpx.get(url, headers=headers, trust_env=False).json()
        assert (body["username"], body["bot"]) == ("devops-backend", True)


def test_read_api_cannot_write(lab: RunningSandbox, project: int) -> None:
    """A `read_api` token reads, and every write is 403 `insufficient_scope`."""
    reader = lab.client.create_user("reader", scopes=("read_api",))
    lab.client.set_members(project, reader=40)
    with lab.api(reader.token) as api:
        assert api.get(f"/projects/{project}").status_code == 200
        refused = api.post(f"/projects/{project}/ci/lint", json={"content": "a: {script: [x]}"})
        assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
        assert refused.json()["scope"] == "api"


def test_a_moved_project_redirects(lab: RunningSandbox, api: httpx.Client) -> None:
    """The old path answers with the new address; the number still works."""
    made = lab.client.create_project("acme/old-name", files=FILES)
    lab.client.change_project(made.id, path="acme/new-name")
    moved = api.get("/projects/acme%2Fold-name")
    assert (moved.status_code, moved.headers["location"]) == (
        301,
        f"{lab.url}/api/v4/projects/{made.id}",
    )
    assert api.get(f"/projects/{made.id}").json()["path"] == "new-name"


def test_the_tree_in_git_s_order(api: httpx.Client, project: int) -> None:
    """Direct entries, entries of a folder, and all of them; a missing path is 404."""
    base = f"/projects/{project}/repository/tree"
    root = [(entry["path"], entry["type"]) for entry in api.get(base).json()]
    assert root == [("README.md", "blob"), ("src", "tree")]
    assert [e["name"] for e in api.get(base, params={"path": "src"}).json()] == ["app.py", "lib"]
    every = [e["path"] for e in api.get(base, params={"recursive": "true"}).json()]
    assert every == ["README.md", "src", "src/app.py", "src/lib", "src/lib/a.py"]
    assert "size" not in api.get(base).json()[0]
    assert api.get(base, params={"path": "nowhere"}).status_code == 404
    assert api.get(base, params={"ref": "nowhere"}).status_code == 404


@pytest.mark.parametrize("pagination", ["offset", "keyset"])
def test_pages_hold_every_entry_once(
    lab: RunningSandbox, api: httpx.Client, pagination: str
) -> None:
    """Following `Link: …; rel="next"` visits all, at most 100 at a time."""
    files = {f"f{number:03}.txt": str(number) for number in range(230)}
    made = lab.client.create_project(f"acme/wide-{pagination}", files=files)
    url: str | None = f"/projects/{made.id}/repository/tree?per_page=500&pagination={pagination}"
    seen: list[str] = []
    sizes = []
    while url is not None:
        answer = api.get(url)
        page = [entry["path"] for entry in answer.json()]
        seen += page
        sizes.append(len(page))
        url = answer.links.get("next", {}).get("url")
    assert seen == sorted(files)
    assert sizes == [100, 100, 30]


def test_files_raw_and_as_json(api: httpx.Client, project: int) -> None:
    """Raw bytes are the file's; the JSON form adds size and the last commit."""
    base = f"/projects/{project}/repository/files"
    assert api.get(f"{base}/src%2Fapp.py/raw").content == "print('é')\n".encode()
    body = api.get(f"{base}/src%2Fapp.py", params={"ref": "main"}).json()
    assert base64.b64decode(body["content"]) == "print('é')\n".encode()
    assert (body["size"], body["last_commit_id"]) == (12, body["commit_id"])
    missing = api.get(f"{base}/none.txt/raw")
    assert (missing.status_code, missing.json()) == (404, {"message": "404 File Not Found"})


def test_branches(api: httpx.Client, project: int) -> None:
    """Made from a ref, refused twice, read, removed; the default branch stays."""
    base = f"/projects/{project}/repository/branches"
    made = api.post(base, json={"branch": "feature/x", "ref": "main"})
    assert (made.status_code, made.json()["name"]) == (201, "feature/x")
    again = api.post(base, json={"branch": "feature/x", "ref": "main"})
    assert (again.status_code, again.json()) == (400, {"message": "Branch already exists"})
    bad = api.post(base, json={"branch": "y", "ref": "gone"})
    assert bad.json() == {"message": "Invalid reference name: gone"}
    assert api.post(base, json={"branch": "a..b", "ref": "main"}).status_code == 400
    assert api.get(f"{base}/feature%2Fx").json()["protected"] is False
    assert api.delete(f"{base}/feature%2Fx").status_code == 204
    assert api.get(f"{base}/feature%2Fx").status_code == 404
    assert api.delete(f"{base}/main").status_code == 400


def test_the_first_branch_is_protected(api: httpx.Client, project: int) -> None:
    """The default branch is protected for Maintainers, and the list says so."""
    body = api.get(f"/projects/{project}/protected_branches").json()
    assert [(b["name"], b["push_access_levels"][0]["access_level"]) for b in body] == [("main", 40)]
    assert api.get(f"/projects/{project}/protected_tags").json() == []


def test_languages_are_shares(api: httpx.Client, project: int) -> None:
    """Per cent by bytes, named as GitLab names them."""
    assert api.get(f"/projects/{project}/languages").json() == {"Python": 100.0}


def test_members_and_variables(lab: RunningSandbox, api: httpx.Client, project: int) -> None:
    """A member's level; variables are kept and refused twice; Developers may not see them."""
    me = api.get("/user").json()["id"]
    assert api.get(f"/projects/{project}/members/all/{me}").json()["access_level"] == 40
    base = f"/projects/{project}/variables"
    body = {"key": "SONAR_TOKEN", "value": "v", "masked": True}
    assert api.post(base, json=body).status_code == 201
    assert api.post(base, json=body).status_code == 400
    assert [v["key"] for v in api.get(base).json()] == ["SONAR_TOKEN"]
    with lab.member(project, "junior", 30) as junior:
        assert junior.get(base).status_code == 403


def test_an_import_ends_in_silence(lab: RunningSandbox, api: httpx.Client, empty: int) -> None:
    """The repository fills and `import_status` changes, but no hook tells."""
    before = len(lab.client.deliveries())
    lab.client.import_project(empty, sample="go-hello", seconds=0.05)
    assert api.get(f"/projects/{empty}").json()["import_status"] == "started"

    def finished() -> bool:
        return bool(api.get(f"/projects/{empty}").json()["import_status"] == "finished")

    lab.client.wait(finished, what="the import")
    assert api.get(f"/projects/{empty}").json()["empty_repo"] is False
    assert len(lab.client.deliveries()) == before


def test_unknown_routes_are_not_found(api: httpx.Client) -> None:
    """What GitLab does not have, the sandbox does not have."""
    answer = api.get("/ci/lint")
    assert (answer.status_code, answer.json()) == (404, {"error": "404 Not Found"})


def test_every_sample_is_a_project(lab: RunningSandbox, api: httpx.Client) -> None:
    """Two samples for each of five languages; each holds tests and no leftovers of a build."""
    names = lab.client.samples()
    stacks = [name.partition("-")[0] for name in names]
    assert all(stacks.count(stack) >= 2 for stack in stacks)
    assert set(stacks) >= {"go", "python", "node", "ts", "java"}
    for name in names:
        made = lab.client.create_project(f"samples/{name}", sample=name)
        paths = set(lab.client.files(made.id))
        assert any("test" in path.lower() for path in paths), name
        assert not any("node_modules" in p or p.endswith(".pyc") for p in paths), name
        assert ".gitlab-ci.yml" not in paths, name


def test_links_and_submodules(lab: RunningSandbox, api: httpx.Client, project: int) -> None:
    """A link is a blob of mode 120000 that holds its target; a submodule is listed, never read."""
    files = {"link": "../../etc/passwd", "sub": "a" * 40}
    lab.client.push(project, files, modes={"link": "120000", "sub": "160000"})
    base = f"/projects/{project}/repository"
    entries = {e["path"]: e for e in api.get(f"{base}/tree").json()}
    assert (entries["link"]["type"], entries["link"]["mode"]) == ("blob", "120000")
    assert (entries["sub"]["type"], entries["sub"]["id"]) == ("commit", "a" * 40)
    assert api.get(f"{base}/files/link/raw").text == "../../etc/passwd"
    assert api.get(f"{base}/files/sub/raw").status_code == 404
