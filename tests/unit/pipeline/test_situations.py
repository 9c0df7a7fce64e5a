"""Which jobs a generated file runs in the situations that GitLab knows, judged by rules alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from service.sandbox import ci, ci_config
from service.sandbox.ci import FilteredOut
from tests.golden.stacks import STACKS

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
IMAGES = {"build_image", "container_scan"}
BASE = {"CI_DEFAULT_BRANCH": "main", "CI_PIPELINE_SOURCE": "push"}
MERGE_REQUEST = {
    **BASE, "CI_PIPELINE_SOURCE": "merge_request_event", "CI_OPEN_MERGE_REQUESTS": "a/b!1",
}  # fmt: skip
BRANCH = {**BASE, "CI_COMMIT_BRANCH": "feature"}
MAIN = {**BASE, "CI_COMMIT_BRANCH": "main"}
TAG = {**BASE, "CI_COMMIT_TAG": "v1.2.0"}
OPEN = {"CI_OPEN_MERGE_REQUESTS": "a/b!1"}
NEXUS = {"REGISTRY_USER": "ci", "REGISTRY_PASSWORD": "x"}
OWN = {"CI_REGISTRY_IMAGE": "registry.example.com/a/b"}
ONE_APP = [name for name, (analysis, _) in STACKS.items() if not analysis.parts]


@cache
def config(name: str) -> ci_config.Config:
    return ci_config.parse((GOLDEN / name / ".gitlab-ci.yml").read_text())


def jobs(name: str, *known: dict[str, str]) -> set[str]:
    """Raises ConfigError where a job needs one that rules left out, as GitLab would refuse it."""
    variables = {key: value for part in known for key, value in part.items()}
    return {job.name for job in ci.plan(config(name), variables, ())}


def variable(name: str, wanted: str, known: dict[str, str]) -> str:
    """What `workflow:rules` make of a variable."""
    rule = ci.matching(config(name).workflow, {**config(name).variables, **known}, ())
    assert rule is not None
    return {**config(name).variables, **ci_config.variables_of(rule.get("variables"))}[wanted]


@pytest.mark.parametrize("name", ONE_APP)
def test_nothing_configured_leaves_servers_out_and_tests_in(name: str) -> None:
    """No registry, Sonar or Splunk: their jobs are left out, none is left to fail; all situations
    give a pipeline whose `needs` can be met."""
    for situation in (MERGE_REQUEST, BRANCH, MAIN, TAG):
        ran = jobs(name, situation)
        assert "learn_record" in ran
        assert not ran & {*IMAGES, "release_image", "sonar", "notify_success", "notify_failure"}
        assert jobs(name, situation, NEXUS, OWN, {"SONAR_TOKEN": "x", "SPLUNK_HEC_TOKEN": "x"})


def test_one_pipeline_for_one_change() -> None:
    """A push to a branch with an open merge request gives none; what is no push does."""
    with pytest.raises(FilteredOut):
        jobs("go", BRANCH, OPEN)
    assert "unit_tests" in jobs("go", MERGE_REQUEST)
    for source in ("schedule", "web", "api"):
        assert "unit_tests" in jobs("go", BRANCH, OPEN, {"CI_PIPELINE_SOURCE": source})


def test_a_merge_request_from_the_default_branch_does_not_stop_releases() -> None:
    """`main` into `production`: the push to main still builds and releases."""
    assert {*IMAGES, "release_image"} <= jobs("go", MAIN, OPEN, NEXUS)


def test_only_the_default_branch_and_tags_release() -> None:
    """Merge requests and branches build and scan; a tag names the release."""
    for situation in (MERGE_REQUEST, BRANCH):
        assert jobs("go", situation, NEXUS) & {*IMAGES, "release_image"} == IMAGES
    assert "release_image" in jobs("go", TAG, NEXUS)
    assert variable("go", "RELEASE_TAG", TAG) == "$CI_COMMIT_TAG"


def test_gitlabs_own_registry_is_asked_for_by_what_rules_can_know() -> None:
    """The job's credentials exist in jobs alone; a project without a registry builds no image."""
    assert {*IMAGES, "release_image"} <= jobs("go-own-registry", MAIN, OWN)
    assert not jobs("go-own-registry", MAIN) & {*IMAGES, "release_image"}


def test_a_fork_without_the_variables_still_tests() -> None:
    """A fork's merge request runs in the fork, where no protected variable is."""
    ran = jobs("go", MERGE_REQUEST, {"CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "fork/b"})
    assert {"compile", "unit_tests", "vet"} <= ran
    assert not ran & IMAGES


def test_the_gate_stops_a_release_only_where_it_is_asked_for() -> None:
    """SECURITY_GATE makes the scan binding."""
    for gate, advisory in (("", True), ("true", False)):
        planned = ci.plan(config("go"), {**MAIN, **NEXUS, "SECURITY_GATE": gate}, ())
        assert [j.allow_failure for j in planned if j.name == "container_scan"] == [advisory]


def test_sonar_analyses_branches_only_where_its_edition_can() -> None:
    """The Community Build knows one branch."""
    token = {"SONAR_TOKEN": "x"}
    assert "sonar" in jobs("go", MAIN, token)
    assert "sonar" not in jobs("go", MERGE_REQUEST, token)
    assert "sonar" in jobs("go", MERGE_REQUEST, token, {"SONAR_BRANCHES": "true"})


def test_caches_are_written_on_both_sides_of_protection() -> None:
    """Protected branches have caches of their own: one writer for each side, the rest reads."""
    told = {
        label: variable("go", "CACHE_POLICY", known)
        for label, known in (
            ("mr", MERGE_REQUEST),
            ("main", MAIN),
            ("branch", BRANCH),
            ("tag", TAG),
        )
    }
    assert told == {"mr": "pull-push", "main": "pull-push", "branch": "pull", "tag": "pull"}
