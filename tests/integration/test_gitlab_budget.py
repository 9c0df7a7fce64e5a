"""From first push to draft merge request: at most eight calls, counted at GitLab's side."""

from __future__ import annotations

from tests.support.gitlab import Instance
from workers.clients.gitlab import ApiSource
from workers.detect import detect
from workers.settings import AutoCommit
from workers.steps.publish import Target, publish

CI = "test:\n  script: [make test]\n"


def calls_of_a_run(at: Instance, sample: str) -> list[str]:
    """What a run calls, in its order, on a healthy GitLab."""
    project = at.control.create_project(f"acme/{sample}", sample=sample)
    at.control.forget_calls()
    found = at.gitlab.project(project.id)
    branch = at.gitlab.branch(project.id, found.default_branch or "main")
    assert branch is not None
    analysis = detect(ApiSource(at.gitlab, project.id, found.path, branch.sha))
    assert analysis.language
    assert at.gitlab.lint(project.id, CI).valid
    published = publish(
        at.gitlab,
        Target(project_id=project.id, target_branch=branch.name, source_sha=branch.sha),
        {".gitlab-ci.yml": CI},
        run_id="run-1",
        intent=lambda _: None,
        mode=AutoCommit.MERGE_REQUEST,
        title="Add a CI pipeline",
        text="x\n",
    )
    assert published.merge_request is not None
    return at.routes()


def test_a_run_takes_at_most_eight_calls(at: Instance) -> None:
    """Every sample repository, whatever its language; and none of them asks for pipelines."""
    samples = at.control.samples()
    assert len(samples) >= 4
    for sample in samples:
        calls = calls_of_a_run(at, sample)
        assert len(calls) <= 8, f"{sample}: {calls}"
        assert not [call for call in calls if "/pipelines" in call]
