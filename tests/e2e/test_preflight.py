"""What the instance shows before the commit, told in the merge request and kept to by the file."""

from __future__ import annotations

import yaml

from tests.support.world import World
from workers.steps.markdown import unsafe_lines

SECTION = "## Before it can run here"


def text_of(running: World, project: int) -> str:
    """The section of the project's only merge request."""
    (opened,) = running.forge.merge_requests(project)
    assert unsafe_lines(opened.description) == []
    return opened.description.partition(SECTION)[2].partition("\n## ")[0]


def test_a_project_without_a_runner_is_told_so(running: World) -> None:
    """The merge request says what is missing and where to mend it, and stays a draft."""
    project = running.born("nobody", runners=[], sample="go-hello")
    run = running.run(project, "awaiting_pipeline")
    text = text_of(running, project)
    assert "**Needed:** No runner is available to this project." in text
    assert "`Settings → CI/CD → Runners`" in text and "runners take" not in text
    assert "The image is built with `kaniko`" in text
    (opened,) = running.forge.merge_requests(project)
    assert opened.draft and run["merge_request"]["iid"] == opened.iid
    assert [p.status for p in running.forge.pipelines(project)] == ["pending", "pending"]


def test_what_was_mended_before_the_push_is_not_complained_of(running: World) -> None:
    """Born without a runner, given one while it waits: nothing is needed any more."""
    project = running.born("mended", runners=[])
    running.run(project, "waiting_for_push")
    running.forge.change_project(project, runners=[{"tags": ["x"]}])
    running.forge.set_outcome(project, "hang")
    running.forge.push(project, sample="go-hello")
    running.run(project, "awaiting_pipeline")
    text = text_of(running, project)
    assert "1 runner takes its jobs." in text and "Needed" not in text


def test_jobs_carry_the_tag_that_the_runners_demand(running: World) -> None:
    """No runner takes untagged jobs: the file asks for the tag, and the pipeline goes green."""
    runners = [{"tags": tags, "run_untagged": False} for tags in (["docker", "eu"], ["windows"])]
    run = running.run(running.born("tagged", runners=runners, sample="go-hello"))
    assert run["state"] == "succeeded", run["reason"]
    project = run["project"]["id"]
    text = running.forge.file(project, ".gitlab-ci.yml", run["commit"]["branch"])
    assert yaml.safe_load(text or "")["default"]["tags"] == ["docker"]
    (opened,) = running.forge.merge_requests(project)
    assert SECTION not in opened.description and not opened.draft
    dry = running.api.post(
        "/api/v1/pipeline/generate",
        json={"project": project, "use_template_only": True},
    ).json()
    files = {file["path"]: file["content"] for file in dry["files"]}
    assert yaml.safe_load(files[".gitlab-ci.yml"])["default"]["tags"] == ["docker"]


def test_a_modest_token_gets_its_merge_request_all_the_same(running: World) -> None:
    """A Developer's token sees neither runners nor variables: said in one line, and no error."""
    project = running.born("modest", bot_role=30)
    running.run(project, "waiting_for_push")
    running.forge.push(project, sample="go-hello")
    run = running.run(project, "awaiting_pipeline")
    assert run["merge_request"], run["reason"]
    text = text_of(running, project)
    assert "Not looked at: runners and CI variables." in text and "Maintainer" in text


def test_a_healthy_project_reads_what_was_seen(running: World) -> None:
    """How many runners, the builder and why, which variables are missing and which are set."""
    variables = {"SONAR_TOKEN": "canary-value"}
    project = running.born("seen", runners=[{"tags": ["x"]}], variables=variables)
    running.run(project, "waiting_for_push")
    running.forge.set_outcome(project, "hang")
    running.forge.push(project, sample="go-hello")
    running.run(project, "awaiting_pipeline")
    text = text_of(running, project)
    assert "1 runner takes its jobs. The image is built with `kaniko`: it needs no" in text
    assert "Needed" not in text and "`REGISTRY_PASSWORD`" in text and "SONAR_TOKEN" not in text
    (opened,) = running.forge.merge_requests(project)
    assert "| `SONAR_TOKEN` | optional, set |" in opened.description
    assert "canary" not in opened.description
