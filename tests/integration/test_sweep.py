"""The sweep, against a real Valkey and the sandbox over HTTP: what it finds, and what it costs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
import redis

from tests.support.gitlab import BOT_TOKEN, Instance, quiet
from tests.support.loopback import loopback
from tests.support.service import settings_for
from workers import jobs, settle
from workers.embedded import EmbeddedRedis
from workers.errors import Denied
from workers.events import Event
from workers.runs import Commit, File, Project, Run, State, new_run
from workers.settings import AGAIN_LABEL
from workers.store.deliveries import key, now_ms
from workers.store.ledger import Trigger
from workers.store.sweeps import Finding, Report
from workers.sweep import PHASES, carry_on, projects
from workers.ticker import Ticker
from workers.wiring import Parts

HOUR_MS = 3_600_000


class Case:
    """The parts of a worker over a store of its own, and a clock that can be moved."""

    def __init__(self, at: Instance, redis_url: str) -> None:
        self.at = at
        self.later = 0
        self.parts = Parts(
            settings_for(
                redis_url, gitlab_url=at.url, gitlab_token=BOT_TOKEN,
                devops_backend_url="http://127.0.0.1:9", sweep_interval_s=600,
            )
        )  # fmt: skip

    def sweep(self, *, thorough: bool = False, seconds: float = 60.0) -> Report:
        """One whole pass."""
        if thorough:
            self.parts.sweeps.ask()
        else:
            self.parts.redis.delete(key("sweep", "report"))
        self.at.control.forget_calls()
        assert carry_on(self.parts, seconds=seconds, clock=lambda: now_ms() + self.later) is None
        report = self.parts.sweeps.report()
        assert report.state == "done" and not report.trouble, report
        return report

    def born(self, name: str, **more: Any) -> int:
        """A project that nothing is known of."""
        return self.at.control.create_project(f"swept/{name}", **more).id

    def run(self, project: int, state: State, **fields: Any) -> Run:
        """A run of the project in this state."""
        run = self.parts.runs.create(new_run(Project(project, f"swept/{project}"), "push"))
        return self.parts.runs.update(
            run.id, lambda now: msgspec.structs.replace(now, state=state, **fields)
        )

    def told(self, report: Report, project: int) -> list[Finding]:
        """The findings about a project."""
        return [finding for finding in report.findings if finding.project == project]

    def work(self, project: int) -> tuple[Trigger, ...]:
        """Why the project has work; nothing where it has none."""
        taken = self.parts.ledger.take(project, "generate")
        return taken.triggers if taken else ()


@pytest.fixture
def case(
    server: Instance, redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> Iterator[Case]:
    quiet(server)
    while left := _some(server):
        for project in left:
            server.control.delete_project(project)
    made = Case(server, redis_server.url)
    made.parts.redis.hset(key("schema"), mapping={"version": 2, "installed_at": now_ms() - 5000})
    yield made
    made.parts.gitlab.close()


def _some(at: Instance) -> list[int]:
    found = at.gitlab.get("/projects", per_page=100).decode(list[dict[str, Any]])
    return [int(row["id"]) for row in found]


def test_a_project_that_nothing_was_heard_of_gets_its_run(case: Case) -> None:
    """It is marked as having work; sweeping again finds nothing, since that work is on its way."""
    project = case.born("unheard", sample="go-hello")
    [found] = case.told(case.sweep(), project)
    assert found.kind == "no run" and found.done and found.path == "swept/unheard"
    assert case.sweep().findings == []
    assert [trigger.kind for trigger in case.work(project)] == ["project_created"]


def test_projects_from_before_are_counted_and_left_alone(case: Case) -> None:
    """An installation must not write to every old project of its GitLab unasked."""
    project = case.born("old", sample="go-hello")
    case.parts.redis.hset(key("schema"), "installed_at", now_ms() + HOUR_MS)
    report = case.sweep()
    assert (report.older, report.findings) == (1, []) and case.work(project) == ()


def test_only_projects_that_the_bot_may_write_to(case: Case) -> None:
    """A project that it merely sees is none of ours."""
    seen = case.born("reported", sample="go-hello", bot_role=20)
    archived = case.born("archived", sample="go-hello", archived=True)
    report = case.sweep()
    assert report.projects == 0 and report.findings == []
    assert case.work(seen) == case.work(archived) == ()


def test_a_first_push_that_was_missed(case: Case) -> None:
    """The run that waits for it is carried on; one whose repository is empty waits on."""
    pushed, empty = case.born("pushed", sample="go-hello"), case.born("empty")
    for project in (pushed, empty):
        case.run(project, State.WAITING_FOR_PUSH)
    report = case.sweep()
    assert [f.kind for f in case.told(report, pushed)] == ["webhook", "missed push"][::-1]
    assert [f.kind for f in case.told(report, empty)] == ["webhook"]
    assert [t.kind for t in case.work(pushed)] == ["push"] and case.work(empty) == ()


def test_a_later_push_that_was_missed(case: Case) -> None:
    """Nothing to build then, activity since: the head is asked for, and only news is work."""
    news, same = case.born("news", sample="go-hello"), case.born("same", sample="go-hello")
    for project in (news, same):
        head = case.at.control.project(project).branches["main"]
        case.run(project, State.SKIPPED, reason="nothing to build")
        case.parts.ledger.note_project(
            project,
            {"decided_at": now_ms() - HOUR_MS, "source_sha": head if project == same else "0" * 40},
        )
    report = case.sweep()
    assert "missed push" in [f.kind for f in case.told(report, news)]
    assert "missed push" not in [f.kind for f in case.told(report, same)]
    [trigger] = case.work(news)
    assert trigger.sha == case.at.control.project(news).branches["main"]


def awaiting(case: Case, name: str) -> tuple[int, Run]:
    """A run whose pipeline has ended in GitLab, which nothing has told."""
    project = case.born(name, files={".gitlab-ci.yml": "test:\n  script: [make]\n"})
    sha = case.at.control.project(project).branches["main"]
    case.at.control.wait(lambda: case.at.control.pipelines(project)[0].status == "success")
    run = case.run(
        project, State.AWAITING_PIPELINE, committed_ms=now_ms(),
        commit=Commit(sha, "devops-backend/ci-1"),
    )  # fmt: skip
    case.parts.runs.remember_commit(project, sha, run.id)
    case.parts.ledger.note_project(project, {"merge_request": 1, "hook_at": now_ms()})
    return project, run


def test_a_lost_verdict_is_noticed_after_five_silent_minutes(case: Case) -> None:
    """Even where an earlier event was heard; before that GitLab is not asked at all."""
    project, run = awaiting(case, "verdict")
    sha = run.commit.sha if run.commit else ""
    pipeline = case.at.control.pipelines(project)[0].id
    case.parts.ledger.receive(
        Event("pipeline", project, pipeline_id=pipeline, pipeline_status="running", sha=sha)
    )
    assert "no verdict" not in [f.kind for f in case.told(case.sweep(), project)]
    assert not [call for call in case.at.routes() if "/pipelines" in call]
    case.later = 6 * 60_000
    [found] = case.told(case.sweep(), project)
    assert found.kind == "no verdict" and "success" in found.found
    settle.settle_project(case.parts, project)
    settled = case.parts.runs.get(run.id)
    assert settled.state is State.SUCCEEDED
    assert settled.pipeline is not None and settled.pipeline.confirmed_by == "poll"
    assert case.told(case.sweep(), project) == []


def test_sweeps_that_come_often_notice_a_lost_verdict_sooner(case: Case) -> None:
    """After half of the time between two."""
    case.parts.settings = case.parts.settings.model_copy(update={"sweep_interval_s": 60.0})
    project, _ = awaiting(case, "often")
    case.later = 25_000
    assert "no verdict" not in [f.kind for f in case.told(case.sweep(), project)]
    case.later = 35_000
    assert "no verdict" in [f.kind for f in case.told(case.sweep(), project)]


def test_a_run_given_up_without_a_verdict_is_settled_late(case: Case) -> None:
    """`unconfirmed` since no runner came; its pipeline ended after all."""
    project, run = awaiting(case, "late")
    case.parts.runs.update(
        run.id, lambda now: msgspec.structs.replace(now, state=State.UNCONFIRMED)
    )
    assert [f.kind for f in case.told(case.sweep(thorough=True), project)][0] == "no verdict"
    settle.settle_project(case.parts, project)
    assert case.parts.runs.get(run.id).state is State.SUCCEEDED


def test_a_run_that_nobody_carries_on_is_woken(case: Case) -> None:
    """At work for ten minutes, and no work is noted for it."""
    project = case.born("stuck")
    case.run(project, State.GENERATING)
    assert not [f for f in case.sweep().findings if f.kind == "stuck run"]
    case.later = 11 * 60_000
    assert [f.kind for f in case.told(case.sweep(), project)][0] == "stuck run"
    assert [t.kind for t in case.work(project)] == ["resume"]


def hooked(case: Case, name: str) -> int:
    """A project with a run that ended, its webhook sound."""
    project = case.born(name, sample="go-hello")
    head = case.at.control.project(project).branches["main"]
    case.run(project, State.SKIPPED)
    case.parts.ledger.note_project(project, {"decided_at": now_ms(), "source_sha": head})
    case.sweep(thorough=True)
    return project


def test_a_missing_webhook_is_installed(case: Case) -> None:
    """Somebody deleted it: found when its turn comes, and a sound one costs one call."""
    project = hooked(case, "unhooked")
    [hook] = case.at.gitlab.project_hooks(project)
    case.at.gitlab.delete_project_hook(project, hook.id)
    [found] = case.told(case.sweep(), project)
    assert (found.kind, found.found, found.done) == ("webhook", "it was missing", "created")
    assert len(case.at.gitlab.project_hooks(project)) == 1
    assert case.sweep().findings == []
    assert len([call for call in case.at.routes() if "/hooks" in call]) == 1


@pytest.fixture
def unfriendly() -> Iterator[Callable[[int], str]]:
    """Receivers that answer every delivery with one status."""
    with ExitStack() as listening:

        def start(status: int) -> str:
            port = listening.enter_context(loopback(lambda _: (status, b"")))
            return f"http://127.0.0.1:{port}"

        yield start


def test_a_disabled_webhook_is_read_and_made_anew(
    case: Case, unfriendly: Callable[[int], str]
) -> None:
    """Four pushes that could not be delivered are taken in once, as if they had arrived."""
    address = unfriendly(500)
    case.parts.settings = case.parts.settings.model_copy(update={"devops_backend_url": address})
    case.at.control.set_switches(auto_disable_hooks=True)
    try:
        project = hooked(case, "disabled")
        for number in range(4):
            case.at.control.push(project, {f"{number}.txt": str(number)})
        case.at.control.wait(
            lambda: case.at.control.project(project).hooks[0].alert_status != "executable"
        )
        kinds = {f.kind: f for f in case.told(case.sweep(), project)}
    finally:
        case.at.control.set_switches(auto_disable_hooks=False)
    assert kinds["missed deliveries"].found.startswith("4 ")
    assert "disabled" in kinds["webhook"].found and kinds["webhook"].done
    [hook] = case.at.gitlab.project_hooks(project)
    assert not hook.disabled
    rows = case.parts.ledger.deliveries(project=project)
    assert [row.event.kind for row in rows] == ["push"] * 4
    assert case.told(case.sweep(thorough=True), project) == []


def test_a_webhook_with_another_secret_is_given_ours(
    case: Case, unfriendly: Callable[[int], str]
) -> None:
    """Answered 401 again and again: GitLab tells no secret, so it is written anew."""
    address = unfriendly(401)
    case.parts.settings = case.parts.settings.model_copy(update={"devops_backend_url": address})
    project = hooked(case, "secret")
    case.at.control.push(project, {"a.txt": "a"})
    case.at.control.wait(lambda: any(d.statuses == [401] for d in case.at.control.deliveries()))
    kinds = {f.kind: f for f in case.told(case.sweep(thorough=True), project)}
    assert "answered 401" in kinds["webhook"].found and kinds["webhook"].done
    assert case.told(case.sweep(thorough=True), project) == []


def test_a_webhook_from_before_is_given_its_projects_own_secret(case: Case) -> None:
    """Installed by a version of before, or with another secret in front: written anew, once."""
    project = hooked(case, "shared-secret")
    case.parts.ledger.note_project(project, {"hook_secret": ""})
    [found] = case.told(case.sweep(), project)
    assert found.kind == "webhook" and "own of today" in found.found and found.done
    assert case.sweep().findings == []


def test_what_the_token_may_not_repair_is_reported(case: Case) -> None:
    """A Developer installs no webhooks: that is no finding each time, since polls stand in."""
    project = case.born("developer", sample="go-hello", bot_role=30)
    case.run(project, State.SKIPPED)
    case.parts.ledger.note_project(project, {"settled": "archived", "settled_at": now_ms()})
    assert case.told(case.sweep(thorough=True), project) == []
    assert not [call for call in case.at.routes() if "/hooks" in call]


def test_branches_and_merge_requests_that_nobody_remembers(case: Case) -> None:
    """Redis was lost: the merge request is noted, so no second one comes; the branch is named."""
    asked, stray = case.born("request", sample="go-hello"), case.born("stray", sample="go-hello")
    for project in (asked, stray):
        body = {"branch": "devops-backend/ci-1", "ref": "main"}
        case.at.gitlab.post("/projects/{}/repository/branches", project, body=body)
    case.at.gitlab.create_merge_request(
        asked, source="devops-backend/ci-1", target="main", title="x", text="x"
    )
    case.run(stray, State.ERROR)
    head = case.at.control.project(stray).branches["main"]
    case.parts.ledger.note_project(stray, {"source_sha": head})
    report = case.sweep()
    [found] = case.told(report, asked)
    assert found.kind == "merge request" and "was not known" in found.found
    assert case.parts.ledger.project(asked)["merge_request"] == "1" and case.work(asked) == ()
    [branch] = [f for f in case.told(report, stray) if f.kind == "branch"]
    assert "devops-backend/ci-1" in branch.found and "re-trigger" in branch.fix and not branch.done


def test_closing_and_labelling_without_a_word(case: Case) -> None:
    """The opt-out and the way back are seen without any event, by one call for all projects."""
    project = case.born("closed", sample="go-hello")
    body = {"branch": "devops-backend/ci-1", "ref": "main"}
    case.at.gitlab.post("/projects/{}/repository/branches", project, body=body)
    case.at.gitlab.create_merge_request(
        project, source="devops-backend/ci-1", target="main", title="x", text="x"
    )
    case.sweep()
    change = "/projects/{}/merge_requests/{}"
    case.at.gitlab.put(change, project, 1, body={"state_event": "close"})
    [found] = case.told(case.sweep(), project)
    assert "opt-out" in found.found and case.sweep().findings == []
    assert "closed" in case.parts.ledger.project(project)["opted_out"]
    case.at.gitlab.put(change, project, 1, body={"add_labels": AGAIN_LABEL})
    back = next(f for f in case.told(case.sweep(), project) if f.kind == "merge request")
    assert "asks for a run" in back.found
    assert [t.kind for t in case.work(project)] == ["retrigger"]
    assert case.at.control.merge_requests(project)[0].labels == []


def test_many_projects_cost_few_calls(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """220 projects without anything to do: three pages, one list, one look at who we are."""
    monkeypatch.setattr(projects, "LOOKS", 10)
    for number in range(220):
        project = case.born(f"many-{number}")
        case.parts.ledger.note_project(
            project, {"run": "0" * 20, "decided_at": now_ms(), "hook_at": now_ms() + 1}
        )
    report = case.sweep()
    assert report.projects == 220
    lists = [call for call in case.at.routes() if "/hooks" not in call]
    assert len(lists) == 5, lists
    first = {call.split("/")[2] for call in case.at.routes() if "/hooks" in call}
    assert len(first) == 10
    case.sweep()
    second = {call.split("/")[2] for call in case.at.routes() if "/hooks" in call}
    assert len(second) == 10 and not first & second


def test_it_goes_on_where_it_was(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """No time at all for each part: every one carries it on by a project, and it ends."""
    monkeypatch.setattr(projects, "PAGE", 3)
    monkeypatch.setattr("workers.clients.gitlab_repository.PAGE", 3)
    wanted = [case.born(f"part-{number}") for number in range(8)]
    parts = 0
    while carry_on(case.parts, seconds=0) is not None:
        parts += 1
        assert parts < 500
    report = case.parts.sweeps.report()
    assert parts >= 8 and report.projects == 8
    assert sorted(finding.project for finding in report.findings) == sorted(wanted)


def test_one_sweeps_at_a_time_and_not_twice_in_a_row(case: Case) -> None:
    """A second one leaves the first alone; a wake-up that came twice begins nothing."""
    case.born("once")
    with case.parts.sweeps.held() as token:
        assert token and carry_on(case.parts) is None
        assert case.parts.sweeps.report().state == "never"
    assert carry_on(case.parts) is None
    ended = case.parts.sweeps.report()
    assert carry_on(case.parts) is None and case.parts.sweeps.report() == ended
    case.parts.sweeps.ask()
    assert carry_on(case.parts) is None and case.parts.sweeps.report().thorough


def test_a_gitlab_that_is_away_is_waited_for(case: Case) -> None:
    """The pass keeps its place; the next part goes on when GitLab said so."""
    project = case.born("away")
    case.at.control.set_fault("rate_limit", r"/projects\?", times=1, retry_after=7)
    assert carry_on(case.parts) == 7
    assert case.parts.sweeps.report().state == "running"
    assert carry_on(case.parts) is None
    assert [f.project for f in case.parts.sweeps.report().findings] == [project]


def test_a_refused_token_is_told(case: Case) -> None:
    """The sweep ends, and its report says why."""
    parts = Parts(case.parts.settings.model_copy(update={"gitlab_token": "glpat-wrong-token-0"}))
    with pytest.raises(Denied):
        parts.gitlab.me()
    assert carry_on(parts) is None
    report = parts.sweeps.report()
    assert report.state == "done" and "GITLAB_TOKEN" in report.trouble
    parts.gitlab.close()


def test_the_ticker_wakes_a_worker_for_it(case: Case, redis_client: redis.Redis) -> None:
    """Planned at the first tick, sent when it is due; the job plans the next one."""
    parts = case.parts
    ticker = Ticker(parts.ledger, parts.sweeps)
    ticker.tick()
    assert redis_client.llen("rq:queue:record") == 0
    [due] = parts.ledger.due(now_ms() + 700_000)
    assert due == "sweep" and parts.ledger.due(now_ms() + 500_000) == []
    parts.sweeps.ask()
    ticker.tick()
    assert redis_client.llen("rq:queue:record") == 1
    jobs._parts[:] = [parts]
    jobs.sweep("due")
    assert parts.sweeps.report().thorough
    assert parts.ledger.due(now_ms() + 500_000) == []
    assert parts.ledger.due(now_ms() + 700_000) == ["sweep"]


def test_old_runs_leave_the_lists(case: Case) -> None:
    """After half a year they have expired; the lists would grow for ever."""
    run = case.run(7, State.SKIPPED)
    case.sweep()
    assert [found.id for found in case.parts.runs.page()] == [run.id]
    case.later = 200 * 24 * HOUR_MS
    case.sweep()
    assert case.parts.redis.zcard(key("runs")) == 0
    assert case.parts.runs.counts()["skipped"] == 0


def test_the_oldest_runs_make_room(case: Case) -> None:
    """Where Redis is three quarters full, runs that are over go, oldest first, and all that was
    noted of them; those of the last week and those at work stay, whatever happens."""
    redis, runs = case.parts.redis, case.parts.runs
    at_work = case.run(6, State.AWAITING_PIPELINE)
    commit, files = Commit("c" * 40, "b"), (File("x", os.urandom(40_000).hex()),)
    old = [case.run(7, State.SUCCEEDED, commit=commit, files=files) for _ in range(60)]
    runs.remember_commit(7, commit.sha, old[-1].id)
    used = int(redis.info("memory")["used_memory"])
    try:
        redis.config_set("maxmemory", used * 5 // 4)
        (finding,) = case.told(case.sweep(), 0)
        assert finding.kind == "room" and "maxmemory" in finding.fix
        assert len(runs.page(limit=99)) == 61, "they are of this week"
        case.later = 8 * 24 * HOUR_MS
        (finding,) = case.told(case.sweep(), 0)
        assert finding.done == "the 50 oldest runs are gone"
    finally:
        redis.config_set("maxmemory", 512 << 20)
    assert [run.id for run in runs.page(project=7)] == [run.id for run in reversed(old[50:])]
    assert runs.find(at_work.id) and not runs.find(old[0].id)
    assert not redis.exists(key("run", old[0].id), key("run", old[0].id, "progress"))
    assert runs.counts()["succeeded"] == 10 and redis.zcard(key("runs")) == 11
    assert runs.by_commit(7) == {} and case.told(case.sweep(), 0) == []


def test_every_phase_says_what_it_is() -> None:
    """In the order that lets an opt-out be known before a project is begun."""
    names = [phase.__name__ for phase in PHASES]
    assert names[0] == "ours" and names.index("all_of_them") > names.index("ours")
    assert all(phase.__doc__ for phase in PHASES)


def test_a_pass_of_another_version_is_begun_anew(case: Case) -> None:
    """What cannot be read is no reason to stop."""
    case.parts.redis.set(key("sweep", "pass"), b'{"began": "then"}')
    assert case.sweep().state == "done"
