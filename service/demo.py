"""`devops-backend demo`: the whole loop on this machine, against the bundled GitLab sandbox.

The program under it is the one that `up` runs, against an address like any other GitLab's.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import structlog
from pydantic import SecretStr
from rich.console import Console
from rich.syntax import Syntax

from service.commands import output
from service.sandbox.client import SandboxClient
from service.stack import Stack
from workers import logs
from workers.embedded import free_port
from workers.errors import BackendError, Retryable
from workers.settings import Settings
from workers.supervisor import stop_on_signals

END = {"succeeded", "failed", "skipped", "unconfirmed", "error"}
WAIT_S = 45.0
PIPELINE_SECONDS = 1.0
SIMULATED = (
    "SIMULATED: GitLab is the bundled sandbox. Its projects, commits, merge requests, webhooks\n"
    "and API keep real state over real HTTP; its CI jobs are not run, only walked through their\n"
    "states. All else is the real program: receiver, Valkey, Chroma, workers, ticker.\n"
    "As in GitLab, a commit gets one pipeline for its branch and one for its merge request:\n"
    "the first to end gives the verdict, and a newer one may change it.\n"
)


class _Gitlab(msgspec.Struct):
    """What the sandbox prints when it is ready."""

    url: str
    token: str
    admin_token: str


def run(*, keep: bool, as_json: bool) -> int:
    """Play both projects; gives the exit code: 0 when both went the whole way."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(keep, as_json)
    except KeyboardInterrupt:
        output.note("interrupted; everything that was started has been stopped")
        return 130


def _run(keep: bool, as_json: bool) -> int:
    screen = Console(highlight=False, markup=False, soft_wrap=True, stderr=as_json)
    started = time.monotonic()
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="dob-demo-")))
        gitlab = running.enter_context(_sandbox(folder))
        stack = running.enter_context(_stack(folder, gitlab))
        screen.print(SIMULATED)
        screen.print(f"up in {time.monotonic() - started:.1f} s: GitLab sandbox {gitlab.url}")
        runs = _play(screen, gitlab, stack)
        if as_json:
            output.print_json(runs)
        good = _sum_up(screen, runs, time.monotonic() - started)
        if keep:
            token = stack.made_tokens[0]
            screen.print(f"\nDashboard: {stack.url}/   token: {token}")
            screen.print(f"GitLab sandbox: {gitlab.url}   Ctrl-C ends both.")
            for run in runs:
                if run["merge_request"]:
                    screen.print(f"Merge request, in a browser: {run['merge_request']['url']}")
            screen.print("By hand, in another terminal:")
            screen.print(f"    export GITLAB_URL={gitlab.url} GITLAB_TOKEN={gitlab.token}")
            screen.print(f"    export DEVOPS_BACKEND_URL={stack.url}")
            screen.print(f"    export DEVOPS_BACKEND_DATA={stack.settings.devops_backend_data}")
            screen.print(f"    devops-backend analyze {gitlab.url}/shop/orders")
            stack.run(stop_on_signals())
    return 0 if good else 1


def _play(screen: Console, gitlab: _Gitlab, stack: Stack) -> list[dict[str, Any]]:
    token = stack.made_tokens[0]
    headers = {"Authorization": f"Bearer {token}"}
    with (
        SandboxClient(gitlab.url, gitlab.admin_token) as forge,
        httpx.Client(base_url=stack.url, headers=headers, timeout=30, trust_env=False) as api,
    ):
        first = _project(screen, forge, api, "shop/hello", "go-hello")
        for file in first["files"]:
            screen.print(f"\n--- {file['path']}, as committed")
            lexer = "yaml" if file["path"].endswith(".yml") else "docker"
            screen.print(Syntax(file["content"], lexer, background_color="default"))
        _merge_request(screen, forge, first)
        second = _project(screen, forge, api, "shop/orders", "go-orders")
        return [first, second]


def _project(
    screen: Console, forge: SandboxClient, api: httpx.Client, path: str, sample: str
) -> dict[str, Any]:
    """One project from its birth to its verdict; every step is printed as it happens."""
    screen.print(f"\n=== {path}: a project is born (system hook project_create)")
    project = forge.create_project(path)
    run_id = _run_of(api, project.id)
    seen = _follow(screen, api, run_id, {"waiting_for_push"})
    screen.print(f"=== {path}: first push (sample {sample})")
    forge.push(project.id, sample=sample)
    _follow(screen, api, run_id, END, seen)
    run: dict[str, Any] = api.get(f"/api/v1/runs/{run_id}").raise_for_status().json()
    reference = run["reference"] or {}
    screen.print(f"    reference: {reference.get('source')} ({reference.get('id')})")
    if run["pipeline"]:
        pipeline = run["pipeline"]
        how = f"{pipeline['status']}, confirmed by {pipeline['confirmed_by']}"
        screen.print(f"    pipeline {pipeline['id']}: {how} [its jobs are simulated]")
    if run["learned"]:
        screen.print(f"    learned: {run['learned']['id']} {run['learned']['outcome']}")
    return run


def _run_of(api: httpx.Client, project: int) -> str:
    """The project's run, once there is one."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        runs = api.get("/api/v1/runs", params={"project": project}).raise_for_status().json()
        if runs["runs"]:
            return str(runs["runs"][0]["id"])
        time.sleep(0.05)
    raise Retryable(f"the project got no run within {WAIT_S:.0f} s")


def _follow(
    screen: Console, api: httpx.Client, run_id: str, until: set[str], after: str = "0"
) -> str:
    """Print the run's server-sent events that come after one, until a state; gives the last id."""
    headers = {"Last-Event-ID": after}
    url = f"/api/v1/runs/{run_id}/events"
    with api.stream("GET", url, headers=headers, timeout=WAIT_S) as answer:
        for line in answer.iter_lines():
            if line.startswith("id:"):
                after = line.removeprefix("id:").strip()
            elif line.startswith("data:"):
                step = json.loads(line.removeprefix("data:"))
                screen.print(f"    {step['state']:18} {step['message']}")
                if step["state"] in until:
                    break
    return after


def _merge_request(screen: Console, forge: SandboxClient, run: dict[str, Any]) -> None:
    if run["merge_request"]:
        opened = forge.merge_requests(run["project"]["id"])[0]
        screen.print(
            f"\n--- merge request !{opened.iid}: {opened.title}\n"
            "--- (its text as GitLab shows it; here the jobs it tells of were SIMULATED)\n"
            f"{opened.description}"
        )


def _sum_up(screen: Console, runs: list[dict[str, Any]], seconds: float) -> bool:
    sources = [(run["reference"] or {}).get("source") for run in runs]
    good = all(run["state"] == "succeeded" for run in runs) and sources[-1] == "learned"
    screen.print(f"\n{'It works' if good else 'It did NOT go all the way'}, in {seconds:.1f} s:")
    for run, source in zip(runs, sources, strict=True):
        screen.print(
            f"    {run['project']['path']}: {run['state']} (simulated jobs), from {source}"
        )
    return good


@contextmanager
def _sandbox(folder: Path) -> Iterator[_Gitlab]:
    """The sandbox as its own process; it is told of the service once that has its address."""
    command = [sys.executable, "-m", "service.sandbox", "--port", "0",
               "--pipeline-seconds", str(PIPELINE_SECONDS)]  # fmt: skip
    with (folder / "sandbox.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise Retryable("the sandbox did not start; see its log above")
            yield msgspec.json.decode(line, type=_Gitlab)
        finally:
            process.terminate()
            process.wait(10)
            if process.stdout:
                process.stdout.close()


@contextmanager
def _stack(folder: Path, gitlab: _Gitlab) -> Iterator[Stack]:
    """The program itself, configured for the sandbox and for nothing else on this machine."""
    settings = demo_settings(folder, gitlab.url, gitlab.token, free_port())
    logs.configure(settings, name="demo")
    structlog.get_logger(__name__).debug("demo", folder=str(folder))
    with Stack(settings) as stack:
        hook = {
            "url": f"{stack.url}/webhooks/gitlab",
            "token": stack.settings.gitlab_webhook_secret[0].get_secret_value(),
            "push_events": True,
        }
        answer = httpx.post(
            f"{gitlab.url}/api/v4/hooks", json=hook, trust_env=False,
            headers={"Authorization": f"Bearer {gitlab.admin_token}"},
        )  # fmt: skip
        if answer.status_code != 201:
            raise BackendError(f"the sandbox refused the system hook: {answer.text}")
        yield stack


def demo_settings(folder: Path, gitlab_url: str, token: str, port: int) -> Settings:
    """Settings that take nothing from the environment but the log's level."""
    return Settings.load(
        gitlab_url=gitlab_url,
        gitlab_token=SecretStr(token),
        gitlab_webhook_secret=(),
        gitlab_signing_token=(),
        devops_backend_url=f"http://127.0.0.1:{port}",
        devops_backend_api_tokens=(),
        api_requests_per_minute=100_000,
        devops_backend_data=folder / "data",
        redis_url=None,
        chroma_url=None,
        ollama_model="",
        templates_dir=None,
        auto_commit="merge_request",
        poll_interval_s=30,
        poll_limit_s=900,
        log_level="warning",
    )
