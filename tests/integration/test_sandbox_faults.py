"""Faults on demand, the journal, and the program itself."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.sandbox.core import SandboxOptions
from tests.support.gitlab import RunningSandbox, running_sandbox


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sandbox") / "journal.jsonl"


@pytest.fixture(scope="module")
def running(journal: Path) -> Iterator[RunningSandbox]:
    with running_sandbox(SandboxOptions(journal=journal)) as made:
        made.client.create_project("acme/faulty", files={"a": "1"})
        yield made


@pytest.fixture
def lab(running: RunningSandbox) -> RunningSandbox:
    """The sandbox without faults and with an empty journal."""
    running.client.clear_faults()
    running.client.forget_calls()
    return running


@pytest.fixture
def api(lab: RunningSandbox) -> Iterator[httpx.Client]:
    with lab.api() as client:
        yield client


def branch(api: httpx.Client, name: str) -> httpx.Response:
    return api.post("/projects/1/repository/branches", json={"branch": name, "ref": "main"})


def test_too_many_requests(lab: RunningSandbox, api: httpx.Client) -> None:
    """429 as plain text with `Retry-After`, twice, then all is well."""
    lab.client.set_fault("rate_limit", "/projects/1$", times=2, retry_after=7)
    for _ in range(2):
        answer = api.get("/projects/1")
        assert (answer.status_code, answer.text) == (429, "Retry later\n")
        assert answer.headers["retry-after"] == "7"
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["ratelimit-name"] == "throttle_authenticated_api"
    assert api.get("/projects/1").status_code == 200
    assert [fault.struck for fault in lab.client.faults()] == [2]


def test_a_caller_s_limit(lab: RunningSandbox) -> None:
    """Above the limit every request of that caller is 429, with the time to wait; others go on."""
    user = lab.client.create_user("eager")
    calm = lab.client.create_user("calm")
    with lab.api(user.token) as eager, lab.api(calm.token) as other:
        first = eager.get("/user")
        assert first.headers["ratelimit-observed"] == "1"
        lab.client.set_switches(requests_per_minute=1)
        try:
            answers = [eager.get("/user") for _ in range(4)]
            assert other.get("/version").status_code == 200
        finally:
            lab.client.set_switches(requests_per_minute=0)
    last = answers[-1]
    assert (last.status_code, last.text) == (429, "Retry later\n")
    assert 1 <= int(last.headers["retry-after"]) <= 60
    assert last.headers["ratelimit-remaining"] == "0"
    assert last.headers["ratelimit-resettime"].endswith("GMT")


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_broken_server(lab: RunningSandbox, api: httpx.Client, status: int) -> None:
    """The status with a page that is no JSON; nothing was applied."""
    lab.client.set_fault("status", "branches", method="POST", status=status, times=1)
    answer = branch(api, f"lost-{status}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html")
    assert api.get(f"/projects/1/repository/branches/lost-{status}").status_code == 404


@pytest.mark.parametrize(("kind", "applied"), [("drop", True), ("drop_before", False)])
def test_a_connection_that_is_cut(
    lab: RunningSandbox, api: httpx.Client, kind: str, applied: bool
) -> None:
    """Without a byte of an answer; with `drop` the write is there all the same."""
    lab.client.set_fault(kind, "branches", method="POST", times=1)  # type: ignore[arg-type]
    with pytest.raises(httpx.RemoteProtocolError):
        branch(api, kind)
    found = api.get(f"/projects/1/repository/branches/{kind}").status_code
    assert found == (200 if applied else 404)
    (call,) = lab.client.calls(method="POST")
    assert (call.status, call.fault) == (0, kind)


def test_half_an_answer(lab: RunningSandbox, api: httpx.Client) -> None:
    """The length is right, the body stops in the middle."""
    lab.client.set_fault("half_body", "/projects/1$", times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        api.get("/projects/1")


def test_an_answer_that_is_no_json(lab: RunningSandbox, api: httpx.Client) -> None:
    """A success by its status that nobody can read."""
    lab.client.set_fault("bad_json", "/projects/1$", times=1)
    answer = api.get("/projects/1")
    assert answer.status_code == 200
    with pytest.raises(ValueError):
        answer.json()


def test_a_redirect_elsewhere(lab: RunningSandbox, api: httpx.Client) -> None:
    """302 to an address that must never be given a token."""
    lab.client.set_fault("redirect", "/projects/1$", times=1, location="http://127.0.0.1:9/steal")
    answer = api.get("/projects/1")
    assert (answer.status_code, answer.headers["location"]) == (302, "http://127.0.0.1:9/steal")


def test_latency_and_dripping(lab: RunningSandbox, api: httpx.Client) -> None:
    """A slow answer is right; a dripping one outlasts a client's patience."""
    lab.client.set_fault("latency", "/version", seconds=0.3, times=1)
    started = time.monotonic()
    assert api.get("/version").json()["version"]
    assert time.monotonic() - started >= 0.3
    lab.client.set_fault("slow_drip", "/version", seconds=0.2, times=1)
    with api.stream("GET", "/version") as answer:
        first = next(answer.iter_raw(1))
    assert first == b"{"


def test_a_fault_chooses_its_victims(lab: RunningSandbox, api: httpx.Client) -> None:
    """By method, path with query, after so many, and by chance from a seed."""
    lab.client.set_fault("status", r"/repository/tree\?.*recursive", method="GET", after=1)
    url = "/projects/1/repository/tree"
    asked = [api.get(url, params={"recursive": "true"}).status_code for _ in range(3)]
    assert asked == [200, 502, 502]
    assert api.get(url).status_code == 200
    lab.client.clear_faults()
    lab.client.set_fault("status", "/version", probability=0.5)
    statuses = [api.get("/version").status_code for _ in range(40)]
    assert 5 < statuses.count(502) < 35
    with pytest.raises(httpx.HTTPStatusError, match="not a regular expression"):
        lab.client.set_fault("status", "(")


def test_the_journal_holds_every_call(
    lab: RunningSandbox, api: httpx.Client, journal: Path
) -> None:
    """Method, path, query, status, user, bodies of writes; on the disk at once; tokens never."""
    api.get("/projects/1/repository/tree", params={"ref": "main"})
    branch(api, "noted")
    read, write = lab.client.calls()
    assert (read.method, read.path, read.query, read.status, read.user) == (
        "GET",
        "/api/v4/projects/1/repository/tree",
        "ref=main",
        200,
        "devops-backend",
    )
    assert read.body is None and write.body == {"branch": "noted", "ref": "main"}
    assert len(read.token_sha256 or "") == 64
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["seq"] for line in lines] == [read.seq, write.seq]
    assert lab.token not in journal.read_text()


def test_the_journal_tells_of_violations(lab: RunningSandbox, api: httpx.Client) -> None:
    """A forwarded event id and a token in the address are noted."""
    api.get("/user", headers={"X-Gitlab-Event-UUID": "x"})
    api.get("/user", params={"private_token": "hush"})
    assert "hush" not in str(lab.client.calls())
    assert [call.violations for call in lab.client.calls()] == [
        ["X-Gitlab-Event-UUID was forwarded"],
        ["a token stands in the address"],
    ]


def test_the_back_door_has_its_own_key(lab: RunningSandbox) -> None:
    """`/_sandbox` refuses the bot's token, and its own calls are not journaled."""
    headers = {"Authorization": f"Bearer {lab.token}"}
    url = f"{lab.url}/_sandbox/calls"
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 401
    assert lab.client.calls() == []


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_program(tmp_path: Path, stop: signal.Signals) -> None:
    """`python -m service.sandbox` prints one line when ready, and ends with 0 on a signal."""
    command = [sys.executable, "-m", "service.sandbox", "--port", "0", "--token", "glpat-fixed"]
    command += ["--journal", str(tmp_path / "calls.jsonl"), "--pipeline-seconds", "0.2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        headers = {"PRIVATE-TOKEN": ready["token"]}
        answer = httpx.get(f"{ready['url']}/api/v4/user", headers=headers, trust_env=False)
        process.send_signal(stop)
        assert process.wait(10) == 0
    assert ready["token"] == "glpat-fixed" and ready["admin_token"]
    assert answer.json()["username"] == "devops-backend"
    assert '"path":"/api/v4/user"' in (tmp_path / "calls.jsonl").read_text()


def test_bad_usage_is_2() -> None:
    """An unknown option ends with 2, a port that is taken with 1 and one line."""
    command = [sys.executable, "-m", "service.sandbox"]
    assert subprocess.run([*command, "--nope"], capture_output=True).returncode == 2
    with running_sandbox() as other:
        port = other.url.rpartition(":")[2]
        taken = subprocess.run([*command, "--port", port], capture_output=True, text=True)
    assert taken.returncode == 1
    assert taken.stderr.startswith("The sandbox cannot start: ")
