"""The API over real HTTP and a real Valkey."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import redis
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.auth import Access
from service.routes import Endpoint
from service.state import FOLLOWERS
from service.table import routes
from tests.support.keys import KEY
from tests.support.service import (
    API_TOKEN,
    CALLER_TOKEN,
    Running,
    Server,
    payload,
    running_service,
)
from workers.embedded import EmbeddedRedis, free_port
from workers.runs import Commit, File, MergeRequest, Project, Run, State, new_run
from workers.store.dry_runs import Answer, DryRuns
from workers.store.learned import LearnedStore
from workers.store.learned_records import LearnedPipeline, Provenance
from workers.store.ledger import Ledger
from workers.store.runs import RunStore

pytestmark = pytest.mark.timeout(60)
SHOP = Project(42, "shop/api", "http://gitlab.example/shop/api")
PUBLIC = {"/health", "/health/live", "/health/ready", "/openapi.json"}


@pytest.fixture(scope="module")
def server(redis_server: EmbeddedRedis) -> Iterator[Running]:
    with running_service(redis_server.url) as running:
        yield running


@pytest.fixture
def service(server: Running, redis_client: redis.Redis) -> Running:
    server.gitlab.asked.clear()
    server.gitlab.fault = None
    server.gitlab.levels[CALLER_TOKEN] = 30
    return server


@pytest.fixture
def runs(redis_client: redis.Redis) -> RunStore:
    return RunStore(redis_client)


@pytest.fixture
def ledger(redis_client: redis.Redis) -> Ledger:
    return Ledger(redis_client)


def moved(runs: RunStore, run: Run, state: State, **fields: Any) -> Run:

    return runs.update(
        run.id, lambda r: msgspec.structs.replace(r, state=state, **fields), str(state)
    )


# -- who may


@pytest.mark.parametrize("route", routes(), ids=lambda r: f"{r.method} {r.path}")
def test_every_route_is_denied_by_default(service: Running, route: Endpoint) -> None:
    """Without credentials: 401, but for the few that say they are open."""
    path = route.path.replace("{id:path}", "42").replace("{id}", "42")
    answer = service.http.request(route.method, path, json={})
    if path in PUBLIC:
        assert answer.status_code == 200
    elif route.operation.access is Access.LOCAL:
        assert answer.status_code == 200  # the test runs on this machine
    elif path == "/api/v1/pipeline/workflow":
        assert answer.status_code == 422  # the body is looked at, since it may hold a token
        body = {"repo_url": f"{service.settings.gitlab_url}/shop/api"}
        assert service.http.post(path, json=body).status_code == 401
    else:
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer wrong", f"Basic {API_TOKEN}", API_TOKEN,
     f"Bearer {API_TOKEN}x", f"Bearer {API_TOKEN[:-1]}", f"Bearer {API_TOKEN} x"],
)  # fmt: skip
def test_a_wrong_bearer_token_is_401(service: Running, header: str) -> None:
    """401 with `WWW-Authenticate` (RFC 6750), the token never echoed."""
    answer = service.http.get("/api/v1/runs", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert API_TOKEN not in answer.text


def test_an_odd_byte_in_the_token_is_401(service: Running) -> None:
    """Non-ASCII credentials are compared, not choked on."""
    headers = [(b"Authorization", b"Bearer \xff\xfe\x80")]
    assert service.http.get("/api/v1/runs", headers=headers).status_code == 401


def test_a_token_need_not_be_ascii(redis_server: EmbeddedRedis, redis_client: redis.Redis) -> None:
    """Sent as UTF-8, as curl does."""
    token = "a-t\u00f6ken-beyond-ascii"
    with running_service(
        redis_server.url, devops_backend_api_tokens=(SecretStr(token),)
    ) as service:
        headers = [(b"Authorization", f"Bearer {token}".encode())]
        assert service.http.get("/api/v1/runs", headers=headers).status_code == 200
        answer = service.http.post("/login", data={"token": token})
        assert answer.headers["location"] == "/"


def test_guessing_tokens_is_locked_out(service: Running, redis_client: redis.Redis) -> None:
    """After fifty wrong tokens in a minute the address waits, whatever it brings."""
    wrong = {"Authorization": "Bearer guess"}
    codes = [service.http.get("/api/v1/runs", headers=wrong).status_code for _ in range(52)]
    assert codes == [401] * 50 + [429] * 2
    locked = service.api("GET", "/api/v1/runs")
    assert locked.status_code == 429 and int(locked.headers["retry-after"]) > 0
    redis_client.delete("dob:lockout:api:127.0.0.1")
    assert service.api("GET", "/api/v1/runs").status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/runs", "/health", "/nothing", "/metrics"])
def test_strict_headers_are_on_every_answer(service: Running, path: str) -> None:
    """Whether it is an error or not."""
    headers = service.http.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_metrics_need_a_token_from_elsewhere(service: Running) -> None:
    """None on loopback; behind a proxy that speaks for somebody else, a bearer token."""
    assert "devops_backend_redis_up 1.0" in service.http.get("/metrics").text
    through = {"X-Forwarded-For": "203.0.113.9"}
    assert service.http.get("/metrics", headers=through).status_code == 401
    assert service.api("GET", "/metrics", headers=through).status_code == 200


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("read", {"GET"}), ("operate", {"GET", "POST"}), ("admin", {"GET", "POST", "DELETE"})],
)
def test_roles_limit_what_a_token_may(
    redis_server: EmbeddedRedis, redis_client: redis.Redis, name: str, allowed: set[str]
) -> None:
    """A token that reads sees everything; acting and forgetting need more, and 403 says so."""
    tokens = (SecretStr(f"{name}:a-token-with-a-role"), SecretStr(API_TOKEN))
    RunStore(redis_client).create(new_run(SHOP, "push"))
    with running_service(redis_server.url, devops_backend_api_tokens=tokens) as service:
        headers = {"Authorization": "Bearer a-token-with-a-role"}
        for method, path, status in (
            ("GET", "/api/v1/runs", 200), ("POST", "/api/v1/projects/42/retrigger", 409),
            ("POST", "/api/v1/deliveries/1-1/replay", 404), ("DELETE", "/api/v1/learned/x", 404),
            ("POST", "/api/v1/pipeline/workflow", 422),
        ):  # fmt: skip
            answer = service.http.request(method, path, headers=headers, json={})
            assert answer.status_code == (status if method in allowed else 403), (method, path)


# -- workflow


def workflow(service: Running, **body: Any) -> Any:
    body = {"repo_url": f"{service.settings.gitlab_url}/shop/api.git"} | body
    return service.api("POST", "/api/v1/pipeline/workflow", json=body)


def test_a_workflow_makes_a_run_and_marks_the_project(
    service: Running, runs: RunStore, ledger: Ledger
) -> None:
    """202 with the run and a Location; a worker finds the run in the project's triggers."""
    answer = workflow(service, auto_commit="branch", use_template_only=True, branch="main")
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/api/v1/runs/{body['id']}"
    assert body["project"] == {"id": 42, "path": "shop/api", "url": SHOP.url}
    assert (body["state"], body["trigger"]["kind"]) == ("queued", "workflow")
    assert "version" not in body and "attempts" not in body
    kept = runs.get(body["id"])
    assert (kept.options.auto_commit, kept.options.branch) == ("branch", "main")
    assert kept.options.use_template_only
    work = ledger.take(42, "generate")
    assert work is not None and [t.run for t in work.triggers] == [kept.id]


@pytest.mark.parametrize(
    ("asked", "kept"),
    [(True, "merge_request"), (False, "none"), ("none", "none"), (None, None),
     ("merge_request", "merge_request")],
)  # fmt: skip
def test_auto_commit_may_be_a_boolean(
    service: Running, runs: RunStore, asked: Any, kept: str | None
) -> None:
    """True is the setting's own way, false commits nothing."""
    run = workflow(service, auto_commit=asked).json()
    assert runs.get(run["id"]).options.auto_commit == kept


def test_a_second_workflow_is_the_same_run(service: Running) -> None:
    """One run per project at a time: who asks again, in other words even, is told of it."""
    first = workflow(service).json()
    for again in (workflow(service), workflow(service, auto_commit=True)):
        assert again.status_code == 202 and again.json()["id"] == first["id"]
        assert again.headers["location"] == f"/api/v1/runs/{first['id']}"


@pytest.mark.parametrize(
    "other", [{"use_template_only": True}, {"branch": "next"}, {"auto_commit": False}]
)
def test_another_workflow_meanwhile_is_409_and_names_the_run(
    service: Running, other: dict[str, Any]
) -> None:
    """What is under way would not do what is asked."""
    first = workflow(service).json()
    answer = workflow(service, **other)
    assert answer.status_code == 409
    assert answer.json()["run"] == first["id"]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b"{}", b'{"repo_url": 3}', b'{"repo_url": null}', b"\xff\xfe",
     b'{"repo_url":"x","surprise":1}', b"[" * 100_000, b'{"repo_url":"x","auto_commit":"main"}'],
)  # fmt: skip
def test_a_body_of_another_shape_is_4xx(service: Running, body: bytes) -> None:
    """400 where it is no JSON, 422 where the shape is wrong; never 5xx."""
    answer = service.api(
        "POST", "/api/v1/pipeline/workflow", content=body,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_form_is_no_request(service: Running) -> None:
    """415: a page of another site can post forms, but not JSON."""
    assert service.api("POST", "/api/v1/pipeline/workflow", data={"a": "b"}).status_code == 415


def test_too_many_requests_are_told_to_wait(
    redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """By token: one that asks too often is refused, another is not; wrong ones count elsewhere.
    Deliveries, health and the login page are not asked for by the API's callers."""
    tokens = (SecretStr("read:a-token-that-asks-a-lot"), SecretStr(API_TOKEN))
    with running_service(
        redis_server.url, devops_backend_api_tokens=tokens, api_requests_per_minute=5
    ) as service:
        headers = {"Authorization": "Bearer a-token-that-asks-a-lot"}
        answers = [service.http.get("/api/v1/runs", headers=headers) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert 0 < int(answers[-1].headers["retry-after"]) <= 60
        assert answers[-1].json()["status"] == 429
        assert service.api("GET", "/api/v1/runs").status_code == 200
        for path in ("/health", "/login", "/openapi.json"):
            assert service.http.get(path, headers=headers).status_code == 200
        assert service.deliver(payload("system_hook_push")).status_code == 202
    kept = list(redis_client.scan_iter("dob:asked:*"))
    assert kept and all(int(redis_client.ttl(key)) > 0 for key in kept)
    assert not [key for key in kept if b"a-token" in key]


def test_who_asks_without_an_api_token_waits_sooner(service: Running) -> None:
    """Each of these is a look at GitLab: thirty a minute from one address."""
    body = {"repo_url": f"{service.settings.gitlab_url}/shop/api"}
    codes = [
        service.http.post("/api/v1/pipeline/workflow", json=body).status_code for _ in range(32)
    ]
    assert codes == [401] * 30 + [429] * 2


def test_a_developer_needs_no_bearer_token(
    service: Running, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller's token goes to GitLab once, as Bearer; where ours can do the work, as it can
    here, it is kept nowhere."""
    body = {
        "repo_url": f"{service.settings.gitlab_url}/shop/api", "gitlab_token": CALLER_TOKEN,
    }  # fmt: skip
    answer = service.http.post("/api/v1/pipeline/workflow", json=body)
    assert answer.status_code == 202
    tokens = (CALLER_TOKEN, "glpat-of-the-service")
    assert service.gitlab.asked == [
        ("/api/v4/projects/shop%2Fapi", f"Bearer {token}") for token in tokens
    ]
    assert CALLER_TOKEN not in answer.text + caplog.text
    for key in redis_client.scan_iter():
        assert CALLER_TOKEN.encode() not in (redis_client.dump(key) or b"")


@pytest.mark.parametrize("level", [0, 10, 20])
def test_less_than_a_developer_is_403(service: Running, level: int) -> None:
    """Guests and reporters cannot make us write."""
    service.gitlab.levels[CALLER_TOKEN] = level
    body = {
        "repo_url": f"{service.settings.gitlab_url}/shop/api", "gitlab_token": CALLER_TOKEN,
    }  # fmt: skip
    answer = service.http.post("/api/v1/pipeline/workflow", json=body)
    assert answer.status_code == 403
    assert CALLER_TOKEN not in answer.text


def test_a_wrong_bearer_is_not_saved_by_a_gitlab_token(service: Running) -> None:
    """Whoever brings a bearer token is judged by it."""
    body = {
        "repo_url": f"{service.settings.gitlab_url}/shop/api", "gitlab_token": CALLER_TOKEN,
    }  # fmt: skip
    answer = service.http.post(
        "/api/v1/pipeline/workflow", json=body, headers={"Authorization": "Bearer wrong"}
    )
    assert answer.status_code == 401 and service.gitlab.asked == []


@pytest.mark.parametrize("token", ["glpat-x\r\nX-Evil: 1", "a b", "\u00e9", "x" * 5000])
def test_a_malformed_gitlab_token_goes_nowhere(service: Running, token: str) -> None:
    """No header is ever injected."""
    body = {"repo_url": f"{service.settings.gitlab_url}/shop/api", "gitlab_token": token}
    answer = service.http.post("/api/v1/pipeline/workflow", json=body)
    assert answer.status_code == 403 and service.gitlab.asked == []


@pytest.mark.parametrize(
    ("fault", "status"), [(301, 422), (302, 422), (401, 403), (403, 403), (404, 404), (429, 503),
                          (500, 503), (502, 503), (418, 422)]
)  # fmt: skip
def test_gitlabs_refusals_become_problems(service: Running, fault: int, status: int) -> None:
    """What GitLab says is told by its consequence; a redirect is never followed."""
    service.gitlab.fault = fault
    service.gitlab.headers = {"Location": "http://127.0.0.1:9/", "Retry-After": "7"}
    answer = workflow(service)
    assert answer.status_code == status
    assert len(service.gitlab.asked) == 1
    if status == 503:
        assert int(answer.headers["retry-after"]) >= 7


def test_waiting_ends_when_the_commit_exists(service: Running, runs: RunStore) -> None:
    """`Prefer: wait`: 200 with the commit as soon as it is there."""

    def work() -> None:
        run = until(lambda: runs.page(project=42))[0]
        time.sleep(0.2)
        moved(runs, run, State.ANALYZING)
        moved(runs, run, State.AWAITING_PIPELINE, commit=Commit("c" * 40, "devops-backend/ci-1"))

    worker = threading.Thread(target=work)
    worker.start()
    began = time.monotonic()
    answer = service.api(
        "POST", "/api/v1/pipeline/workflow", headers={"Prefer": "respond-async, wait=20"},
        json={"repo_url": f"{service.settings.gitlab_url}/shop/api"},
    )  # fmt: skip
    worker.join()
    assert answer.status_code == 200 and time.monotonic() - began < 5
    assert answer.json()["commit"]["sha"] == "c" * 40
    assert answer.headers["preference-applied"] == "wait=20"


@pytest.mark.parametrize("state", [State.FAILED, State.ERROR])
def test_waiting_tells_why_a_run_failed(service: Running, runs: RunStore, state: State) -> None:
    """500 with the reason and the run's id."""
    threading.Timer(
        0.3, lambda: moved(runs, runs.page()[0], state, reason="commit: GitLab answered 403")
    ).start()
    answer = service.api(
        "POST", "/api/v1/pipeline/workflow", headers={"Prefer": "wait=20"},
        json={"repo_url": f"{service.settings.gitlab_url}/shop/api"},
    )  # fmt: skip
    assert answer.status_code == 500
    assert answer.json()["detail"] == "commit: GitLab answered 403"
    assert answer.json()["run"] == runs.page()[0].id


def test_waiting_gives_up_after_its_seconds(service: Running) -> None:
    """202 with the run as it is."""
    began = time.monotonic()
    answer = service.api(
        "POST", "/api/v1/pipeline/workflow", headers={"Prefer": "wait=1"},
        json={"repo_url": f"{service.settings.gitlab_url}/shop/api"},
    )  # fmt: skip
    assert answer.status_code == 202 and 0.9 < time.monotonic() - began < 4


# -- retrigger


@pytest.mark.parametrize("name", ["42", "shop%2Fapi", "shop/api"])
def test_a_project_is_named_by_id_or_path(service: Running, ledger: Ledger, name: str) -> None:
    """202 with the new run."""
    ledger.note_project(42, {"path": "shop/api"})
    answer = service.api("POST", f"/api/v1/projects/{name}/retrigger", json={"force": True})
    assert answer.status_code == 202
    body = answer.json()
    assert body["project"]["id"] == 42
    assert (body["trigger"]["kind"], body["options"]["force"]) == ("retrigger", True)


def test_a_retrigger_needs_no_body(service: Running, ledger: Ledger) -> None:
    """Both options have defaults."""
    ledger.note_project(42, {"path": "shop/api"})
    assert service.api("POST", "/api/v1/projects/42/retrigger").status_code == 202


@pytest.mark.parametrize(
    ("name", "status"),
    [("43", 404), ("no/such", 404), ("0", 404), ("9" * 30, 404), ("..%2F..%2Fadmin", 422),
     ("a%2F..%2Fb", 422), ("shop", 422), ("shop%2Fapi%3Fx", 422), ("-a/b", 422), ("%00/b", 422)],
)  # fmt: skip
def test_unknown_and_malformed_projects(service: Running, name: str, status: int) -> None:
    """404 where GitLab knows none, 422 where it can be no project's name."""
    assert service.api("POST", f"/api/v1/projects/{name}/retrigger").status_code == status


def test_a_retrigger_while_one_is_running_is_409(service: Running, runs: RunStore) -> None:
    """Also with force: only what merely waits for its pipeline is superseded."""
    run = runs.create(new_run(SHOP, "push"))
    moved(runs, run, State.GENERATING)
    for body in ({}, {"force": True}):
        answer = service.api("POST", "/api/v1/projects/42/retrigger", json=body)
        assert answer.status_code == 409 and answer.json()["run"] == run.id


def test_force_supersedes_a_run_that_awaits_its_pipeline(service: Running, runs: RunStore) -> None:
    """Without force it is in the way."""
    run = runs.create(new_run(SHOP, "push"))
    moved(runs, run, State.AWAITING_PIPELINE)
    assert service.api("POST", "/api/v1/projects/42/retrigger").status_code == 409
    answer = service.api("POST", "/api/v1/projects/42/retrigger", json={"force": True})
    assert answer.status_code == 202 and answer.json()["id"] != run.id


def test_a_run_that_waits_for_a_push_is_woken(
    service: Running, runs: RunStore, ledger: Ledger
) -> None:
    """The same run goes on, as is asked now; there is no second one."""
    run = runs.create(new_run(SHOP, "project_created"))
    moved(runs, run, State.WAITING_FOR_PUSH)
    asked = {"use_template_only": True}
    answer = service.api("POST", "/api/v1/projects/42/retrigger", json=asked)
    assert answer.status_code == 202 and answer.json()["id"] == run.id
    assert runs.get(run.id).options.use_template_only
    work = ledger.take(42, "generate")
    assert work is not None and [(t.kind, t.run) for t in work.triggers] == [("retrigger", run.id)]


# -- dry runs


def test_a_dry_run_is_answered_by_a_worker(service: Running, redis_client: redis.Redis) -> None:
    """The question waits in Redis, a worker's answer is passed on."""
    dry = DryRuns(redis_client)

    def work() -> None:
        job = until(lambda: redis_client.lrange("rq:queue:generate", 0, -1))[0]
        ask_id = job.decode().removeprefix("dry-")
        question = dry.question(ask_id)
        assert (question.kind, question.project, question.ref) == ("analyze", "shop/api", "main")
        dry.reply(ask_id, Answer({"language": "go"}))

    worker = threading.Thread(target=work)
    worker.start()
    body = {"repo_url": f"{service.settings.gitlab_url}/shop/api", "branch": "main"}
    answer = service.api("POST", "/api/v1/pipeline/analyze", json=body)
    worker.join()
    assert answer.status_code == 200 and answer.json() == {"language": "go"}


def test_a_dry_runs_error_is_a_problem(service: Running, redis_client: redis.Redis) -> None:
    """With the status that the worker found."""
    dry = DryRuns(redis_client)

    def work() -> None:
        job = until(lambda: redis_client.lrange("rq:queue:generate", 0, -1))[0]
        dry.reply(job.decode().removeprefix("dry-"), Answer(None, "there is no such branch", 404))

    threading.Thread(target=work).start()
    answer = service.api("POST", "/api/v1/pipeline/generate", json={"project": 42})
    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is no such branch"


def test_a_dry_run_needs_one_project(service: Running) -> None:
    """Either an address or a project, of this GitLab."""
    for body in (
        {},
        {"project": 1, "repo_url": "http://x/a/b"},
        {"project": "../x"},
        {"repo_url": "http://evil.example/a/b"},
        {"project": 1, "branch": "a..b"},
    ):
        assert service.api("POST", "/api/v1/pipeline/analyze", json=body).status_code == 422


# -- runs


def test_runs_are_listed_by_page_project_and_state(service: Running, runs: RunStore) -> None:
    """Newest first, `next` leads through all of them, file texts are left out."""
    made = [runs.create(new_run(Project(n, f"g/p{n}"), "push")) for n in range(1, 8)]
    moved(runs, made[2], State.SUCCEEDED, files=(File(".gitlab-ci.yml", "stages: []"),))
    seen: list[str] = []
    cursor = ""
    for _ in range(4):
        page = service.api("GET", f"/api/v1/runs?limit=2&cursor={cursor}").json()
        seen += [run["id"] for run in page["runs"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [run.id for run in reversed(made)]
    done = service.api("GET", "/api/v1/runs?state=succeeded").json()["runs"]
    assert [run["id"] for run in done] == [made[2].id]
    assert done[0]["files"] == [{"path": ".gitlab-ci.yml"}]
    assert len(service.api("GET", "/api/v1/runs?project=3").json()["runs"]) == 1
    whole = service.api("GET", f"/api/v1/runs/{made[2].id}").json()
    assert whole["files"] == [{"path": ".gitlab-ci.yml", "content": "stages: []"}]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "limit=%C2%B2", "state=happy", "project=a",
              "cursor=%00"]
)  # fmt: skip
def test_wrong_queries_are_422(service: Running, query: str) -> None:
    """Said, not guessed."""
    assert service.api("GET", f"/api/v1/runs?{query}").status_code == 422


@pytest.mark.parametrize("run", ["nope", "%00", "a" * 300, "..%2F", "a:b"])
def test_an_unknown_run_is_404(service: Running, run: str) -> None:
    """Also where the id can be none."""
    assert service.api("GET", f"/api/v1/runs/{run}").status_code == 404
    assert service.api("GET", f"/api/v1/runs/{run}/events").status_code == 404


def events(text: str) -> list[tuple[str, Any]]:
    """Name and data of each server-sent event."""
    found = []
    for block in text.replace("\r\n", "\n").strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in fields:
            found.append((fields["event"], json.loads(fields["data"]) | {"_id": fields.get("id")}))
    return found


def test_progress_is_streamed_until_the_end(service: Running, runs: RunStore) -> None:
    """What was, what comes, then the run; the stream ends with it."""
    run = runs.create(new_run(SHOP, "push"))
    moved(runs, run, State.ANALYZING)

    def work() -> None:
        time.sleep(0.3)
        moved(runs, run, State.GENERATING)
        moved(runs, run, State.SUCCEEDED)

    threading.Thread(target=work).start()
    answer = service.api("GET", f"/api/v1/runs/{run.id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    got = events(answer.text)
    states = [data["state"] for name, data in got if name == "progress"]
    assert states == ["queued", "analyzing", "generating", "succeeded"]
    assert got[-1][0] == "end" and got[-1][1]["id"] == run.id


def test_a_stream_goes_on_after_the_last_event(service: Running, runs: RunStore) -> None:
    """`Last-Event-ID`, as browsers send it on reconnecting."""
    run = runs.create(new_run(SHOP, "push"))
    moved(runs, run, State.ANALYZING)
    moved(runs, run, State.SKIPPED, reason="archived")
    first = events(service.api("GET", f"/api/v1/runs/{run.id}/events").text)
    again = service.api(
        "GET", f"/api/v1/runs/{run.id}/events", headers={"Last-Event-ID": first[0][1]["_id"]}
    )
    assert events(again.text) == first[1:]


def test_a_stream_ends_quietly_when_redis_goes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What came is kept, nothing is thrown; a reader that comes again goes on from there."""
    with EmbeddedRedis(tmp_path) as store, running_service(store.url) as service:
        with redis.Redis.from_url(store.url) as client:
            run = RunStore(client).create(new_run(SHOP, "push"))
        threading.Timer(0.5, store.stop).start()
        answer = service.api("GET", f"/api/v1/runs/{run.id}/events")
    assert [name for name, _ in events(answer.text)] == ["progress"]
    assert "Traceback" not in "".join(capfd.readouterr())


def test_followers_have_a_limit(service: Running, runs: RunStore) -> None:
    """One more than that is told to come later, and a place is free again when one has gone."""
    run = runs.create(new_run(SHOP, "push"))
    path = f"/api/v1/runs/{run.id}/events"
    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    many = httpx.Limits(max_connections=None)
    reading = []
    with contextlib.ExitStack() as opened:
        client = opened.enter_context(
            httpx.Client(base_url=service.url, trust_env=False, limits=many, timeout=30)
        )
        for _ in range(FOLLOWERS):
            first = opened.enter_context(client.stream("GET", path, headers=headers))
            reading.append(first.iter_bytes())  # httpx hangs up where nobody keeps reading
            next(reading[-1])
        refused = service.api("GET", path)
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
    moved(runs, run, State.SKIPPED)
    assert until(lambda: service.api("GET", path).status_code == 200)


# -- projects, learned, deliveries


def test_a_project_tells_why_nothing_happened(
    service: Running, runs: RunStore, ledger: Ledger
) -> None:
    """Last event, decision, reason, next step."""
    created = payload("system_hook_project_create")
    delivery = service.deliver(created).json()["delivery"]
    project = created["project_id"]
    run = runs.create(new_run(Project(project, "a/b"), "project_created", delivery))
    moved(runs, run, State.WAITING_FOR_PUSH, reason="the repository is empty")
    answer = service.api("GET", f"/api/v1/projects/{project}").json()
    assert answer["last_event"]["kind"] == "project_created"
    assert answer["last_event"]["delivery"] == delivery
    assert answer["reason"] == "the repository is empty"
    assert "push" in answer["next_step"]
    assert answer["run"]["id"] == run.id


def test_a_run_at_work_speaks_for_its_project(
    service: Running, runs: RunStore, ledger: Ledger
) -> None:
    """What was decided about an earlier run is past; once the new one ends, it is told again."""
    ledger.note_project(
        42, {"path": "shop/api", "decision": "failed", "reason": "old", "next_step": "old"}
    )
    run = runs.create(new_run(SHOP, "retrigger"))
    moved(runs, run, State.GENERATING)
    body = service.api("GET", "/api/v1/projects/42").json()
    assert body["decision"] == f"run {run.id} is generating"
    assert "old" not in (body["reason"], body["next_step"])
    moved(runs, run, State.SUCCEEDED)
    assert service.api("GET", "/api/v1/projects/42").json()["decision"] == "failed"


def test_a_merge_request_of_an_earlier_run_is_shown(
    service: Running, runs: RunStore, ledger: Ledger
) -> None:
    """The newest run made none: the one that is open is still the project's."""
    ledger.note_project(42, {"merge_request": 3, "merge_request_state": "opened"})
    first = runs.create(new_run(Project(42, "shop/api"), "push"))
    moved(runs, first, State.SUCCEEDED, merge_request=MergeRequest(3, "http://gitlab.example/3"))
    newest = runs.create(new_run(Project(42, "shop/api"), "retrigger"))
    moved(runs, newest, State.SKIPPED, reason="nothing to build")
    told = service.api("GET", "/api/v1/projects/42").json()
    assert told["run"]["id"] == newest.id
    assert told["merge_request"] == {
        "iid": 3, "state": "opened", "url": "http://gitlab.example/3", "run": first.id,
    }  # fmt: skip


def test_a_project_nobody_spoke_of_says_what_to_look_at(service: Running) -> None:
    """404 that names the hook."""
    answer = service.api("GET", "/api/v1/projects/42")
    assert answer.status_code == 404 and "hook" in answer.json()["detail"]


def test_learned_pipelines_are_listed_and_forgotten(
    service: Running, redis_client: redis.Redis
) -> None:
    """With successes, failures, confidence and provenance."""
    store = LearnedStore(redis_client, KEY)
    record = LearnedPipeline(
        language="go", framework="gin", template="go-gin", template_version="1",
        provenance=Provenance(project_id=42, namespace="shop", run="r", pipeline=7),
    )  # fmt: skip
    store.record_outcome(record, 7, "succeeded")
    got = service.api("GET", "/api/v1/learned").json()["learned"]
    assert [(r["id"], r["successes"], r["failures"]) for r in got] == [(record.id, 1, 0)]
    assert got[0]["confidence"] > 0 and got[0]["provenance"]["project_id"] == 42
    assert service.api("DELETE", f"/api/v1/learned/{record.id}").status_code == 204
    assert service.api("DELETE", f"/api/v1/learned/{record.id}").status_code == 404
    assert service.api("GET", "/api/v1/learned").json()["learned"] == []


def test_what_an_origin_taught_is_revoked(service: Running, redis_client: redis.Redis) -> None:
    """By group, project id or path; what has no origin is told what one is."""
    store = LearnedStore(redis_client, KEY)
    for pipeline, framework in enumerate(("gin", "echo", "chi")):
        record = LearnedPipeline(
            language="go", framework=framework, template="go", template_version="1",
            provenance=Provenance(project_id=42, namespace="shop", run="r", pipeline=pipeline),
        )  # fmt: skip
        store.record_outcome(record, pipeline, "succeeded")
    for wrong in ("", "?origin=", "?origin=%2F"):
        assert service.api("DELETE", f"/api/v1/learned{wrong}").status_code == 422
    assert service.api("DELETE", "/api/v1/learned?origin=shop/unknown").status_code == 404
    assert len(service.api("GET", "/api/v1/learned").json()["learned"]) == 3
    gone = service.api("DELETE", "/api/v1/learned?origin=shop/api").json()
    assert gone == {"origin": "42", "outcomes": 3, "records": 3}
    assert service.api("DELETE", "/api/v1/learned?origin=shop").json()["records"] == 0
    assert service.api("GET", "/api/v1/learned").json()["learned"] == []


def test_what_was_planted_is_told_of_in_the_metrics(
    service: Running, redis_client: redis.Redis
) -> None:
    """A record without our seal is in no list, and Prometheus hears of it."""
    redis_client.hset("dob:learned:record:go-none-1", mapping={"json": "{}", "seal": "0"})
    redis_client.zadd("dob:learned:all", {"go-none-1": 0})
    assert service.api("GET", "/api/v1/learned").json()["learned"] == []
    assert 'devops_backend_learned_refused{kind="record"} 1.0' in service.http.get("/metrics").text


def test_deliveries_are_listed_and_replayed(service: Running, ledger: Ledger) -> None:
    """A replay makes the project's work due again."""
    delivery = service.deliver(payload("system_hook_push")).json()["delivery"]
    listed = service.api("GET", "/api/v1/deliveries").json()
    assert [row["id"] for row in listed["deliveries"]] == [delivery]
    project = listed["deliveries"][0]["event"]["project_id"]
    work = ledger.take(project, "generate")
    assert work is not None
    ledger.done(work)
    answer = service.api("POST", f"/api/v1/deliveries/{delivery}/replay")
    assert answer.status_code == 202
    assert ledger.dirty("generate", 2**52) == [project]
    for unknown in ("1-1", "x", "9" * 50):
        assert service.api("POST", f"/api/v1/deliveries/{unknown}/replay").status_code == 404


# -- health


def test_health_names_each_dependency(service: Running) -> None:
    """State and latency; what is not configured is no fault."""
    answer = service.http.get("/health")
    assert answer.status_code == 200
    body = answer.json()
    assert set(body["dependencies"]) == {"redis", "chroma", "ollama", "gitlab"}
    assert body["dependencies"]["redis"]["state"] == "ok"
    assert body["dependencies"]["redis"]["latency_ms"] >= 0
    assert body["dependencies"]["gitlab"]["state"] == "ok"
    assert body["dependencies"]["ollama"]["state"] == "unconfigured"
    assert body["status"] == "ok"


@pytest.mark.parametrize(("media", "state"), [("application/json", "ok"), ("text/html", "down")])
def test_an_api_without_a_version_is_up(
    redis_server: EmbeddedRedis, media: str, state: str
) -> None:
    """404 in JSON is an answer of GitLab's API; a page is a proxy's, or of a path that is wrong."""

    async def missing(_: Request) -> Response:
        return Response('{"error":"404 Not Found"}', 404, media_type=media)

    app = Starlette(routes=[Route("/{rest:path}", missing)])
    with Server(app) as other, running_service(redis_server.url, gitlab_url=other.url) as service:
        found = service.http.get("/health").json()["dependencies"]["gitlab"]
        assert found["state"] == state


@pytest.mark.parametrize(("revision", "told"), [("sandbox", True), ("4f0c1f2", False)])
def test_the_dashboard_says_where_jobs_are_simulated(
    redis_server: EmbeddedRedis, revision: str, told: bool
) -> None:
    """Only before the bundled sandbox, on every page; GitLab is asked once, not by strangers."""
    with running_service(redis_server.url) as service:
        service.gitlab.revision = revision
        with httpx.Client(base_url=service.url, trust_env=False, follow_redirects=True) as browser:
            assert "simulated" not in browser.get("/").text and not service.gitlab.asked
            browser.post("/login", data={"token": API_TOKEN})
            for path in ("/", "/learned", "/chat"):
                assert ("are simulated" in browser.get(path).text) is told
        assert [path for path, _ in service.gitlab.asked] == ["/api/v4/version"]


def test_a_missing_model_and_index_are_degraded_but_ready(redis_server: EmbeddedRedis) -> None:
    """Chroma or Ollama down: still ready."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with running_service(
        redis_server.url, chroma_url=nowhere, ollama_host=nowhere, ollama_model="m"
    ) as service:
        body = service.http.get("/health").json()
        assert body["status"] == "degraded"
        assert body["dependencies"]["chroma"]["state"] == "down"
        assert body["dependencies"]["ollama"]["state"] == "down"
        assert service.http.get("/health/ready").status_code == 200


def test_without_redis_the_service_is_alive_but_not_ready() -> None:
    """`ready` and `health` are 503, `live` is 200; the API says 503, and metrics are told."""
    with running_service(f"redis://127.0.0.1:{free_port()}/0") as service:
        assert service.http.get("/health/live").status_code == 200
        assert service.http.get("/health/ready").status_code == 503
        assert service.http.get("/health").json()["status"] == "down"
        answer = service.api("GET", "/api/v1/runs")
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
        assert "devops_backend_redis_up 0.0" in service.http.get("/metrics").text


def test_metrics_count_deliveries_by_answer(service: Running, runs: RunStore) -> None:
    """Counts by status and bounded reason; gauges read from Redis."""
    service.deliver({"event_name": "user_create"})
    service.deliver(payload("system_hook_push"))
    runs.create(new_run(SHOP, "push"))
    text = service.http.get("/metrics").text
    assert 'devops_backend_deliveries_total{status="202"}' in text
    assert 'devops_backend_deliveries_ignored_total{reason="no event of interest"}' in text
    assert 'devops_backend_runs{state="queued"} 1.0' in text
    assert 'devops_backend_projects_with_work{queue="generate"} 1.0' in text


def until(find: Any, seconds: float = 10) -> Any:
    """What `find` gives once it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := find():
            return found
        time.sleep(0.02)
    raise AssertionError("it never came")
