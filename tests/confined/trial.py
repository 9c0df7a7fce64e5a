"""`python -m tests.confined.trial FOLDER`: the whole loop under compose's confinement, as JSON.

To be started by root in network, mount, IPC and process namespaces of its own; all ends with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from service.sandbox.client import SandboxClient
from tests.chaos.tokens import API_TOKEN, SECRET
from tests.confined import compose
from tests.confined.containers import APP, Container, Standing
from tests.confined.leaving import Recorder, enclose
from tests.support.gitlab import BOT_TOKEN
from workers.steps.publish import TRAILER

NAMES = ("redis", "chromadb", "service", "workers", "ticker")
HOSTS = {
    "redis": "172.30.0.2", "chromadb": "172.30.0.3", "service": "172.30.0.4",
    "gitlab": "172.30.0.5", "ollama": "172.30.0.6",
}  # fmt: skip
"""As Docker's own DNS would answer; nobody listens at the model's address."""
PORTS = {"redis": 6379, "chromadb": 8005, "service": 8000, "gitlab": 8929, "ollama": 11434}
WANTED = {f"tcp {HOSTS[name]}:{port}" for name, port in PORTS.items()} | {
    f"tcp 127.0.0.1:{port}" for port in PORTS.values()
}
"""What may be called: the parts, and by the health checks each part from beside it."""
RESOLVER = "198.51.100.53"
STRANGERS = ("192.0.2.7", "2001:db8::7")
"""Addresses for documentation (RFC 5737, RFC 3849), called once on purpose."""
LOOP_S = 90.0
PLACES = ("/", APP, "/etc", "/usr", sys.prefix, "/dev", "/tmp", "/data")
WRITE = """
import errno, json, sys
said = {}
for place in sys.argv[1:]:
    try:
        open(f"{place}/written", "w").close()
        said[place] = ""
    except OSError as error:
        said[place] = errno.errorcode[error.errno]
print(json.dumps(said))
"""
CALL = """
import socket, sys
for host in sys.argv[1:]:
    try:
        socket.create_connection((host, 443), 1).close()
    except OSError:
        print("no way to", host)
"""


class Report(msgspec.Struct, frozen=True):
    """What was seen."""

    run: dict[str, Any]
    commits: int
    merge_requests: int
    processes: dict[str, list[Standing]]
    written: dict[str, dict[str, str]]
    """By service and place: how writing failed; "" where it did not."""
    left: list[str]
    """What was called that is no part of it."""
    on_purpose: list[str]
    """The same, after a container was made to call strangers."""
    ipv6: bool
    """Whether the kernel has it."""
    missed: int
    stopped: dict[str, int]
    """Exit codes after SIGTERM."""


def main() -> None:
    """Prints the report."""
    folder = Path(sys.argv[1])
    ipv6 = enclose(HOSTS, RESOLVER, folder)
    recorder = Recorder()
    with _gitlab(folder) as forge:
        containers = _up(folder)
        run, commits, merge_requests = _loop(forge)
        processes = {name: c.standing() for name, c in containers.items()}
        python = [sys.executable, "-c"]
        written = {
            name: json.loads(container.execute([*python, WRITE, *PLACES]).stdout)
            for name, container in containers.items()
        }
        left = _strange(recorder)
        containers["workers"].execute([*python, CALL, "telemetry.example", *STRANGERS])
        on_purpose = _strange(recorder)
        stopped = {name: containers[name].stop() for name in reversed(containers)}
    report = Report(
        run, commits, merge_requests, processes, written, left, on_purpose, ipv6,
        recorder.missed(), stopped,
    )  # fmt: skip
    sys.stdout.buffer.write(msgspec.json.encode(report))


def _strange(recorder: Recorder) -> list[str]:
    return sorted(what for what in recorder.seen() if what not in WANTED)


@contextmanager
def _gitlab(folder: Path) -> Iterator[SandboxClient]:
    command = [sys.executable, "-m", "service.sandbox", "--host", "gitlab", "--token", BOT_TOKEN]
    command += ["--pipeline-seconds", "0.2", "--secret", SECRET]
    command += ["--system-hook", f"http://service:{PORTS['service']}/webhooks/gitlab"]
    with (
        (folder / "gitlab.log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            with SandboxClient(ready["url"], ready["admin_token"]) as forge:
                yield forge
        finally:
            process.terminate()
            process.wait(10)


def _up(folder: Path) -> dict[str, Container]:
    """All containers, each once what it waits for is healthy; with Compose's own defaults."""
    env = {
        "GITLAB_TOKEN": BOT_TOKEN, "GITLAB_WEBHOOK_SECRET": SECRET,
        "DEVOPS_BACKEND_API_TOKENS": API_TOKEN,
    }  # fmt: skip
    file = Path(__file__).parents[2] / "compose.yaml"
    containers = {}
    for name, service in compose.load(file, set(NAMES), env).items():
        containers[name] = Container(name, service, folder)
        containers[name].start()
        containers[name].wait_healthy()
    return containers


def _loop(forge: SandboxClient) -> tuple[dict[str, Any], int, int]:
    """A project is born with code: its run once that is over, our commits and merge requests."""
    project = forge.create_project("team/confined", sample="go-hello").id
    api = httpx.Client(
        base_url=f"http://service:{PORTS['service']}/api/v1", trust_env=False,
        headers={"Authorization": f"Bearer {API_TOKEN}"},
    )  # fmt: skip
    deadline, runs = time.monotonic() + LOOP_S, []
    with api:
        while time.monotonic() < deadline:
            runs = api.get("/runs", params={"project": project}).raise_for_status().json()["runs"]
            if runs and runs[0]["state"] in ("succeeded", "failed", "error", "unconfirmed"):
                break
            time.sleep(0.1)
    commits = sum(f"{TRAILER}: " in c.message for c in forge.project(project).commits)
    return runs[0] if runs else {}, commits, len(forge.merge_requests(project))


if __name__ == "__main__":
    main()
