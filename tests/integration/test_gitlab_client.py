"""The GitLab client against the sandbox, over real HTTP."""

from __future__ import annotations

import time

import pytest

from tests.support.gitlab import BOT_TOKEN, Instance
from workers.clients.gitlab import GitLab
from workers.clients.gitlab_repository import Action
from workers.errors import BackendError, Conflict, Denied, NotFound, Rejected, Retryable, Unclear

FILES = {"go.mod": "module x\n\ngo 1.22\n", "main.go": "package main\n\nfunc main() {}\n"}


def test_a_project_by_id_and_by_path(at: Instance) -> None:
    """Id and path name the same project; a born one says that it is empty."""
    made = at.control.create_project("acme/deep/born")
    by_path = at.gitlab.project("acme/deep/born")
    assert by_path == at.gitlab.project(made.id)
    assert (by_path.id, by_path.path) == (made.id, "acme/deep/born")
    assert by_path.empty_repo
    assert by_path.ci_enabled
    assert not by_path.importing
    assert by_path.access_level == 40


def test_what_cannot_be_a_path_is_never_sent(at: Instance) -> None:
    """Traversal, escapes and addresses are refused before any call."""
    for path in ("../user", "a/../b", "http://evil/x", "a%2Fb", "a/b?x=1", "a", "a/b\n", ""):
        with pytest.raises(Rejected):
            at.gitlab.project(path)
    assert at.control.calls() == []


def test_parts_of_an_address_are_quoted(at: Instance) -> None:
    """A branch or file name stays one part of the path, whatever it holds."""
    project = at.control.create_project("acme/quoted", files={"a b/ü?#%2F.txt": "x"})
    assert at.gitlab.raw(project.id, "a b/ü?#%2F.txt", "main", max_bytes=10) == b"x"
    assert at.gitlab.branch(project.id, "no/../such?x=1#y") is None
    for part in ("..", ".", ""):
        with pytest.raises(Rejected):
            at.gitlab.branch(project.id, part)


def test_a_branch_tells_its_head(at: Instance) -> None:
    """sha, protection and the head's message come in one call; no branch is None."""
    project = at.control.create_project("acme/branch", files=FILES)
    branch = at.gitlab.branch(project.id, "main")
    assert branch is not None
    assert branch.sha == project.branches["main"]
    assert branch.protected
    assert branch.commit.message.startswith("Add sources")
    assert at.gitlab.protected_branches(project.id) == ("main",)
    assert len(at.control.calls()) == 2


def test_a_commit_creates_its_branch_once(at: Instance) -> None:
    """Branch and files in one call; the same call again loses against the first."""
    project = at.control.create_project("acme/commit", files=FILES)
    head = project.branches["main"]
    actions = [Action("create", ".gitlab-ci.yml", "job: {script: [true]}\n")]
    made = at.gitlab.commit(
        project.id, branch="devops-backend/ci-1", start_sha=head, message="m", actions=actions
    )
    assert at.control.project(project.id).branches["devops-backend/ci-1"] == made.sha
    with pytest.raises(Conflict, match="already exists"):
        at.gitlab.commit(
            project.id, branch="devops-backend/ci-1", start_sha=head, message="m", actions=actions
        )


def test_an_update_loses_against_a_newer_commit(at: Instance) -> None:
    """`last_commit_id` of an older state is refused."""
    project = at.control.create_project("acme/cas", files=FILES)
    at.control.push(project.id, {"new": "1"}, branch="work")
    seen = at.gitlab.file_state(project.id, "go.mod", "work")
    assert seen is not None
    assert seen.content == FILES["go.mod"].encode()
    at.control.push(project.id, {"go.mod": "module y\n"}, branch="work")
    with pytest.raises(Conflict, match="changed"):
        at.gitlab.commit(
            project.id,
            branch="work",
            start_sha=None,
            message="m",
            actions=[Action("update", "go.mod", "module z\n", seen.last_commit_id)],
        )
    assert at.gitlab.file_state(project.id, "nothing", "work") is None


def test_lint_answers_invalid_as_a_value(at: Instance) -> None:
    """An invalid file is an answer, not an error."""
    project = at.control.create_project("acme/lint", files=FILES)
    good = at.gitlab.lint(project.id, "job:\n  script: [make]\n")
    bad = at.gitlab.lint(project.id, "job:\n  stage: nowhere\n  script: [make]\n")
    assert good.valid
    assert good.errors == ()
    assert not bad.valid
    assert bad.errors


def test_one_merge_request_of_a_branch(at: Instance) -> None:
    """Opened once, found by its branch, edited in place; a second is a Conflict."""
    project = at.control.create_project("acme/mr", files=FILES)
    at.control.push(project.id, {"x": "1"}, branch="feature")
    opened = at.gitlab.create_merge_request(
        project.id, source="feature", target="main", title="Draft: a", text="one"
    )
    with pytest.raises(Conflict):
        at.gitlab.create_merge_request(
            project.id, source="feature", target="main", title="b", text="two"
        )
    assert at.gitlab.merge_request_of(project.id, "feature") == opened
    assert at.gitlab.merge_request_of(project.id, "other") is None
    at.gitlab.update_merge_request(project.id, opened.iid, title="a", text="three")
    at.gitlab.note(project.id, opened.iid, "hello")
    [seen] = at.control.merge_requests(project.id)
    assert (seen.title, seen.description, seen.draft) == ("a", "three", False)
    assert seen.notes == ["hello"]


def test_the_truth_of_a_pipeline(at: Instance) -> None:
    """One GraphQL query tells jobs and status; REST tells the same where GraphQL is off."""
    ci = "stages: [build, test]\nb:\n  stage: build\n  script: [make]\n"
    ci += "t:\n  stage: test\n  script: [make test]\n  allow_failure: true\n"
    ci += "  coverage: '/([0-9.]+)%/'\n"
    project = at.control.create_project("acme/pipe", files={**FILES, ".gitlab-ci.yml": ci})
    sha = project.branches["main"]
    at.control.wait(lambda: at.control.pipelines(project.id)[0].status == "success")
    [row] = at.gitlab.pipelines(project.id, sha)
    at.control.forget_calls()
    state = at.gitlab.pipeline(project.path, project.id, row.id, sha)
    assert at.routes() == ["POST /api/graphql"]
    assert (state.status, state.sha, state.ref, state.source) == ("success", sha, "main", "push")
    assert [(job.name, job.stage, job.status) for job in state.jobs] == [
        ("b", "build", "success"),
        ("t", "test", "success"),
    ]
    assert [job.allow_failure for job in state.jobs] == [False, True]
    assert state.url.startswith(at.url)
    assert state.coverage is not None
    assert 0 < state.coverage <= 100
    at.control.set_switches(graphql=False)
    rest = at.gitlab.pipeline(project.path, project.id, row.id, sha)
    assert (rest.status, rest.sha, rest.url, rest.tests, rest.coverage) == (
        state.status,
        state.sha,
        state.url,
        state.tests,
        state.coverage,
    )
    assert [job.name for job in rest.jobs] == [job.name for job in state.jobs]


def test_a_pipeline_that_is_only_listed(at: Instance) -> None:
    """Its row serves where the pipeline itself is not shown; its jobs may be kept as well."""
    ci = "stages: [test]\nt:\n  stage: test\n  script: [make test]\n"
    project = at.control.create_project("acme/listed", files={**FILES, ".gitlab-ci.yml": ci})
    at.control.wait(lambda: at.control.pipelines(project.id)[0].status == "success")
    [row] = at.control.pipelines(project.id)
    at.control.set_switches(graphql=False)
    at.control.set_fault("status", rf"/pipelines/{row.id}$", status=404)
    state = at.gitlab.pipeline(project.path, project.id, row.id, row.sha)
    assert (state.id, state.status, state.sha) == (row.id, "success", row.sha)
    assert [job.name for job in state.jobs] == ["t"]
    at.control.set_fault("status", rf"/pipelines/{row.id}/jobs", status=403)
    state = at.gitlab.pipeline(project.path, project.id, row.id, row.sha)
    assert (state.jobs, state.jobs_told) == ((), False)
    with pytest.raises(NotFound):
        at.gitlab.pipeline(project.path, project.id, row.id, "b" * 40)


def test_the_head_of_the_default_branch_by_its_commit(at: Instance) -> None:
    """Where branches are not shown; of another branch only its branch tells."""
    project = at.control.create_project("acme/head", files=FILES)
    sha = project.branches["main"]
    at.control.set_fault("status", r"/repository/branches/", status=404)
    assert at.gitlab.head(project.id, "main", default=True) == sha
    assert at.gitlab.head(project.id, "main", default=False) is None
    at.control.clear_faults()
    assert at.gitlab.head(project.id, "main", default=False) == sha
    assert at.gitlab.head(project.id, "nowhere", default=True) is None


def test_the_size_of_an_image_where_gitlab_has_it(at: Instance) -> None:
    """Two calls for one image of a commit; nothing for another tag, and without a registry."""
    ci = "stages: [build]\nb:\n  stage: build\n  script: [make]\n"
    project = at.control.create_project("acme/image", files={**FILES, ".gitlab-ci.yml": ci})
    at.control.wait(lambda: at.control.pipelines(project.id)[0].status == "success")
    at.control.forget_calls()
    [image] = at.gitlab.images(project.id, project.branches["main"])
    assert len(at.routes()) == 2
    assert image.path == "app"
    assert image.size > 0
    assert at.gitlab.images(project.id, "v1") == ()
    at.control.change_project(project.id, container_registry_enabled=False)
    assert at.gitlab.images(project.id, project.branches["main"]) == ()


def test_a_failed_pipeline_tells_why(at: Instance) -> None:
    """Jobs of a failed pipeline carry GitLab's `failure_reason`; logs are read from their end."""
    ci = "stages: [test]\nt:\n  stage: test\n  script: [make test]\n"
    project = at.control.create_project("acme/red")
    at.control.set_outcome(project.id, "fail", "t")
    at.control.push(project.id, {**FILES, ".gitlab-ci.yml": ci})
    at.control.wait(lambda: at.control.pipelines(project.id)[0].status == "failed")
    [row] = at.control.pipelines(project.id)
    state = at.gitlab.pipeline(project.path, project.id, row.id, row.sha)
    assert [(job.name, job.failure_reason) for job in state.jobs] == [("t", "script_failure")]
    trace = at.gitlab.job_trace(project.id, state.jobs[0].id, tail=10)
    assert 0 < len(trace) <= 10


def test_a_hidden_project_is_not_found(at: Instance) -> None:
    """404 means no such thing, or not for this token."""
    hidden = at.control.create_project("acme/hidden", bot_role=0)
    with pytest.raises(NotFound):
        at.gitlab.project(hidden.id)


def test_a_bad_token_is_denied_with_the_fix(at: Instance) -> None:
    """401 names the setting and never the token."""
    with (
        GitLab(at.url, "glpat-WRONG-CANARY") as gitlab,
        pytest.raises(Denied, match="GITLAB_TOKEN") as caught,
    ):
        gitlab.me()
    assert "CANARY" not in str(caught.value)
    assert caught.value.status == 401


def test_a_reader_may_not_write(at: Instance) -> None:
    """403 says which scope and role are needed."""
    project = at.control.create_project("acme/scope", files=FILES)
    user = at.control.create_user("reader", scopes=("read_api",))
    at.control.set_members(project.id, reader=30)
    with GitLab(at.url, user.token) as gitlab:
        assert gitlab.access_level(project.id) == 30
        with pytest.raises(Denied, match="scope"):
            gitlab.lint(project.id, "a: {script: [b]}")


def test_access_levels(at: Instance) -> None:
    """Membership decides; an administrator stands above; a stranger sees nothing."""
    project = at.control.create_project("acme/levels", files=FILES)
    admin = at.control.create_user("boss", admin=True)
    stranger = at.control.create_user("stranger")
    with GitLab(at.url, admin.token) as gitlab:
        assert gitlab.access_level(project.id) >= 50
    with GitLab(at.url, stranger.token) as gitlab, pytest.raises(NotFound):
        gitlab.access_level(project.id)


def test_a_redirect_is_not_followed(at: Instance) -> None:
    """3xx is refused with the address it names, without that address's query."""
    at.control.set_fault("redirect", "/version", location="http://evil.example/x?private=1")
    with pytest.raises(Rejected, match=r"http://evil\.example/x") as caught:
        at.gitlab.version()
    assert "private" not in str(caught.value)
    assert len(at.control.calls("/version")) == 1


def test_a_moved_project_is_found_by_its_id_at_home(at: Instance) -> None:
    """The id of the redirect is asked at our own address, whatever host it names."""
    project = at.control.create_project("acme/moved", files=FILES)
    target = f"http://evil.example/api/v4/projects/{project.id}"
    at.control.set_fault("redirect", "old%2Fpath", location=target)
    assert at.gitlab.project("old/path").path == "acme/moved"


def test_rate_limits_say_when(at: Instance) -> None:
    """429 hands back GitLab's own delay at once, bounded, for reads and writes alike."""
    project = at.control.create_project("acme/limited", files=FILES)
    at.control.set_fault("rate_limit", ".*", retry_after=90, times=2)
    started = time.monotonic()
    with pytest.raises(Retryable) as caught:
        at.gitlab.version()
    assert caught.value.after == 90
    with pytest.raises(Retryable) as caught:
        at.gitlab.note(project.id, 1, "x")
    assert not isinstance(caught.value, Unclear)
    at.control.clear_faults()
    at.control.set_fault("rate_limit", ".*", retry_after=86400)
    with pytest.raises(Retryable) as caught:
        at.gitlab.version()
    assert caught.value.after == 900
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("kind", ["status", "drop", "drop_before", "half_body", "bad_json"])
def test_a_read_that_breaks_may_be_repeated(at: Instance, kind: str) -> None:
    """5xx, no answer, half an answer, wrong JSON: Retryable, never anything else."""
    at.control.set_fault(kind, "/user")  # type: ignore[arg-type]
    with pytest.raises(Retryable) as caught:
        at.gitlab.me()
    assert not isinstance(caught.value, Unclear)


@pytest.mark.parametrize("kind", ["status", "drop", "drop_before", "half_body"])
def test_a_write_that_breaks_is_unclear(at: Instance, kind: str) -> None:
    """Whether GitLab carried it out cannot be known: the caller must look."""
    project = at.control.create_project(f"acme/unclear-{kind.replace('_', '-')}", files=FILES)
    at.control.set_fault(kind, "/repository/commits", method="POST")  # type: ignore[arg-type]
    with pytest.raises(Unclear):
        at.gitlab.commit(
            project.id,
            branch="b",
            start_sha=project.branches["main"],
            message="m",
            actions=[Action("create", "x", "y")],
        )


def test_the_deadline_is_for_the_whole_call(at: Instance) -> None:
    """A server that drips a byte a moment is cut off at the deadline, not a byte later."""
    at.control.set_fault("slow_drip", "/user", seconds=0.2)
    with GitLab(at.url, BOT_TOKEN, timeout=1.0) as gitlab:
        started = time.monotonic()
        with pytest.raises(Retryable):
            gitlab.me()
        assert 0.9 < time.monotonic() - started < 2.0


def test_nobody_there(at: Instance) -> None:
    """A refused connection is Retryable even for a write: nothing was sent."""
    with GitLab("http://127.0.0.1:9", BOT_TOKEN) as gitlab, pytest.raises(Retryable) as caught:
        gitlab.note(1, 1, "x")
    assert not isinstance(caught.value, Unclear)
    assert "127.0.0.1:9" in str(caught.value)


def test_every_call_is_told(at: Instance) -> None:
    """The observer hears method, route, status and seconds; names stay out of the route."""
    heard: list[tuple[str, str, int, float]] = []
    with GitLab(at.url, BOT_TOKEN, on_call=lambda *call: heard.append(call)) as gitlab:
        gitlab.version()
        with pytest.raises(NotFound):
            gitlab.project("no/such")
    assert [call[:3] for call in heard] == [
        ("GET", "/version", 200),
        ("GET", "/projects/:x", 404),
    ]
    assert all(call[3] > 0 for call in heard)


def test_the_token_stands_in_no_message(at: Instance) -> None:
    """Whatever goes wrong, neither errors nor representations hold the token."""
    project = at.control.create_project("acme/canary", files=FILES)
    said = [repr(at.gitlab), str(at.gitlab), repr(vars(at.gitlab))]
    for kind in ("status", "drop", "redirect", "rate_limit", "bad_json", "half_body"):
        at.control.clear_faults()
        at.control.set_fault(kind, ".*")
        for call in (
            lambda: at.gitlab.project(project.id),
            lambda: at.gitlab.graphql("query{currentUser{id}}", {}),
            lambda: at.gitlab.note(project.id, 1, "x"),
        ):
            with pytest.raises(BackendError) as caught:
                call()
            said += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    assert len(said) == 3 + 6 * 3 * 3
    assert not [text for text in said if "CANARY" in text]
