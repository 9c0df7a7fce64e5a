"""`devops-backend hooks` as a person types it: real processes against a real sandbox."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import redis
from pydantic import SecretStr

from tests.support.gitlab import BOT_TOKEN, Instance
from tests.support.mailbox import Mailbox, mailbox
from workers.embedded import EmbeddedRedis, free_port
from workers.hook_secrets import own_token
from workers.store.deliveries import now_ms
from workers.store.ledger import Ledger

SECRET = "canary-secret-0123456789"
SIGNING = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mailbox() as found:
        yield found


class Shell:
    """Types commands; the receiver's address ends in our path."""

    def __init__(self, at: Instance, data: Path, backend: str) -> None:
        self.env = {
            "PATH": os.environ["PATH"], "GITLAB_URL": at.url, "GITLAB_TOKEN": BOT_TOKEN,
            "GITLAB_WEBHOOK_SECRET": SECRET, "DEVOPS_BACKEND_URL": backend,
            "DEVOPS_BACKEND_DATA": str(data),
        }  # fmt: skip

    def hooks(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return self.types("hooks", *words, **env)

    def types(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *words],
            capture_output=True, text=True, timeout=60, env={**self.env, **env},
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert SECRET not in done.stdout + done.stderr and BOT_TOKEN not in done.stderr
        return done


@pytest.fixture
def shell(at: Instance, tmp_path: Path) -> Shell:
    return Shell(at, tmp_path, "http://localhost:8000")


def test_a_group_hears_of_a_new_project(at: Instance, box: Mailbox, tmp_path: Path) -> None:
    """Installed for a group, GitLab's own delivery of a birth arrives with our secret."""
    at.control.set_owners("acme", "devops-backend")
    backend = box.url.removesuffix("/hook")
    shell = Shell(at, tmp_path, backend)
    done = shell.hooks("install", "--group", "acme")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("webhook of the group acme ") and "created" in done.stdout
    assert done.stdout.rstrip().endswith(f"→ {backend}/webhooks/gitlab")
    project = at.control.create_project("acme/backend/app", files={"a": "1"})
    (birth,) = box.wait("project_create")
    assert birth.body["project_id"] == project.id
    assert birth.headers["x-gitlab-event"] == "Project Hook"
    assert birth.headers["x-gitlab-token"] == SECRET
    (push,) = box.wait("push")
    assert push.body["project_id"] == project.id


def test_a_project_is_given_a_secret_of_its_own(at: Instance, box: Mailbox, tmp_path: Path) -> None:
    """It speaks for that project only, so no other webhook's will do."""
    project = at.control.create_project("acme/own").id
    done = Shell(at, tmp_path, box.url.removesuffix("/hook")).hooks(
        "install", "--project", "acme/own"
    )
    assert done.returncode == 0, done.stderr
    at.control.push(project, {"a": "1"})
    [push] = box.wait("push")
    assert push.headers["x-gitlab-token"] == own_token(SecretStr(SECRET), project).decode()
    assert push.headers["x-gitlab-token"] not in done.stdout + done.stderr


def test_check_says_what_is_wrong_and_changes_nothing(at: Instance, shell: Shell) -> None:
    """Exit 1 with the fault and the command that mends it; exit 0 once it is mended."""
    at.control.set_owners("checked", "devops-backend")
    number = at.gitlab.group("checked").id
    absent = shell.hooks("check", "--group", "checked")
    assert absent.returncode == 1 and "not installed" in absent.stdout
    assert "fix: devops-backend hooks install --group checked" in absent.stdout
    assert shell.hooks("install", "--group", "checked").returncode == 0
    assert shell.hooks("check", "--group", str(number)).returncode == 0
    [hook] = at.gitlab.group_hooks(number)
    at.gitlab.update_group_hook(number, hook.id, {"url": hook.url, "project_events": False})
    broken = at.gitlab.group_hooks(number)
    found = shell.hooks("check", "--group", "checked", "--json")
    assert found.returncode == 1
    told = json.loads(found.stdout)
    assert told["installed"] and not told["sound"] and told["kind"] == "group"
    assert told["faults"] == ["births of projects were not told"]
    assert at.gitlab.group_hooks(number) == broken
    mended = shell.hooks("install", "--group", "checked", "--json")
    state = json.loads(mended.stdout)
    assert state["id"] == hook.id and "births of projects were not told" in state["repaired"]
    assert shell.hooks("check", "--group", "checked").stdout.startswith("sound: ")


def test_without_premium_both_ways_out_are_named(at: Instance, shell: Shell) -> None:
    """One line on stderr, exit 1; a project's webhook is possible all the same."""
    at.control.set_owners("free", "devops-backend")
    project = at.control.create_project("free/app")
    at.control.set_switches(premium=False)
    try:
        for command in ("install", "check"):
            done = shell.hooks(command, "--group", "free")
            assert done.returncode == 1 and done.stderr.count("\n") == 1
            assert done.stderr.startswith("error: ") and "Premium" in done.stderr
            assert "system hook" in done.stderr and "--project" in done.stderr
        assert shell.hooks("install", "--project", "free/app").returncode == 0
    finally:
        at.control.set_switches(premium=True)
    assert [hook.url for hook in at.gitlab.project_hooks(project.id)] == [
        "http://localhost:8000/webhooks/gitlab"
    ]


def test_a_local_address_names_the_setting(at: Instance, shell: Shell) -> None:
    """A project's webhook is refused with the setting; the system hook is not."""
    at.control.create_project("acme/near")
    at.control.set_switches(local_requests=False)
    done = shell.hooks("install", "--project", "acme/near")
    assert done.returncode == 1
    assert "Allow requests to the local network from webhooks and integrations" in done.stderr
    assert shell.hooks("install", GITLAB_TOKEN=at.admin_token).returncode == 0


def test_the_system_hook_needs_an_administrator(at: Instance, shell: Shell) -> None:
    """Refused with who may; then installed, and sound."""
    refused = shell.hooks("install")
    assert refused.returncode == 1
    assert "administrator" in refused.stderr and "--group" in refused.stderr
    made = shell.hooks("install", GITLAB_TOKEN=at.admin_token)
    assert made.returncode == 0 and made.stdout.startswith("system hook ")
    assert shell.hooks("check", GITLAB_TOKEN=at.admin_token).returncode == 0


def test_a_gitlab_that_does_not_sign_is_told(at: Instance, shell: Shell) -> None:
    """With a signing token set on both sides nothing is said; on an older GitLab a note."""
    at.control.create_project("acme/signed")
    new = shell.hooks("install", "--project", "acme/signed", GITLAB_SIGNING_TOKEN=SIGNING)
    assert new.returncode == 0 and new.stderr == ""
    at.control.create_project("acme/unsigned")
    at.control.set_switches(signing_tokens=False)
    old = shell.hooks("install", "--project", "acme/unsigned", GITLAB_SIGNING_TOKEN=SIGNING)
    assert old.returncode == 0 and "not signed" in old.stderr and SIGNING not in old.stderr


def test_both_options_at_once_are_bad_usage(shell: Shell) -> None:
    """Exit 2, as for every wrong usage."""
    done = shell.hooks("install", "--group", "a", "--project", "a/b")
    assert done.returncode == 2 and "exclude" in done.stderr


def test_a_name_that_is_nothing(shell: Shell) -> None:
    """Neither group nor project of that name: exit 1 with one line."""
    for option in ("--group", "--project"):
        done = shell.hooks("check", option, "no/such")
        assert done.returncode == 1 and done.stderr.count("\n") == 1


@contextmanager
def receiver(shell: Shell, url: str) -> Iterator[None]:
    """`serve` in a process of its own, at the address that it is told."""
    command = [sys.executable, "-m", "service.cli", "serve"]
    env = {**shell.env, "DEVOPS_BACKEND_URL": url}
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    httpx.get(f"{url}/health/live", trust_env=False, timeout=5)
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            assert process.poll() is None
            yield
        finally:
            process.terminate()
            assert process.wait(30) == 0


def test_without_an_address_no_webhook_is_written(at: Instance, shell: Shell) -> None:
    """Neither set nor kept by a receiver: one line names the variable, and GitLab hears nothing."""
    at.control.create_project("acme/nowhere")
    del shell.env["DEVOPS_BACKEND_URL"]
    shell.env |= {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    at.control.forget_calls()
    for words in (
        ("hooks", "install", "--project", "acme/nowhere"),
        ("sweep",),
        ("hooks", "check"),
    ):
        done = shell.types(*words, DEVOPS_BACKEND_KEY="k" * 43)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert done.stderr.startswith("error: DEVOPS_BACKEND_URL: ")
    assert at.control.calls() == []


def test_the_address_of_the_running_receiver_is_taken(
    at: Instance, shell: Shell, redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    """Another shell leads no webhook astray: what `serve` runs under is kept, and what is set wins.
    A receiver that could not start leaves it; how an address changed is said with both."""
    project = at.control.create_project("acme/led", files={"a": "1"}).id
    port = free_port()
    real, other = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/other"
    del shell.env["DEVOPS_BACKEND_URL"]
    shell.env["REDIS_URL"] = redis_server.url

    def leads_to(base: str) -> bool:
        urls = [hook.url for hook in at.gitlab.project_hooks(project)]
        return urls == [f"{base}/webhooks/gitlab"]

    options = ("--project", "acme/led")
    with receiver(shell, real):
        second = shell.types("serve", DEVOPS_BACKEND_URL=other)
        assert second.returncode == 1 and "DEVOPS_BACKEND_URL" in second.stderr
        made = shell.hooks("install", *options)
        assert made.returncode == 0 and made.stderr == "" and leads_to(real)
        moved = shell.hooks("install", *options, DEVOPS_BACKEND_URL=other)
        change = "its address was {0}/webhooks/gitlab; rewritten to {1}/webhooks/gitlab"
        assert moved.stderr.strip() == f"note: {change.format(real, other)}" and leads_to(other)
        wrong = shell.hooks("check", *options)
        assert wrong.returncode == 1 and f"its address was {other}/" in wrong.stdout
        known: dict[str, str | int] = {
            "run": "made-before",
            "settled": "archived",
            "settled_at": now_ms(),
        }
        Ledger(redis_client).note_project(project, known)
        swept = shell.types("sweep", "--json")
        assert swept.returncode == 0, swept.stderr
        told = [row for row in json.loads(swept.stdout)["findings"] if row["project"] == project]
        assert change.format(other, real) in [row["done"] for row in told] and leads_to(real)
        assert shell.hooks("check", *options).stdout.startswith("sound: ")
