"""The sandbox's GraphQL, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gitlab import RunningSandbox, running_sandbox

BLOBS = """
query($p: ID!, $r: String, $f: [String!]!) {
  project(fullPath: $p) { repository { blobs(ref: $r, paths: $f) {
    nodes { path size rawSize rawTextBlob } } } }
}
"""
TREE = """
query($p: ID!, $c: String) { project(fullPath: $p) { id repository { rootRef empty
  tree(recursive: true) { lastCommit { sha } blobs(first: 100, after: $c) {
    pageInfo { hasNextPage endCursor } nodes { path } } } } } }
"""
CI = """
unit: {script: [x], artifacts: {reports: {junit: r.xml}}}
late: {stage: deploy, script: [y]}
"""
PIPELINE = "query($p: ID!) { project(fullPath: $p) { pipeline(ARGUMENT) FIELDS } }"


@pytest.fixture(scope="module")
def lab() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        files = {f"f{number:03}.txt": str(number) for number in range(150)}
        running.client.create_project("acme/big", files={**files, "x.bin": "a\0b", "é.txt": "ü"})
        running.client.create_project("acme/go", sample="go-hello")
        yield running


def ask(lab: RunningSandbox, query: str, token: str | None = None, **variables: Any) -> Any:
    answer = httpx.post(
        f"{lab.url}/api/graphql",
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {token or lab.token}"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_many_files_in_one_request(lab: RunningSandbox) -> None:
    """Text and sizes as strings; a binary file has no text, an absent one no node."""
    paths = ["f001.txt", "x.bin", "é.txt", "gone"]
    body = ask(lab, BLOBS, p="acme/big", f=paths)
    nodes = body["data"]["project"]["repository"]["blobs"]["nodes"]
    assert nodes == [
        {"path": "f001.txt", "size": "1", "rawSize": "1", "rawTextBlob": "1"},
        {"path": "x.bin", "size": "3", "rawSize": "3", "rawTextBlob": None},
        {"path": "é.txt", "size": "2", "rawSize": "2", "rawTextBlob": "ü"},
    ]


def test_the_tree_is_paged(lab: RunningSandbox) -> None:
    """A hundred at a time, by the end cursor; the head's id is there."""
    seen: list[str] = []
    cursor = None
    pages = 0
    while True:
        project = ask(lab, TREE, p="acme/big", c=cursor)["data"]["project"]
        tree = project["repository"]["tree"]
        seen += [node["path"] for node in tree["blobs"]["nodes"]]
        pages += 1
        if not tree["blobs"]["pageInfo"]["hasNextPage"]:
            break
        cursor = tree["blobs"]["pageInfo"]["endCursor"]
    assert (pages, len(seen), len(set(seen))) == (2, 152, 152)
    head = lab.client.project("acme/big").branches["main"]
    assert tree["lastCommit"]["sha"] == head
    assert project["repository"]["rootRef"] == "main"


def test_hidden_is_null_without_an_error(lab: RunningSandbox) -> None:
    """As GitLab: no error tells a stranger that something is there. A bad token is 401."""
    stranger = lab.client.create_user("stranger")
    assert ask(lab, TREE, stranger.token, p="acme/big") == {"data": {"project": None}}
    assert ask(lab, TREE, p="acme/none") == {"data": {"project": None}}
    refused = httpx.post(
        f"{lab.url}/api/graphql",
        json={"query": "{ currentUser { id } }"},
        headers={"Authorization": "Bearer wrong"},
        trust_env=False,
    )
    assert (refused.status_code, refused.json()) == (
        401,
        {"errors": [{"message": "Invalid token"}]},
    )


def test_an_empty_repository(lab: RunningSandbox) -> None:
    """`empty` is true, there is no root ref and no tree."""
    lab.client.create_project("acme/void")
    repository = ask(lab, TREE, p="acme/void")["data"]["project"]["repository"]
    assert repository == {"rootRef": None, "empty": True, "tree": None}


def test_limits(lab: RunningSandbox) -> None:
    """A hundred paths pass, one more does not; nor does a query of over 10,000 characters."""
    paths = [f"f{number:03}.txt" for number in range(101)]
    assert "errors" not in ask(lab, BLOBS, p="acme/big", f=paths[:100])
    refused = ask(lab, BLOBS, p="acme/big", f=paths)
    assert refused["errors"] and "data" not in refused
    assert ask(lab, TREE + " " * 10_000, p="acme/big")["errors"] == [{"message": "Query too large"}]


def test_some_versions_refuse_two_contents(lab: RunningSandbox) -> None:
    """Like 18.4.2: one content passes, two exceed the complexity, with status 200."""
    lab.client.set_switches(graphql_single_blob=True)
    try:
        assert "errors" not in ask(lab, BLOBS, p="acme/big", f=["f001.txt"])
        body = ask(lab, BLOBS, p="acme/big", f=["f001.txt", "f002.txt"])
    finally:
        lab.client.set_switches(graphql_single_blob=False)
    text = "Query has complexity of 346, which exceeds max complexity of 250"
    assert body == {"errors": [{"message": text}]}


def test_a_pipeline_with_jobs_and_tests(lab: RunningSandbox) -> None:
    """By sha, iid and id: states in capitals, stages, durations, counts of tests."""
    sha = lab.client.push("acme/go", {".gitlab-ci.yml": CI})

    def done() -> bool:
        return lab.client.pipelines("acme/go")[0].status == "success"

    lab.client.wait(done, what="success")
    fields = """{ id iid status path duration
      jobs { nodes { name status duration allowFailure kind failureMessage stage { name } } }
      testReportSummary { total { count failed skipped success error time } } }"""
    query = PIPELINE.replace("FIELDS", fields).replace("ARGUMENT", f'sha: "{sha}"')
    pipeline = ask(lab, query, p="acme/go")["data"]["project"]["pipeline"]
    assert (pipeline["status"], pipeline["iid"]) == ("SUCCESS", "1")
    jobs = {job["name"]: job for job in pipeline["jobs"]["nodes"]}
    assert jobs["late"]["stage"] == {"name": "deploy"}
    assert jobs["unit"]["status"] == "SUCCESS" and jobs["unit"]["duration"] > 0
    total = pipeline["testReportSummary"]["total"]
    assert (total["count"], total["failed"], total["success"]) == (3, 0, 3)
    for argument in ('iid: "1"', f'id: "{pipeline["id"]}"'):
        query = PIPELINE.replace("FIELDS", "{ id }").replace("ARGUMENT", argument)
        found = ask(lab, query, p="acme/go")["data"]["project"]["pipeline"]
        assert found == {"id": pipeline["id"]}


def test_merge_requests(lab: RunningSandbox) -> None:
    """By source branch and state, and one by iid."""
    lab.client.push("acme/go", {"b": "1"}, branch="bot")
    with lab.api() as api:
        body = {"source_branch": "bot", "target_branch": "main", "title": "Draft: x"}
        api.post("/projects/acme%2Fgo/merge_requests", json=body)
    query = """query($p: ID!) { project(fullPath: $p) {
      mergeRequests(sourceBranches: ["bot"], state: opened) { nodes { iid draft } }
      mergeRequest(iid: "1") { title sourceBranch } } }"""
    project = ask(lab, query, p="acme/go")["data"]["project"]
    assert project["mergeRequests"]["nodes"] == [{"iid": "1", "draft": True}]
    assert project["mergeRequest"] == {"title": "Draft: x", "sourceBranch": "bot"}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("{ nothing }", "Field 'nothing' doesn't exist on type 'Query'"),
        ("{ currentUser }", "Field must have selections"),
        ("{ currentUser { id { x } } }", "Selections can't be made on scalars"),
        ("{ currentUser {", "Expected"),
        ("mutation { x }", "queries only"),
    ],
)
def test_bad_queries(lab: RunningSandbox, query: str, text: str) -> None:
    """An error in the answer, never a crash; `__typename` and aliases work."""
    assert text in ask(lab, query)["errors"][0]["message"]
    good = ask(lab, "{ me: currentUser { __typename username } }")
    assert good["data"]["me"]["username"] == "devops-backend"
