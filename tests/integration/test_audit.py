"""The audit log itself: a write that cannot be noted is not sent; lines of the dead are closed."""

from __future__ import annotations

import pytest
import redis

from tests.support.gitlab import BOT_TOKEN, Instance, quiet
from tests.support.ports import closed_port
from tests.support.service import API_TOKEN, running_service, settings_for
from workers.embedded import EmbeddedRedis
from workers.errors import Retryable
from workers.store import audit
from workers.store.audit import Audit, acting
from workers.store.deliveries import now_ms
from workers.wiring import Parts


def parts(at: Instance, redis_url: str) -> Parts:
    return Parts(settings_for(redis_url, gitlab_url=at.url, gitlab_token=BOT_TOKEN))


def test_what_cannot_be_noted_is_not_written(server: Instance) -> None:
    """Redis is gone: GitLab hears of no write; reads go on."""
    at = quiet(server)
    project = at.control.create_project("acme/unnoted").id
    with closed_port() as port:
        gitlab = parts(at, f"redis://127.0.0.1:{port}").gitlab
        with pytest.raises(Retryable, match="audit log"):
            gitlab.create_project_hook(project, {"url": "http://127.0.0.1:9/"})
        assert gitlab.project(project).id == project
    assert [call.method for call in at.control.calls()] == ["GET"]


def test_reads_and_checks_are_no_writes(
    server: Instance, redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """Lint and GraphQL are POSTs that change nothing."""
    at = quiet(server)
    project = at.control.create_project("acme/read", files={"a": "b"}).id
    made = parts(at, redis_server.url)
    made.gitlab.lint(project, "a: {script: [b]}")
    made.gitlab.graphql("query{currentUser{username}}", {})
    assert made.audit.lines() == []


def test_who_and_why_nest(redis_client: redis.Redis) -> None:
    """What an inner block does not say stays as outside, and is back afterwards."""
    log = Audit(redis_client)
    with acting("worker", "a push", "run-1"):
        with acting(why="its webhook"):
            log.begin("POST", "/projects/:x/hooks", "7")(201)
        log.begin("POST", "/projects/:x/repository/commits", "7")(400)
    log.begin("PUT", "/hooks/:x", "")(200)
    shown = [(x.who, x.why, x.run, x.status) for x in log.lines()]
    assert shown == [
        ("program", "", "", 200), ("worker", "a push", "run-1", 400),
        ("worker", "its webhook", "run-1", 201),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(201, "written"), (400, "refused"), (409, "refused"), (503, "unclear"), (0, "unclear")],
)
def test_a_refused_write_does_not_look_like_one(
    status: int, outcome: str, redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """GitLab's 400 for a second commit is a guard at work: the API says that nothing came of it."""
    Audit(redis_client).begin("POST", "/projects/:x/repository/commits", "7")(status)
    with running_service(redis_server.url) as service:
        [line] = service.api("GET", "/api/v1/audit").json()["audit"]
    assert (line["status"], line["outcome"]) == (status, outcome)


def test_a_line_of_the_dead_is_shown_and_closed(redis_client: redis.Redis) -> None:
    """Open at once, closed without a result after an hour; the order is that of the ends."""
    log = Audit(redis_client)
    log.begin("POST", "/projects/:x/repository/commits", "7")
    log.begin("PUT", "/hooks/:x", "")(0)
    opened, ended = log.lines()
    assert (opened.id, opened.status, ended.status) == ("", None, 0)
    log.close_abandoned(now_ms())
    assert log.lines()[0].id == ""
    log.close_abandoned(now_ms() + audit.ABANDONED_MS + 1000)
    closed, _ = log.lines()
    assert closed.id and (closed.status, closed.ms, closed.at) == (None, None, opened.at)
    assert redis_client.exists(audit.OPEN) == 0


def test_pages_go_through_a_long_log(redis_client: redis.Redis) -> None:
    """Filters skip what is not wanted without losing what is."""
    log = Audit(redis_client)
    for number in range(1, 1201):
        log.begin("POST", "/x", str(number % 100))(200)
    found, before = [], ""
    while page := log.lines(before=before, limit=5, project="7"):
        found += page
        before = page[-1].id
    assert len({line.id for line in found}) == len(found) == 12
    assert redis_client.xinfo_stream(audit.AUDIT)["length"] == 1200


def test_the_log_is_for_administrators(
    redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """A token that may operate is refused."""
    tokens = (f"operate:{API_TOKEN}-2", API_TOKEN)
    with running_service(redis_server.url, devops_backend_api_tokens=",".join(tokens)) as service:
        asked = {"Authorization": f"Bearer {API_TOKEN}-2"}
        assert service.http.get("/api/v1/audit", headers=asked).status_code == 403
        assert service.api("GET", "/api/v1/audit").json() == {"audit": [], "next": None}
