"""Looking at a project's surroundings over real HTTP, and keeping what was seen in a real Redis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.gitlab import BOT_TOKEN, Instance
from workers import preflighting
from workers.clients.gitlab import GitLab
from workers.settings import Settings
from workers.steps.preflight import Facts, look
from workers.steps.preflight import Instance as Shared
from workers.store.deliveries import now_ms
from workers.wiring import Parts


@pytest.fixture
def parts(at: Instance, redis_client: redis.Redis, tmp_path: Path) -> Parts:
    settings = Settings.load(
        _env_file=None, gitlab_url=at.url, gitlab_token=BOT_TOKEN, devops_backend_data=tmp_path
    )
    made = Parts(settings)
    made.redis = redis_client
    return made


def facts(at: Instance, project: int, shared: Shared | None = None) -> Facts:
    found, _ = look(at.gitlab, at.gitlab.project(project), shared or Shared(now_ms()), now_ms())
    return found


def born(at: Instance, path: str, **settings: Any) -> int:
    return at.control.create_project(path, **settings).id


def test_a_usual_project(at: Instance) -> None:
    """The instance's runner with its tags, no variable, a version, registry and requests on."""
    seen = facts(at, born(at, "acme/usual"))
    assert seen.complete and seen.unseen == {}
    (runner,) = seen.runners or ()
    assert runner.usable and runner.run_untagged and runner.tag_list == ("simulated",)
    assert seen.variables == () and seen.version == "18.8.0"
    assert seen.registry and seen.merge_requests and seen.instance_runners


def test_all_that_can_be_off(at: Instance) -> None:
    """Runners in every state, registry and merge requests off, variables by name alone."""
    runners = [
        {"status": "offline", "tags": ["a"]}, {"paused": True}, {"status": "never_contacted"},
        {"protected_only": True, "tags": ["b"]}, {"run_untagged": False, "tags": ["c", "d"]},
    ]  # fmt: skip
    project = born(
        at, "acme/off", runners=runners, container_registry_enabled=False,
        merge_requests_enabled=False, variables={"SECRET": "value-canary"},
    )  # fmt: skip
    seen = facts(at, project)
    assert [r.usable for r in seen.runners or ()] == [False, False, False, True, True]
    asleep, *_, guarded, tagged = seen.runners or ()
    assert asleep.tag_list is None and guarded.access_level == "ref_protected"
    assert (tagged.tag_list, tagged.run_untagged) == (("c", "d"), False)
    assert not seen.registry and not seen.merge_requests
    assert [v.key for v in seen.variables or ()] == ["SECRET"]
    assert "canary" not in repr(seen)


def test_a_developers_token_is_no_error(at: Instance) -> None:
    """Runners and variables are refused: said, and everything else is there."""
    project = at.control.create_project("acme/modest", bot_role=30).id
    seen = facts(at, project)
    assert seen.runners is None and seen.variables is None and seen.version
    assert set(seen.unseen) == {"runners", "CI variables"} and seen.complete
    assert all("Maintainer" in why for why in seen.unseen.values())


def test_a_hidden_runner_keeps_its_tags(at: Instance) -> None:
    """A runner that is listed but may not be opened is there without tags."""
    project = born(at, "acme/hidden", runners=[{"runner_type": "group_type"}])
    at.control.set_fault("status", "/runners/\\d+$", status=403)
    (runner,) = facts(at, project).runners or ()
    assert runner.usable and runner.tag_list is None


@pytest.mark.parametrize("path", ["/version", "\\d/runners", "/runners/\\d+", "/variables"])
def test_a_gitlab_that_fails_is_asked_no_more(at: Instance, path: str) -> None:
    """One call without an answer ends the look; what was seen so far is kept, nothing raised."""
    project = born(at, f"acme/fails-{path.strip(chr(92)).encode().hex()}")
    known = at.gitlab.project(project)
    at.control.set_fault("status", path, status=502)
    at.control.forget_calls()
    seen, _ = look(at.gitlab, known, Shared(now_ms()), now_ms())
    assert not seen.complete
    assert [call.status for call in at.control.calls()][-1] == 502


def test_the_instance_is_seen_once_for_all_projects(at: Instance, parts: Parts) -> None:
    """Version and instance runners for the first project only; two calls for each further one."""
    first, second = (parts.gitlab.project(born(at, f"acme/many-{n}")) for n in (1, 2))
    at.control.forget_calls()
    preflighting.ensure(parts, first)
    assert [call.partition(" ")[2].partition("?")[0] for call in at.routes()] == [
        "/version", f"/projects/{first.id}/runners", f"/projects/{first.id}/variables",
        "/runners/1",
    ]  # fmt: skip
    at.control.forget_calls()
    assert preflighting.ensure(parts, second).runners == 1
    assert len(at.routes()) == 2


def test_looked_at_once_a_day_and_when_somebody_asks(at: Instance, parts: Parts) -> None:
    """Fresh facts cost no call; `again` sees what was mended meanwhile, tags included."""
    odd = {"id": 77, "tags": ["windows"], "run_untagged": False}
    project = parts.gitlab.project(born(at, "acme/daily", runners=[odd]))
    assert preflighting.ensure(parts, project).blocked
    at.control.change_project(project.id, runners=[odd | {"tags": ["docker"]}])
    at.control.forget_calls()
    assert preflighting.ensure(parts, project).blocked
    assert at.routes() == []
    assert preflighting.ensure(parts, project, again=True).runner_tags == ("docker",)
    assert 0 < parts.redis.ttl(f"dob:preflight:{project.id}") <= 30 * 86400
    assert 0 < parts.redis.ttl("dob:preflight:instance") <= 86400


def test_an_unanswered_look_is_taken_again(at: Instance, parts: Parts) -> None:
    """A GitLab that was away for a moment does not leave its mark for a day."""
    project = parts.gitlab.project(born(at, "acme/moment"))
    at.control.set_fault("status", "\\d/runners", status=503)
    assert preflighting.ensure(parts, project).runners is None
    at.control.clear_faults()
    assert preflighting.ensure(parts, project).runners == 1


def test_facts_of_another_version_are_looked_at_anew(at: Instance, parts: Parts) -> None:
    """What cannot be read is as if it was not there."""
    project = parts.gitlab.project(born(at, "acme/upgrade"))
    parts.redis.set(f"dob:preflight:{project.id}", b'{"at":"long ago"}')
    parts.redis.set("dob:preflight:instance", b"[]")
    assert preflighting.known(parts, project.id, {}) is None
    assert preflighting.ensure(parts, project).runners == 1


def test_the_setting_decides_the_builder_without_another_look(at: Instance, parts: Parts) -> None:
    """Settings are judged each time: what was kept is only what GitLab showed."""
    project = parts.gitlab.project(born(at, "acme/builder"))
    assert parts.site("main", preflighting.ensure(parts, project)).builder == "kaniko"
    parts.settings = parts.settings.model_copy(update={"image_builder": "buildah"})
    assert parts.site("main", preflighting.ensure(parts, project)).builder == "buildah"
    assert parts.site("main").builder == "buildah"


def test_a_group_runner_of_others_is_refused(at: Instance) -> None:
    """The sandbox as GitLab: a runner that is not the instance's opens for its Maintainers only."""
    project = born(at, "acme/theirs", runners=[{"runner_type": "project_type", "tags": ["x"]}])
    (row,) = at.gitlab.runners(project)
    stranger = at.control.create_user("stranger")
    with GitLab(at.url, stranger.token) as outside, pytest.raises(Exception, match="403"):
        outside.runner(row.id)
    assert at.gitlab.runner(row.id).tag_list == ("x",)
