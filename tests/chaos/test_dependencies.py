"""Chroma gone, wiped or full, a model that misbehaves: pipelines are made all the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.chaos import canaries, oracle
from tests.chaos.rig import ROOT, Rig, rig
from tests.chaos.test_redis_faults import fill, small_disk
from tests.chaos.traffic import Sender, Subject, first_pushes, populate
from tests.support.ollama import Mode, OllamaDouble
from workers.clients.chroma import Index
from workers.embedded import find_running_chroma
from workers.runs import Run, State
from workers.store.deliveries import key
from workers.store.runs import RunStore

DOWN_S = 15.0
MODEL_S = 4.0
Fault = Mode | Literal["refused"]
FAULTS: tuple[Fault, ...] = (
    "hang", "drip", "endless", "garbage", "503", "refused", "obeys_the_attacker",
)  # fmt: skip
TALKS = frozenset({"obeys_the_attacker"})
"""Wrong, but an answer: the next question may get a right one."""
BREAKS_AFTER = 3
SLACK_S = 10.0
"""For all else that a run does, on a busy machine."""
RUN_S, SLOT_S = 120.0, 130.0


def _go_green(tried: Rig, group: str, count: int = 3) -> list[Run]:
    """New projects, from their first push to the verdict; every oracle holds."""
    return _born(tried, populate(tried.forge, count, canaries.FILES, group))


def _open_questions(tried: Rig, stem: str, count: int) -> list[Subject]:
    """Projects that leave something to choose, each in a group of its own: what one of them teaches
    answers it for no other."""
    return [
        subject for n in range(count)
        for subject in populate(
            tried.forge, 1, canaries.FILES, f"{stem}-{n}", ["python-greeter"]
        )
    ]  # fmt: skip


def _born(tried: Rig, subjects: list[Subject]) -> list[Run]:
    """Told of, and green in the end."""
    sender = Sender(tried.program.url, first_pushes(subjects), seconds=0.2)
    sender.start()
    sender.wait()
    sender.close()
    assert oracle.everything(tried, subjects, sender.answers) == []
    with tried.program.redis() as client:
        store, found = RunStore(client), []
        for subject in subjects:
            (row,) = client.zrange(key("runs", "project", subject.id), 0, -1)
            found.append(store.get(bytes(row).decode()))
    assert {run.state for run in found} == {State.SUCCEEDED}
    return found


def _kill_chroma(tried: Rig) -> None:
    victim = tried.program.part("chroma")
    if victim is not None:
        os.kill(victim.pid, signal.SIGKILL)


@pytest.mark.timeout(400)
def test_chroma_gone_then_wiped_costs_no_run(tmp_path: Path) -> None:
    """Killed again and again while projects are born, then its folder is removed: no run fails,
    and one command brings all that was learned back from Redis."""
    with rig(tmp_path, 2) as tried:
        _go_green(tried, "before", 4)
        until = time.monotonic() + DOWN_S
        subjects = populate(tried.forge, 4, canaries.FILES, "during")
        sender = Sender(tried.program.url, first_pushes(subjects), seconds=DOWN_S / 2)
        sender.start()
        while time.monotonic() < until:
            _kill_chroma(tried)
            time.sleep(0.3)
        sender.wait()
        sender.close()
        assert oracle.everything(tried, subjects, sender.answers) == []
        shutil.rmtree(tried.program.data / "chroma" / "data")
        _kill_chroma(tried)
        _go_green(tried, "after")
        _rebuild(tried)
        with tried.program.redis() as client:
            known = {record.id for record in tried.program.learned(client) if record.successes}
        found = {hit.id for hit in _index(tried).find("successful_pipelines", {}, 1000)}
        assert known and known == found


def _index(tried: Rig) -> Index:
    deadline = time.monotonic() + 30
    while (url := find_running_chroma(tried.program.data)) is None:
        assert time.monotonic() < deadline, "Chroma did not come back"
        time.sleep(0.2)
    return Index(url, timeout=10)


def _rebuild(tried: Rig) -> None:
    """`devops-backend learned rebuild`, beside the running program."""
    _index(tried)
    command = [sys.executable, "-m", "service.cli", "learned", "rebuild"]
    done = subprocess.run(
        command, cwd=ROOT, env=tried.program.environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.timeout(400)
def test_chroma_with_a_full_disk_costs_no_run(tmp_path: Path) -> None:
    """Writes and even reads fail: runs say that they are degraded; with room it is caught up."""
    data = tmp_path / "program" / "data" / "chroma" / "data"
    with small_disk(data, "12m"), rig(tmp_path, 2) as tried:
        _go_green(tried, "before")
        full = fill(data)
        _go_green(tried, "during", 4)
        full.unlink()
        _kill_chroma(tried)
        _index(tried)
        _go_green(tried, "after")
        _rebuild(tried)
        assert _index(tried).find("successful_pipelines", {}, 1000)


@contextmanager
def _misbehaving(folder: Path, mode: Fault, **changes: Any) -> Iterator[tuple[OllamaDouble, Rig]]:
    """A program whose model was well when it was loaded; `refused`: nobody listens any more."""
    with ExitStack() as stack:
        model = stack.enter_context(OllamaDouble())
        named: Any = {"ollama_host": model.url, "ollama_model": model.models[0]}
        with rig(folder, 1, learned_quorum=100, **named, **changes) as tried:
            tried.forge.wait(lambda: model.preloads, 60, "the model to be loaded")
            if mode == "refused":
                stack.close()
            else:
                model.mode = mode
            yield model, tried


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode", FAULTS)
def test_a_model_that_misbehaves_costs_no_run(tmp_path: Path, mode: Fault) -> None:
    """Green from the template, with the reason: a call is cut in time, after three failures nobody
    asks; the model sees no text of a repository, and nothing that it says is committed."""
    with _misbehaving(tmp_path, mode, ollama_timeout_s=MODEL_S) as (model, tried):
        subjects = _open_questions(tried, "faulty", 6)
        made = [run.generation for run in _born(tried, subjects) if run.generation is not None]
        assert [one.by for one in made] == ["reference"] * 6
        assert all(one.fallback_reason and (one.seconds or 0) < MODEL_S + SLACK_S for one in made)
        assert max(_held(tried, subjects)) < MODEL_S + SLACK_S
        asked = sum(model.models[0] in question["model"] for question in model.questions)
        spared = sum("is left alone" in (one.fallback_reason or "") for one in made)
        if mode in TALKS:
            assert spared == 0 and asked >= 6, "an answer came each time: the server is not away"
        else:
            assert spared == 3 and asked == (0 if mode == "refused" else BREAKS_AFTER), asked
        for prompt in model.prompts:
            assert canaries.in_text("a prompt", prompt.encode()) == []
        for entry in tried.entries():
            assert model.attack not in str(entry.body)


def _held(tried: Rig, subjects: list[Subject]) -> list[float]:
    """Seconds from the first look at each project to its commit."""
    entries, found = tried.entries(), []
    for subject in subjects:
        path = f"/api/v4/projects/{subject.id}"
        began = min(e.at for e in entries if e.path == path)
        found.append(next(e.at for e in entries if e.path == f"{path}/repository/commits") - began)
    return found


@pytest.mark.timeout(400)
def test_a_model_that_hangs_holds_a_worker_no_longer_than_its_setting(tmp_path: Path) -> None:
    """As it is set by default: the first run commits within two minutes, its worker is held for no
    more than 130 s, and the model is asked again once it answers."""
    with _misbehaving(tmp_path, "hang") as (model, tried):
        subjects, began = _open_questions(tried, "patient", 1), time.monotonic()
        (run,) = _born(tried, subjects)
        assert time.monotonic() - began < RUN_S
        assert run.generation is not None and run.generation.by == "reference"
        (held,) = _held(tried, subjects)
        assert 60 <= held < SLOT_S
        model.mode = "ok"
        (run,) = _born(tried, _open_questions(tried, "again", 1))
        assert run.generation is not None and run.generation.by == "model"
