"""Reading a `.gitlab-ci.yml` and choosing the jobs of a pipeline."""

import pytest

from service.sandbox.ci import FilteredOut, plan, skipped
from service.sandbox.ci_config import ConfigError, parse

PUSH = {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"}
REQUEST = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_MERGE_REQUEST_IID": "1"}


def names(text: str, variables: dict[str, str], files: tuple[str, ...] = ()) -> list[str]:
    return [job.name for job in plan(parse(text), variables, files)]


def test_jobs_follow_the_order_of_stages() -> None:
    """Stages decide the order, not the file; hidden jobs are none."""
    jobs = "last: {stage: b, script: [1]}\nfirst: {stage: a, script: [2]}"
    text = "stages: [a, b]\n.x: {script: [no]}\n" + jobs
    assert names(text, PUSH) == ["first", "last"]


def test_extends_and_reference() -> None:
    """`extends` merges maps deeply and replaces lists; `!reference` in a list is spread out."""
    text = """
.base: {stage: test, script: [one], artifacts: {paths: [x]}}
.more: {script: [two, three]}
job:
  extends: .base
  script: [!reference [.more, script], four]
  artifacts: {reports: {junit: r.xml}}
"""
    (job,) = plan(parse(text), PUSH, ())
    assert job.script == ["two", "three", "four"]
    assert job.stage == "test" and job.junit


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [", "Invalid configuration format"),
        ("[]", "Invalid configuration format"),
        (".hidden: {script: [x]}", "jobs config should contain at least one visible job"),
        ("job: {stage: test}", "jobs:job config should implement the script:"),
        ("job: {script: [x], stage: nowhere}", "chosen stage nowhere does not exist"),
        ("job: {script: [x], needs: [ghost]}", "job job: undefined need: ghost"),
        ("job: {script: [x], extends: .gone}", "unknown keys in `extends` (.gone)"),
        ("a: {extends: b}\nb: {extends: a}", "circular dependency detected in `extends`"),
        ("job: {script: [!reference [x, y]]}", "could not be found"),
        ("job: {script: [x]}\nword: text", "unknown keys: word"),
    ],
)
def test_faults_are_named_as_gitlab_names_them(text: str, complaint: str) -> None:
    """A faulty file raises `ConfigError` with GitLab's sentence."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert complaint in str(caught.value)


def test_jobs_without_their_variables_are_left_out() -> None:
    """A rule on an unset variable takes the job out, a set one lets it in."""
    text = "sonar: {script: [x], rules: [{if: $SONAR_TOKEN}]}\nunit: {script: [y]}"
    assert names(text, PUSH) == ["unit"]
    assert names(text, {**PUSH, "SONAR_TOKEN": "t"}) == ["sonar", "unit"]


def test_the_first_rule_that_holds_decides() -> None:
    """`when` and `allow_failure` come from the rule; `never` takes the job out."""
    text = """
job:
  script: [x]
  rules:
    - {if: $NEVER, when: never}
    - {if: $CI_COMMIT_BRANCH == "main", when: manual, allow_failure: true}
    - {when: always}
other: {script: [y]}
"""
    (job, _) = plan(parse(text), PUSH, ())
    assert (job.when, job.allow_failure) == ("manual", True)
    assert names(text, {**PUSH, "NEVER": "1"}) == ["other"]


def test_exists_looks_at_the_tree() -> None:
    """`exists` holds where a glob meets a file, in folders too with `**/`."""
    text = "go: {script: [x], rules: [{exists: ['**/go.mod']}]}\nany: {script: [y]}"
    assert names(text, PUSH, ("go.mod",)) == ["go", "any"]
    assert names(text, PUSH, ("api/go.mod",)) == ["go", "any"]
    assert names(text, PUSH, ("package.json",)) == ["any"]


def test_workflow_keeps_a_pipeline_away() -> None:
    """Without a workflow rule that holds there is no pipeline at all."""
    text = "workflow: {rules: [{if: $CI_COMMIT_TAG}]}\njob: {script: [x]}"
    with pytest.raises(FilteredOut):
        names(text, PUSH)


def test_merge_requests_get_jobs_only_where_rules_say_so() -> None:
    """Without rules anywhere jobs are for branches and tags, as GitLab's default."""
    with pytest.raises(FilteredOut):
        names("job: {script: [x]}", REQUEST)
    assert names("workflow: {rules: [{when: always}]}\njob: {script: [x]}", REQUEST) == ["job"]


def test_a_need_that_rules_left_out() -> None:
    """It makes the file invalid, unless it is optional."""
    text = "a: {script: [x], rules: [{if: $A}]}\nb: {script: [y], needs: [%s]}"
    with pytest.raises(ConfigError, match="does not exist in the pipeline"):
        names(text % "a", PUSH)
    assert names(text % "{job: a, optional: true}", PUSH) == ["b"]


@pytest.mark.parametrize("text", ["x [skip ci]", "[ci skip] x", "x\n\n[SKIP-CI]", "[ci_skip]"])
def test_messages_that_skip(text: str) -> None:
    """GitLab's marks count anywhere in the message and in any case."""
    assert skipped(text)
    assert not skipped(text.replace("[", "("))
