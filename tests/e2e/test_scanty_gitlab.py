"""A GitLab that does not answer all that is asked: older, behind a proxy, or for this token."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.world import World, world


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Impatient, and without GraphQL: REST alone has to serve."""
    folder = tmp_path_factory.mktemp("scanty")
    with world(folder, poll_interval_s=0.5, poll_limit_s=8.0) as scanty:
        scanty.forge.set_switches(graphql=False)
        yield scanty


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/protected_branches", "GET"),
        ("/repository/branches/", "GET"),
        (r"/pipelines/\d+$", "GET"),
        (r"/pipelines/\d+/jobs", "GET"),
        (r"/merge_requests/\d+$", "GET"),
        ("/hooks", ".*"),
        ("/ci/lint", "POST"),
    ],
)
def test_one_thing_missing_costs_no_pipeline(running: World, path: str, method: str) -> None:
    """404 for one route of GitLab's API: green all the same, and no draft any more."""
    project = running.born("scanty")
    running.run(project, "waiting_for_push")
    running.forge.set_fault("status", f"/projects/{project}.*{path}", method=method, status=404)
    running.forge.push(project, sample="go-hello")
    run = running.run(project)
    assert (run["state"], run["pipeline"]["status"]) == ("succeeded", "success")
    [merge_request] = running.forge.merge_requests(project)
    assert not merge_request.draft
    assert len(running.our_commits(project)) == 1


@pytest.mark.parametrize("status", [404, 500])
def test_a_verdict_that_is_never_told_ends_unconfirmed(running: World, status: int) -> None:
    """After the limit the run says what GitLab answered; an event later on still settles it."""
    project = running.born("silent")
    running.run(project, "waiting_for_push")
    fault = running.forge.set_fault("status", f"/projects/{project}/pipelines", status=status)
    running.forge.push(project, sample="go-hello")
    run = running.run(project)
    assert run["state"] == "unconfirmed"
    assert "no verdict within 8 s" in run["reason"]
    assert "GitLab" in run["reason"]
    running.forge.remove_fault(fault.id)
    heard = running.api.get("/api/v1/deliveries", params={"project": project}).json()["deliveries"]
    event = next(row for row in heard if row["event"]["kind"] == "pipeline")
    running.api.post(f"/api/v1/deliveries/{event['id']}/replay").raise_for_status()
    assert running.run(project, "succeeded")["pipeline"]["confirmed_by"] == "event"
