"""Publishing against the sandbox: one commit and one merge request, whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from service.sandbox.views import ProjectView
from tests.support.gitlab import BOT_TOKEN, Instance
from workers.clients.gitlab import GitLab
from workers.detect.analysis import Analysis, Evidence
from workers.errors import BackendError, Conflict, Denied, Rejected, Retryable, Unclear
from workers.settings import AutoCommit
from workers.steps.describe import Story, text, title
from workers.steps.merge_request import mark_ready
from workers.steps.origin import Origin
from workers.steps.publish import Intent, Published, Target, branch_name, publish, standing

CI = "test:\n  script: [make test]\n"
FILES = {".gitlab-ci.yml": CI, "Dockerfile": "FROM scratch\n", ".dockerignore": ".git\n"}
SOURCES = {"main.go": "package main\n"}


class Case:
    """A project with sources, and what publishing to it needs."""

    def __init__(self, at: Instance, name: str, sources: Mapping[str, str] = SOURCES) -> None:
        self.at = at
        self.project = at.control.create_project(f"acme/{name}", files=dict(sources))
        self.sha = self.project.branches["main"]
        self.branch = branch_name(self.sha)
        self.intents: list[Intent] = []
        at.control.forget_calls()

    def publish(self, files: Mapping[str, str] = FILES, **changes: Any) -> Published:
        target = Target(
            project_id=self.project.id,
            target_branch="main",
            source_sha=self.sha,
            existing=changes.pop("existing", frozenset()),
        )
        options: dict[str, Any] = {
            "run_id": "run-1",
            "intent": self.intents.append,
            "mode": AutoCommit.MERGE_REQUEST,
            "title": "Add a CI pipeline (go)",
            "text": "found go\n",
        }
        return publish(
            changes.pop("gitlab", self.at.gitlab), target, files, **{**options, **changes}
        )

    def now(self) -> ProjectView:
        return self.at.control.project(self.project.id)

    def bot_commits(self) -> list[str]:
        return [c.sha for c in self.now().commits if "Devops-Backend-Run: " in c.message]

    def check_once(self) -> None:
        """One commit of ours with just our files, one draft merge request."""
        assert len(self.bot_commits()) == 1
        assert set(self.now().branches) == {"main", self.branch}
        assert self.at.control.files(self.project.id, self.branch) == {**SOURCES, **FILES}
        assert self.at.control.files(self.project.id, "main") == SOURCES
        [opened] = self.now().merge_requests
        assert (opened.draft, opened.source_branch, opened.target_branch, opened.state) == (
            True,
            self.branch,
            "main",
            "opened",
        )


def test_the_healthy_path_takes_three_calls(at: Instance) -> None:
    """Protected branches, commit, merge request: three of the eight that a run may make."""
    case = Case(at, "healthy")
    published = case.publish()
    case.check_once()
    assert [(call.method, call.path.rpartition("/")[2]) for call in at.control.calls()] == [
        ("GET", "protected_branches"),
        ("POST", "commits"),
        ("POST", "merge_requests"),
    ]
    assert published.changed
    assert published.sha == case.bot_commits()[0] == case.now().branches[case.branch]
    assert published.merge_request is not None
    assert published.merge_request.iid == 1
    [commit] = [c for c in case.now().commits if c.sha == published.sha]
    assert commit.message == "Add a CI pipeline\n\nDevops-Backend-Run: run-1"
    assert commit.parents == [case.sha]
    assert case.now().merge_requests[0].title == "Draft: Add a CI pipeline (go)"


def test_the_intent_is_recorded_before_the_write(at: Instance) -> None:
    """Whoever hears the push event first finds the intent; a failing record stops the write."""
    case = Case(at, "intent")
    seen: list[list[str]] = []

    def record(intent: Intent) -> None:
        case.intents.append(intent)
        seen.append(case.bot_commits())

    case.publish(intent=record)
    assert seen == [[]]
    assert [(i.branch, i.source_sha, len(i.digest)) for i in case.intents] == [
        (case.branch, case.sha, 64)
    ]

    def failing(_: Intent) -> None:
        raise Retryable("the ledger is away")

    other = Case(at, "intent-lost")
    with pytest.raises(Retryable):
        other.publish(intent=failing)
    assert other.bot_commits() == []


def test_the_same_again_changes_nothing(at: Instance) -> None:
    """A run that is carried out twice, or by two workers, finds what the first one made."""
    case = Case(at, "again")
    first = case.publish()
    second = case.publish(run_id="run-2", text="found go, twice\n")
    case.check_once()
    assert (second.sha, second.branch, second.merge_request) == (
        first.sha,
        first.branch,
        first.merge_request,
    )
    assert not second.changed
    assert case.now().merge_requests[0].description == "found go, twice\n"


def test_what_stands_there_is_not_written_again(at: Instance) -> None:
    """A person asks again: the branch is read, nothing is sent that GitLab would have to refuse."""
    case = Case(at, "stands")
    target = Target(project_id=case.project.id, target_branch="main", source_sha=case.sha)
    assert standing(at.gitlab, target, FILES) is None
    first = case.publish()
    at.control.forget_calls()
    there = standing(at.gitlab, target, FILES)
    assert there is not None and there.sha == first.sha
    second = case.publish(there=there, again=True)
    assert (second.sha, second.changed, second.merge_request) == (
        first.sha, False, first.merge_request,
    )  # fmt: skip
    assert {call.method for call in at.control.calls()} == {"GET"} and len(case.intents) == 1
    changed = {**FILES, "Dockerfile": "FROM alpine\n"}
    assert standing(at.gitlab, target, changed) is None


FAULTS = [
    {"kind": "drop", "path": "/commits", "method": "POST"},
    {"kind": "drop_before", "path": "/commits", "method": "POST"},
    {"kind": "half_body", "path": "/commits", "method": "POST"},
    {"kind": "bad_json", "path": "/commits", "method": "POST"},
    {"kind": "status", "path": "/commits", "method": "POST"},
    {"kind": "rate_limit", "path": "/commits", "method": "POST"},
    {"kind": "drop", "path": "/merge_requests", "method": "POST"},
    {"kind": "drop_before", "path": "/merge_requests", "method": "POST"},
    {"kind": "half_body", "path": "/merge_requests", "method": "POST"},
    {"kind": "bad_json", "path": "/merge_requests", "method": "POST"},
    {"kind": "status", "path": "/merge_requests", "method": "POST"},
    {"kind": "rate_limit", "path": "/merge_requests", "method": "POST"},
    {"kind": "status", "path": "/protected_branches"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f['kind']}-{f['path'].strip('/')}")
def test_no_fault_makes_a_second_write(at: Instance, fault: dict[str, str]) -> None:
    """One lost answer anywhere: publishing ends, at the second try at most, with one of each."""
    case = Case(at, f"fault-{fault['kind'].replace('_', '-')}-{fault['path'].strip('/')[:6]}")
    at.control.set_fault(times=1, **fault)  # type: ignore[arg-type]
    try:
        published = case.publish()
    except Retryable:
        published = case.publish()
    case.check_once()
    assert published.sha == case.bot_commits()[0]
    assert published.merge_request is not None


def test_a_lost_answer_is_looked_at_at_once(at: Instance) -> None:
    """The commit was applied and its answer lost: found by looking, in the same call."""
    case = Case(at, "look")
    at.control.set_fault("drop", "/commits", method="POST", times=1)
    assert case.publish().changed is False
    case.check_once()
    assert len(at.control.calls("/commits", "POST")) == 1


def test_another_content_on_the_branch_is_a_conflict(at: Instance) -> None:
    """What stands on the branch already is not written over."""
    case = Case(at, "other")
    case.publish()
    with pytest.raises(Conflict, match="holds another .* by an earlier run"):
        case.publish({**FILES, ".gitlab-ci.yml": "other: {script: [x]}\n"})
    case.check_once()


def test_an_improvement_replaces_our_own(at: Instance) -> None:
    """Only files that differ are committed, upon our own commit; the text is kept up to date."""
    case = Case(at, "improve")
    first = case.publish()
    better = {**FILES, ".gitlab-ci.yml": "better: {script: [x]}\n"}
    second = case.publish(better, improve=True, run_id="run-2", text="better\n")
    assert second.changed
    assert second.merge_request == first.merge_request
    [commit] = [c for c in case.now().commits if c.sha == second.sha]
    assert commit.parents == [first.sha]
    body = at.control.calls("/commits", "POST")[-1].body
    assert [(a["action"], a["file_path"]) for a in body["actions"]] == [
        ("update", ".gitlab-ci.yml")
    ]
    assert body["actions"][0]["last_commit_id"] == first.sha
    assert at.control.files(case.project.id, case.branch) == {**SOURCES, **better}
    assert case.now().merge_requests[0].description == "better\n"
    again = case.publish(better, improve=True, run_id="run-3")
    assert (again.sha, again.changed) == (second.sha, False)


def test_a_first_improvement_is_a_first_commit(at: Instance) -> None:
    """Where there is nothing to improve it is made, in as few calls."""
    case = Case(at, "improve-first")
    assert case.publish(improve=True).changed
    case.check_once()
    assert len(at.control.calls()) == 3


def test_an_improvement_whose_answer_is_lost(at: Instance) -> None:
    """Looked at as well: applied or not, it ends with one commit more."""
    for kind in ("drop", "drop_before"):
        case = Case(at, f"improve-{kind.replace('_', '-')}")
        case.publish()
        better = {**FILES, "Dockerfile": "FROM scratch\nUSER 10001\n"}
        at.control.set_fault(kind, "/commits", method="POST", times=1)
        try:
            case.publish(better, improve=True, run_id="run-2")
        except Unclear:
            case.publish(better, improve=True, run_id="run-2")
        assert len(case.bot_commits()) == 2
        assert at.control.files(case.project.id, case.branch) == {**SOURCES, **better}


def test_a_persons_commit_on_our_branch_stands(at: Instance) -> None:
    """Once a person works on the branch it is theirs."""
    case = Case(at, "theirs")
    case.publish()
    at.control.push(case.project.id, {".gitlab-ci.yml": "mine: {}\n"}, branch=case.branch)
    with pytest.raises(Conflict, match="by a person"):
        case.publish({**FILES, "Dockerfile": "FROM x\n"}, improve=True)
    assert at.control.file(case.project.id, ".gitlab-ci.yml", case.branch) == "mine: {}\n"


def test_files_of_a_person_are_kept(at: Instance) -> None:
    """Dockerfile and .dockerignore that exist are left as they are, and named."""
    sources = {**SOURCES, "Dockerfile": "FROM theirs\n"}
    case = Case(at, "kept", sources)
    published = case.publish(existing=frozenset(sources))
    assert published.kept == ("Dockerfile",)
    there = at.control.files(case.project.id, case.branch)
    assert there["Dockerfile"] == "FROM theirs\n"
    assert there[".gitlab-ci.yml"] == CI


def test_a_file_that_was_overlooked_is_not_written_over(at: Instance) -> None:
    """Even where the analysis missed it: GitLab refuses to create what exists."""
    case = Case(at, "overlooked", {**SOURCES, "Dockerfile": "FROM theirs\n"})
    with pytest.raises(Conflict):
        case.publish()
    assert set(case.now().branches) == {"main"}


def test_an_existing_pipeline_is_never_touched(at: Instance) -> None:
    """Refused before any call."""
    case = Case(at, "existing", {**SOURCES, ".gitlab-ci.yml": "theirs: {script: [x]}\n"})
    for improve in (False, True):
        with pytest.raises(Rejected, match="already"):
            case.publish(existing=frozenset({".gitlab-ci.yml"}), improve=improve)
    assert at.control.calls() == []


def test_no_other_file_is_written(at: Instance) -> None:
    """Paths are three constants; everything else is refused before any call."""
    case = Case(at, "paths")
    for path in ("README.md", "../x", ".gitlab-ci.yml/", "sub/Dockerfile", ".git/config", ""):
        with pytest.raises(Rejected):
            case.publish({**FILES, path: "x"})
    with pytest.raises(Rejected):
        case.publish({"Dockerfile": "FROM x\n"})
    assert at.control.calls() == []


@pytest.mark.parametrize("rule", ["*", "devops-backend/*", "devops-backend/ci-*", "*ci*"])
def test_a_protected_branch_is_unsafe(at: Instance, rule: str) -> None:
    """Our branch under a rule of protection would get protected variables: nothing is written."""
    case = Case(at, "protected-" + rule.replace("*", "x").replace("/", "-"))
    at.control.change_project(case.project.id, protected={rule: 30})
    with pytest.raises(Rejected, match="unsafe ref"):
        case.publish()
    assert set(case.now().branches) == {"main"}
    assert case.intents == []


def test_where_rules_are_hidden_the_branch_is_looked_at(at: Instance) -> None:
    """An older GitLab shows its rules to Maintainers only: a protected branch is not kept."""
    case = Case(at, "hidden-rules")
    at.control.set_fault("status", "/protected_branches", status=403)
    case.publish()
    case.check_once()
    unsafe = Case(at, "hidden-unsafe")
    at.control.change_project(unsafe.project.id, protected={"devops-backend/*": 30})
    with pytest.raises(Rejected):
        unsafe.publish()
    assert unsafe.now().merge_requests == []


def test_branch_mode_opens_nothing(at: Instance) -> None:
    """AUTO_COMMIT=branch commits and opens no merge request; none does not even ask."""
    case = Case(at, "modes")
    nothing = case.publish(mode=AutoCommit.NONE)
    assert (nothing.sha, nothing.merge_request, nothing.changed) == ("", None, False)
    assert at.control.calls() == []
    assert case.intents == []
    published = case.publish(mode=AutoCommit.BRANCH)
    assert published.sha
    assert published.merge_request is None
    assert case.now().merge_requests == []


def test_ready_when_green(at: Instance) -> None:
    """The draft prefix goes, a person's title stays, the text says how it went."""
    case = Case(at, "ready")
    published = case.publish()
    assert published.merge_request is not None
    mark_ready(
        at.gitlab,
        case.project.id,
        published.merge_request.iid,
        "Draft: Add it",
        "green\n",
        branch="",
    )
    [seen] = case.now().merge_requests
    assert (seen.title, seen.draft, seen.description) == (
        "Add a CI pipeline (go)",
        False,
        "green\n",
    )
    at.gitlab.update_merge_request(case.project.id, 1, title="Draft: Draft: Pipeline, please")
    mark_ready(at.gitlab, case.project.id, 1, "Add it", "green again\n", branch="")
    mark_ready(at.gitlab, case.project.id, 1, "Add it", "green again\n", branch="")
    [seen] = case.now().merge_requests
    assert (seen.title, seen.draft) == ("Pipeline, please", False)


def test_a_closed_merge_request_stays_closed(at: Instance) -> None:
    """Closing it declines it: carrying the run out again opens no second one."""
    case = Case(at, "closed")
    first = case.publish()
    assert first.merge_request is not None
    at.gitlab.put(
        "/projects/{}/merge_requests/{}", case.project.id, 1, body={"state_event": "close"}
    )
    again = case.publish().merge_request
    assert again is not None and (again.iid, again.state) == (first.merge_request.iid, "closed")
    [seen] = case.now().merge_requests
    assert seen.state == "closed"
    case.publish({**FILES, "Dockerfile": "FROM x\n"}, improve=True)
    assert [request.state for request in case.now().merge_requests] == ["closed", "opened"]


def test_a_closed_merge_request_is_opened_again_for_who_asks(at: Instance) -> None:
    """With or without a new commit it is the same one: a project has one merge request."""
    case = Case(at, "asked")
    case.publish()
    for files in (FILES, {**FILES, "Dockerfile": "FROM x\n"}):
        at.gitlab.put(
            "/projects/{}/merge_requests/{}", case.project.id, 1, body={"state_event": "close"}
        )
        opened = case.publish(files, improve=True, again=True).merge_request
        assert opened is not None and (opened.iid, opened.state) == (1, "opened")
    assert [request.state for request in case.now().merge_requests] == ["opened"]


def test_without_the_right_nothing_is_written(at: Instance) -> None:
    """Denied leaves project and branches as they were."""
    case = Case(at, "developer")
    user = at.control.create_user("reporter")
    at.control.set_members(case.project.id, reporter=20)
    with GitLab(at.url, user.token) as gitlab, pytest.raises(Denied):
        case.publish(gitlab=gitlab)
    assert set(case.now().branches) == {"main"}


def test_nothing_sent_holds_the_token_or_does_harm(at: Instance) -> None:
    """No body holds the token, none skips CI, and the sandbox saw no quick action run."""
    case = Case(at, "clean")
    case.publish()
    for call in at.control.calls():
        text = msgspec.json.encode(call.body).decode()
        assert BOT_TOKEN not in text
        assert "skip ci" not in text.lower()
        assert call.violations == []


def test_hostile_names_run_no_quick_action(at: Instance) -> None:
    """What GitLab would carry out in a raw description stays text in ours."""
    raw = "x\n/merge\n/close\n```\n/approve\n@all Closes #1"
    case = Case(at, "hostile")
    published = case.publish(text=raw)
    assert at.control.calls("/merge_requests", "POST")[-1].violations, "the sandbox would notice"
    analysis = Analysis(language=raw, evidence=(Evidence(raw, raw, 1),), questions=(raw,))
    story = Story(
        run_id=raw,
        source_sha=case.sha,
        analysis=analysis,
        origin=Origin(source="builtin", id=raw),
        files=(raw,),
        notes=(raw,),
    )
    assert published.merge_request is not None
    iid = published.merge_request.iid
    mark_ready(at.gitlab, case.project.id, iid, title(analysis), text(story), branch="")
    assert at.control.calls("/merge_requests", "PUT")[-1].violations == []
    [seen] = case.now().merge_requests
    assert seen.description == text(story)


def test_errors_are_ours(at: Instance) -> None:
    """Whatever GitLab answers, publish raises the program's own errors."""
    case = Case(at, "ours")
    for kind in ("status", "drop_before", "bad_json", "redirect", "rate_limit"):
        at.control.clear_faults()
        at.control.set_fault(kind, ".*")
        with pytest.raises(BackendError):
            case.publish()
    at.control.clear_faults()
    assert case.publish().sha
    case.check_once()
