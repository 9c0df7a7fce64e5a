"""The step that validates generated files: offline first, GitLab's linter decides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from workers.clients.gitlab import ServerLint
from workers.errors import Conflict, Denied, NotFound, Retryable
from workers.steps.validate import validate

GOOD = {".gitlab-ci.yml": "build: {script: [make]}\n", "Dockerfile": "FROM scratch\n"}
BAD = {".gitlab-ci.yml": "build: {script: [make], stage: nope}\n"}
TWICE = {
    ".gitlab-ci.yml": "a:\n  script: [x]\n  rules:\n    - if: $CI_COMMIT_TAG\n    - when: always\n"
}


def says(answer: ServerLint) -> Callable[[str], ServerLint]:
    """A linter that gives one answer."""
    return lambda text: answer


def fails(error: Exception) -> Callable[[str], ServerLint]:
    """A linter that cannot be asked."""

    def ask(text: str) -> ServerLint:
        raise error

    return ask


def test_without_gitlab_the_offline_check_decides() -> None:
    """Errors are rendered with file, line and fix; `linted_by` is the schema."""
    assert validate(GOOD) == validate(GOOD, None)
    found = validate(BAD, None)
    assert (found.valid, found.linted_by) == (False, "schema")
    assert found.errors[0].startswith(".gitlab-ci.yml:1: unknown-stage: ")


def test_gitlab_is_given_the_file_and_has_the_last_word() -> None:
    """Valid for GitLab is valid, and what the offline check doubts becomes a warning."""
    asked: list[str] = []

    def linter(text: str) -> ServerLint:
        asked.append(text)
        return ServerLint(valid=True, warnings=("w",))

    found = validate(BAD, linter)
    assert asked == [BAD[".gitlab-ci.yml"]]
    assert (found.errors, found.linted_by) == ((), "gitlab")
    assert found.warnings[0] == "w" and found.warnings[1].startswith("GitLab accepts it, but: ")


def test_gitlabs_errors_count() -> None:
    """Invalid for GitLab is invalid, with its own words."""
    found = validate(GOOD, says(ServerLint(valid=False, errors=("jobs:build is odd",))))
    assert (found.errors, found.linted_by) == (("jobs:build is odd",), "gitlab")


@pytest.mark.parametrize(
    "text",
    [
        "You do not have sufficient permission to run a pipeline on 'main'.",
        "Reference not found",
    ],
)
def test_a_missing_right_is_no_fault_of_the_file(text: str) -> None:
    """The offline verdict stands, and the reason is kept as a warning."""
    answer = ServerLint(valid=False, errors=(text,))
    good, bad = validate(GOOD, says(answer)), validate(BAD, says(answer))
    assert good.valid and good.linted_by == "schema" and text in good.warnings[-1]
    assert not bad.valid and bad.linted_by == "schema"


def test_a_missing_right_beside_a_fault_leaves_the_fault() -> None:
    """Only the sentence about the right is taken out."""
    right = "You do not have sufficient permission to run a pipeline on 'main'."
    found = validate(GOOD, says(ServerLint(valid=False, errors=(right, "real"))))
    assert (found.errors, found.linted_by) == (("real",), "gitlab")


def test_invalid_without_a_reason_is_no_verdict() -> None:
    """An answer that says nothing does not pass for a judgement."""
    found = validate(GOOD, says(ServerLint(valid=False)))
    assert found.valid and found.linted_by == "schema" and found.warnings


def test_two_pipelines_for_one_push_are_a_fault_of_ours() -> None:
    """GitLab only warns; a generated file must not do it, offline and online."""
    warning = "jobs:a may allow multiple pipelines to run for a single action"
    online = validate(GOOD, says(ServerLint(valid=True, warnings=(warning, "other"))))
    assert online.errors == (warning,) and online.warnings == ("other",)
    offline = validate(TWICE, None)
    assert len(offline.errors) == 1 and "duplicate-pipelines" in offline.errors[0]


@pytest.mark.parametrize("error", [Retryable("busy"), Denied("no", 403), NotFound("none", 404)])
def test_when_gitlab_cannot_be_asked_the_offline_verdict_stands(error: Exception) -> None:
    """With a warning that says why."""
    found = validate(GOOD, fails(error))
    assert found.valid and found.linted_by == "schema"
    assert str(error) in found.warnings[-1]
    assert not validate(BAD, fails(error)).valid


def test_other_errors_are_not_swallowed() -> None:
    """What the caller has to decide on reaches the caller."""
    with pytest.raises(Conflict):
        validate(GOOD, fails(Conflict("moved", 409)))


def test_no_pipeline_is_an_error() -> None:
    """Nothing generated is nothing to commit, and GitLab is not asked."""
    found = validate({"Dockerfile": "FROM scratch\n"}, fails(AssertionError("asked")))
    assert not found.valid and found.linted_by == "schema"
