"""`devops-backend hooks` as a person types it: real processes against a real sandbox."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.support.gitlab import BOT_TOKEN, Instance
from tests.support.mailbox import Mailbox, mailbox
from workers.hook_secrets import own_token

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
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", "hooks", *words],
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
