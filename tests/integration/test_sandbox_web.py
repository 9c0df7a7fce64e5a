"""The sandbox's pages: what a person who follows a link of the service gets to see."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.support.gitlab import RunningSandbox

HOSTILE = '<script>alert(1)</script> <img src=x onerror="alert(1)"> [go](javascript:alert(1))'
TEXT = f"""## How it went

| Stage | Job |
|---|---|
| `compile` | `compile` |

{HOSTILE}
"""


@pytest.fixture(scope="module")
def links(lab: RunningSandbox) -> dict[str, str]:
    """A project with a merge request whose pipeline has run; addresses as the API tells them."""
    config = "compile:\n  script:\n    - 'echo \"<b>compiled</b>\"'\n"
    project = lab.client.create_project("acme/deep/pages", files={"README.md": f"# Hi\n{HOSTILE}"})
    files, name = {".gitlab-ci.yml": config, "a b/ü.txt": HOSTILE}, "devops-backend/ci-1"
    lab.client.push(project.id, files, branch=name, message=f"Add it\n\n{HOSTILE}")
    with lab.api() as api:
        api.headers["Authorization"] = f"Bearer {lab.admin_token}"
        asked = {"source_branch": name, "target_branch": "main", "title": HOSTILE}
        base = f"/projects/{project.id}"
        request = api.post(f"{base}/merge_requests", json={**asked, "description": TEXT}).json()
        api.post(f"{base}/merge_requests/{request['iid']}/notes", json={"body": HOSTILE})
        green = {"status": "success"}
        pipeline = lab.client.wait(lambda: api.get(f"{base}/pipelines", params=green).json())[0]
        job = api.get(f"{base}/pipelines/{pipeline['id']}/jobs").json()[0]
        commit = api.get(f"{base}/repository/commits/{pipeline['sha']}").json()
        found = {"request": request, "pipeline": pipeline, "job": job, "commit": commit}
        return {"project": project.url, **{name: a["web_url"] for name, a in found.items()}}


@pytest.fixture(scope="module")
def browser() -> httpx.Client:
    """Without a token, as a browser comes."""
    return httpx.Client(trust_env=False)


def test_the_merge_request_shows_its_text_and_the_files(
    links: dict[str, str], browser: httpx.Client
) -> None:
    """Markdown is rendered, the pipeline's YAML stands there, and that jobs are simulated."""
    page = browser.get(links["request"])
    assert page.status_code == 200
    assert "<h2>How it went</h2>" in page.text and "<td><code>compile</code></td>" in page.text
    assert "echo &#34;&lt;b&gt;compiled&lt;/b&gt;&#34;" in page.text
    assert "simulated" in page.text


@pytest.mark.parametrize("name", ["project", "request", "pipeline", "job", "commit"])
def test_every_link_of_the_api_leads_to_a_page(
    name: str, links: dict[str, str], browser: httpx.Client
) -> None:
    """With strict headers, and nothing that a repository says becomes markup or a script."""
    page = browser.get(links[name])
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'self'"
    )
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "<script" not in page.text and "<img" not in page.text
    assert 'href="javascript' not in page.text


def test_every_link_on_the_pages_leads_somewhere(
    links: dict[str, str], browser: httpx.Client
) -> None:
    """From the list of projects on, files with odd names and branches with slashes included."""
    origin = "/".join(links["project"].split("/")[:3])
    todo, seen = ["/"], set[str]()
    while todo:
        path = todo.pop()
        seen.add(path)
        page = browser.get(origin + path)
        assert page.status_code == 200, path
        todo += set(re.findall(r'href="(/[^"]*)"', page.text)) - seen - set(todo)
    assert {"/acme/deep/pages/-/tree/devops-backend/ci-1", "/-/style.css"} <= seen
    assert any(path.endswith("/a%20b/%C3%BC.txt") for path in seen)


@pytest.mark.parametrize(
    "path",
    ["/nobody/nothing", "/acme/deep/pages/-/merge_requests/99", "/acme/deep/pages/-/nothing"]
    + ["/acme/deep/pages/-/blob/main/gone", "/acme/deep/pages/-/jobs/x", "/<script>"],
)
def test_what_does_not_exist_is_a_page_too(
    path: str, links: dict[str, str], browser: httpx.Client
) -> None:
    """404, with the same headers, and the address is not repeated as markup."""
    page = browser.get("/".join(links["project"].split("/")[:3]) + path)
    assert page.status_code == 404 and "<script" not in page.text
    assert "content-security-policy" in page.headers


def test_a_project_that_moved_redirects(lab: RunningSandbox, browser: httpx.Client) -> None:
    """As GitLab does: the old address leads to the new one."""
    project = lab.client.create_project("acme/before", files={"a": "1"})
    lab.client.change_project(project.id, path="acme/after")
    answer = browser.get(project.url)
    assert (answer.status_code, answer.headers["location"]) == (302, "/acme/after")
