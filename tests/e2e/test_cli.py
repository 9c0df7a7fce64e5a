"""The command line as a person uses it: real processes, their output and exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.gitlab import BOT_TOKEN, sandbox
from tests.support.world import World
from workers.embedded import EmbeddedRedis, free_port
from workers.kept import keep_url
from workers.settings import Settings

PROGRAM = [sys.executable, "-m", "service.cli"]
ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "service" / "sandbox" / "samples"


def devops(*arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end with nothing configured but `env`."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin, capture_output=True, text=True, cwd=ROOT, timeout=100, env=environment(**env),
    )  # fmt: skip


def environment(**env: str) -> dict[str, str]:
    base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**base, "OLLAMA_MODEL": "", **env}


@contextmanager
def started(*arguments: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """A command that stays up; killed in the end if it is still there."""
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment(**env),
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def descendants(pid: int) -> set[int]:
    """Process ids below `pid`, from /proc."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def test_demo_shows_the_whole_loop_and_leaves_nothing_running(tmp_path: Path) -> None:
    """Exit 0 in under 60 s, both projects green, the second from what was learned."""
    began = time.monotonic()
    with started("demo", TMPDIR=str(tmp_path)) as process:
        seen: set[int] = set()
        while process.poll() is None and time.monotonic() - began < 90:
            seen |= descendants(process.pid)
            time.sleep(0.5)
        out, err = process.communicate()
    assert process.returncode == 0, out[-3000:] + err[-3000:]
    assert time.monotonic() - began < 60
    for part in ("SIMULATED", "waiting_for_push", "awaiting_pipeline", "merge request !1",
                 "stages:", "FROM ", "from learned", "confirmed by event"):  # fmt: skip
        assert part in out, part
    assert seen and not [pid for pid in seen if Path(f"/proc/{pid}").exists()]
    assert list(tmp_path.iterdir()) == []


def test_demo_speaks_json() -> None:
    """`--json`: the runs on stdout and nothing else there."""
    done = devops("demo", "--json")
    first, second = json.loads(done.stdout)
    assert first["state"] == second["state"] == "succeeded"
    assert second["reference"]["source"] == "learned"


def test_up_by_hand_against_another_process_does_the_same(tmp_path: Path) -> None:
    """The program knows no difference: a GitLab somewhere, a token, one command."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with sandbox() as instance:
        env = {
            "GITLAB_URL": instance.url, "GITLAB_TOKEN": BOT_TOKEN, "DEVOPS_BACKEND_URL": url,
            "DEVOPS_BACKEND_DATA": str(tmp_path / "data"), "LOG_LEVEL": "warning",
        }  # fmt: skip
        with started("up", **env) as process:
            assert process.stderr is not None
            lines = [process.stderr.readline() for _ in range(2)]
            assert "API token" in lines[0] and lines[1].startswith(f"ready: {url}")
            token = lines[0].rsplit(" ", 1)[1].strip()
            admin = {"GITLAB_TOKEN": instance.admin_token}
            hook = devops("hooks", "install", **{**env, **admin})
            assert hook.returncode == 0 and "created" in hook.stdout, hook.stderr
            elsewhere = {**env, **admin}
            del elsewhere["DEVOPS_BACKEND_URL"]  # another shell: `up` has kept its address
            sound = devops("hooks", "check", **elsewhere)
            assert sound.returncode == 0 and f"→ {url}/webhooks/gitlab" in sound.stdout
            project = instance.control.create_project("team/by-hand", sample="go-hello").id
            run = wait_for_run(url, token, project)
            assert run["state"] == "succeeded" and run["pipeline"]["confirmed_by"] == "event"
            listed = devops("events", "list", "--json", **env)
            assert {row["event"]["kind"] for row in json.loads(listed.stdout)} >= {
                "project_created", "push", "pipeline",
            }  # fmt: skip
            learned = json.loads(devops("learned", "list", "--json", **env).stdout)
            assert learned[0]["language"] == "go" and learned[0]["successes"] >= 1
            shown = devops("learned", "show", learned[0]["id"], **env)
            assert json.loads(shown.stdout)["template"] == "go"
            assert devops("learned", "show", "no-such-record", **env).returncode == 1
            checks = json.loads(devops("doctor", "--json", **{**env, **admin}).stdout)
            states = {check["name"]: check["state"] for check in checks}
            assert states["gitlab"] == states["token"] == states["hooks"] == states["redis"] == "ok"
            below = descendants(process.pid)
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 0
            assert len(below) >= 6 and not [p for p in below if Path(f"/proc/{p}").exists()]


def test_a_first_start_that_fails_has_shown_its_token(tmp_path: Path) -> None:
    """Only its hash is kept, so a port that is taken must not cost the one look at it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        env = {
            "GITLAB_URL": "http://127.0.0.1:9", "GITLAB_TOKEN": BOT_TOKEN,
            "DEVOPS_BACKEND_URL": url, "DEVOPS_BACKEND_DATA": str(tmp_path),
        }  # fmt: skip
        first, second = devops("up", **env), devops("up", **env)
    assert (first.returncode, second.returncode) == (1, 1)
    assert "API token" in first.stderr and "API token" not in second.stderr


def test_ctrl_c_during_the_start_of_up_ends_it(tmp_path: Path) -> None:
    """The stores are up, the receiver is not yet: it is never called ready, nothing is left."""
    data = tmp_path / "data"
    env = {
        "GITLAB_URL": "http://127.0.0.1:9", "GITLAB_TOKEN": BOT_TOKEN, "OLLAMA_MODEL": "",
        "DEVOPS_BACKEND_URL": f"http://127.0.0.1:{free_port()}", "DEVOPS_BACKEND_DATA": str(data),
    }  # fmt: skip
    with started("up", **env) as process:
        deadline = time.monotonic() + 60
        while not (data / "chroma" / "log").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        below = descendants(process.pid)
        _, err = process.communicate(timeout=40)
    assert process.returncode == 0 and "ready:" not in err, err
    assert below and not [pid for pid in below if Path(f"/proc/{pid}").exists()]


def wait_for_run(url: str, token: str, project: int) -> dict[str, Any]:
    """The project's newest run once it has ended."""
    headers = {"Authorization": f"Bearer {token}"}
    for _ in range(400):
        answer = httpx.get(
            f"{url}/api/v1/runs", params={"project": project}, headers=headers, trust_env=False
        )
        runs = answer.raise_for_status().json()["runs"]
        if runs and runs[0]["state"] in ("succeeded", "failed", "error", "skipped"):
            found: dict[str, Any] = runs[0]
            return found
        time.sleep(0.1)
    raise AssertionError("the run did not end")


def test_workers_may_be_started_before_the_receiver(
    running: World, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    """What a receiver makes at its first start, and its address, are waited for; without them it
    is a clear error, and no webhook is led to the default."""
    env = {
        "REDIS_URL": redis_server.url, "CHROMA_URL": running.stack.settings.chroma_url or "",
        "GITLAB_URL": running.gitlab_url, "GITLAB_TOKEN": BOT_TOKEN,
        "DEVOPS_BACKEND_DATA": str(tmp_path),
    }  # fmt: skip
    with started("work", "--queue", "record", **env) as process:
        time.sleep(3)
        assert process.poll() is None
        Settings.load(devops_backend_data=tmp_path).with_secrets()
        keep_url(tmp_path, running.stack.url)
        deadline = time.monotonic() + 30
        while len(descendants(process.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(descendants(process.pid)) >= 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    alone = devops("work", **{**env, "DEVOPS_BACKEND_DATA": str(tmp_path / "other")})
    assert alone.returncode == 1 and alone.stderr.startswith("error: GITLAB_WEBHOOK_SECRET")
    secrets = {"GITLAB_WEBHOOK_SECRET": "s" * 32, "DEVOPS_BACKEND_KEY": "k" * 43}
    far = {"GITLAB_URL": "http://gitlab.example.com"}
    lost = devops(
        "work", **{**env, **secrets, **far, "DEVOPS_BACKEND_DATA": str(tmp_path / "other")}
    )
    assert lost.returncode == 1 and lost.stderr.startswith("error: DEVOPS_BACKEND_URL")


def test_work_alone_stops_gracefully_on_sigterm(running: World) -> None:
    """Workers on another machine: SIGTERM, no process left, exit 0."""
    settings = running.stack.settings
    env = {
        "REDIS_URL": settings.redis_url or "", "CHROMA_URL": settings.chroma_url or "",
        "GITLAB_URL": running.gitlab_url, "GITLAB_TOKEN": BOT_TOKEN,
        "DEVOPS_BACKEND_URL": running.stack.url,
        "DEVOPS_BACKEND_DATA": str(settings.devops_backend_data),
    }  # fmt: skip
    with started("work", "--queue", "record", "--processes", "2", **env) as process:
        deadline = time.monotonic() + 30
        while len(descendants(process.pid)) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        below = descendants(process.pid)
        assert len(below) >= 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]


@pytest.mark.parametrize(
    ("sample", "facts"),
    [
        ("go-hello", {"language": "go", "package_manager": "go"}),
        ("python-greeter", {"language": "python", "package_manager": "pip"}),
        ("node-weather", {"language": "javascript", "package_manager": "npm"}),
        ("java-bank", {"language": "java", "package_manager": "maven"}),
    ],
)
def test_analyze_a_folder(sample: str, facts: dict[str, str]) -> None:
    """Every claim with file and line, null where it is of a whole file; the same as JSON."""
    done = devops("analyze", str(SAMPLES / sample), "--json")
    found = json.loads(done.stdout)
    assert {name: found[name] for name in facts} == facts
    assert all(e["file"] and e["claim"] for e in found["evidence"]) and found["evidence"]
    lines = {e["line"] for e in found["evidence"]}
    assert None in lines and all(line > 0 for line in lines - {None})
    text = devops("analyze", str(SAMPLES / sample))
    assert text.returncode == 0 and facts["language"] in text.stdout
    assert re.search(r"\w+\.\w+:\d+", text.stdout)


def test_generate_writes_only_into_the_folder_that_was_named(tmp_path: Path) -> None:
    """Three files in `--out`, valid by the program's own check; without it they are printed."""
    done = devops("generate", str(SAMPLES / "go-hello"), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {".gitlab-ci.yml", "Dockerfile", ".dockerignore"}
    checked = devops("validate", str(tmp_path / "out" / ".gitlab-ci.yml"))
    assert checked.returncode == 0, checked.stdout
    (tmp_path / "out" / ".gitlab-ci.yml").write_text("mine: {script: [echo mine]}\n")
    (tmp_path / "out" / "Dockerfile").unlink()
    again = ("generate", str(SAMPLES / "go-hello"), "--out")
    kept = devops(*again, str(tmp_path / "out"))
    assert kept.returncode == 1 and "--force" in kept.stderr
    assert "mine" in (tmp_path / "out" / ".gitlab-ci.yml").read_text()
    assert not (tmp_path / "out" / "Dockerfile").exists()
    assert devops(*again, str(tmp_path / "out"), "--force").returncode == 0
    onto = devops(*again, str(tmp_path / "out" / "Dockerfile"))
    assert onto.returncode == 1 and onto.stderr.splitlines()[-1].startswith("error: ")
    printed = devops("generate", str(SAMPLES / "go-hello"), "--template-only", "--json")
    made = {file["path"]: file["content"] for file in json.loads(printed.stdout)["files"]}
    assert "learn_record" in yaml.safe_load(made[".gitlab-ci.yml"])


def test_generate_and_analyze_a_project_of_the_gitlab(running: World) -> None:
    """By its address; another host is refused without a call."""
    project = running.born("read", sample="node-notes")
    path = running.forge.project(project).path
    env = {"GITLAB_URL": running.gitlab_url, "GITLAB_TOKEN": BOT_TOKEN}
    here = devops("analyze", f"{running.gitlab_url}/{path}", "--json", **env)
    there = devops("analyze", str(SAMPLES / "node-notes"), "--json", **env)
    remote, local = json.loads(here.stdout), json.loads(there.stdout)
    assert remote == local
    dead = {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    made = devops("generate", f"{running.gitlab_url}/{path}", "--json", **env, **dead)
    assert json.loads(made.stdout)["files"] and "Redis does not answer" in made.stderr
    elsewhere = devops("analyze", "http://gitlab.example.com/a/b", **env)
    assert elsewhere.returncode == 1 and "GITLAB_URL" in elsewhere.stderr


def test_validate_reads_files_folders_and_standard_input(tmp_path: Path) -> None:
    """Findings with line, cause and fix; exit 1; JSON where asked; a file that is not there."""
    broken = "build:\n  stage: nowhere\n  script: [make]\n"
    done = devops("validate", "-", stdin=broken)
    assert done.returncode == 1 and re.search(r":2:", done.stdout) and "nowhere" in done.stdout
    found = json.loads(devops("validate", "-", "--json", stdin=broken).stdout)
    assert found["errors"][0]["line"] == 2
    assert devops("validate", "-", stdin="build:\n  script: [make]\n").returncode == 0
    missing = devops("validate", "no/such/file.yml")
    assert missing.returncode == 1 and "No such file" in missing.stderr
    (tmp_path / ".gitlab-ci.yml").write_text(broken)
    (tmp_path / "good.yml").write_text("build: {script: [make]}\n")
    several = devops("validate", str(tmp_path), str(tmp_path / "good.yml"), "--json")
    shown = [json.loads(line) for line in several.stdout.splitlines()]
    assert several.returncode == 1 and [file["valid"] for file in shown] == [False, True]
    assert shown[0]["file"] == str(tmp_path / ".gitlab-ci.yml")
    assert devops("validate", "--schema-only", str(tmp_path)).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["no-such-command"], 2, "No such command"),
        (["generate"], 2, "Missing argument"),
        (["work", "--queue", "other"], 2, "generate, record"),
        (["up"], 1, "GITLAB_TOKEN"),
        (["hooks", "install"], 1, "GITLAB_TOKEN"),
        (["learned", "list"], 1, "REDIS_URL"),
        (["analyze", "/no/such/folder"], 1, "not a folder"),
        (["--help"], 0, ""),
        (["--version"], 0, ""),
        (["templates", "check"], 0, ""),
    ],
)
def test_exit_codes(arguments: list[str], code: int, says: str, tmp_path: Path) -> None:
    """0 success, 1 failure, 2 bad usage; one line that names the cause, never a traceback."""
    done = devops(*arguments, DEVOPS_BACKEND_DATA=str(tmp_path))
    assert done.returncode == code, done.stderr
    assert says in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (["hooks", "check", "--json"], 1, "misconfigured"),
        (["analyze", "/no/such/folder", "--json"], 1, "not_found"),
        (["events", "list", "--json"], 1, "store"),
        (["learned", "show", "x"], 1, "store"),
        (["sweep", "--json", "--no-such-option"], 2, "usage"),
        (["demo", "--json", "extra"], 2, "usage"),
    ],
)
def test_an_error_is_json_where_json_was_asked(
    arguments: list[str], code: int, kind: str, tmp_path: Path
) -> None:
    """One object of one shape on stdout, whatever the command; the line on stderr stays."""
    given = {"DEVOPS_BACKEND_KEY": "k" * 43, "DEVOPS_BACKEND_DATA": str(tmp_path)}
    done = devops(*arguments, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0", **given)
    assert done.returncode == code, done.stderr
    shown = json.loads(done.stdout)
    assert shown.keys() == {"error"} and shown["error"].keys() == {"kind", "message"}
    assert shown["error"]["kind"] == kind
    assert code == 2 or done.stderr == f"error: {shown['error']['message']}\n"


def test_validate_says_in_json_what_it_could_not_read(tmp_path: Path) -> None:
    """A line for each file, the unreadable one's with the error."""
    good = tmp_path / "good.yml"
    good.write_text("build: {script: [make]}\n")
    done = devops("validate", "--json", str(tmp_path / "gone.yml"), str(good))
    gone, read = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 1 and read["valid"]
    assert (gone["file"], gone["error"]["kind"]) == (str(tmp_path / "gone.yml"), "file")


def test_revoking_what_taught_nothing_is_a_failure(tmp_path: Path) -> None:
    """A slip in the name must not pass for done: 1, in words and in JSON; so with --lift."""
    with EmbeddedRedis(tmp_path) as store:
        given = {"DEVOPS_BACKEND_DATA": str(tmp_path), "REDIS_URL": store.url}
        given["DEVOPS_BACKEND_KEY"] = "k" * 43
        typo = devops("learned", "revoke", "--origin", "grup", **given)
        assert typo.returncode == 1 and "nothing had been learned of 'grup'" in typo.stdout
        again = devops("learned", "revoke", "--origin", "grup", "--json", **given)
        assert again.returncode == 1 and json.loads(again.stdout)["outcomes"] == 0
        assert devops("learned", "revoke", "--origin", "grup", "--lift", **given).returncode == 0
        assert devops("learned", "revoke", "--origin", "grup", "--lift", **given).returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [("events", "list"), ("events", "replay", "1-0"), ("learned", "export"), ("audit",)],
)
def test_a_redis_that_is_away_is_one_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever a command asks of it."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    given = {"DEVOPS_BACKEND_KEY": "k" * 43, "DEVOPS_BACKEND_DATA": str(tmp_path)}
    done = devops(*arguments, REDIS_URL=url, **given)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert "Redis" in done.stderr


def test_every_command_has_help() -> None:
    """Each command and group answers `--help` with exit 0."""
    commands = devops("--help").stdout.partition("Commands:")[2]
    names = re.findall(r"^  (\w+)", commands, re.MULTILINE)
    assert len(names) == 19
    for command in names:
        done = devops(command, "--help")
        assert done.returncode == 0 and "Usage:" in done.stdout, command


def test_a_wrong_setting_stops_the_program_with_its_name() -> None:
    """One line, the variable, what it should be."""
    done = devops("up", POLL_INTERVAL_S="often")
    assert done.returncode == 1 and done.stderr.startswith("error: POLL_INTERVAL_S: ")
    assert done.stderr.count("\n") == 1
