"""Chroma gone, wiped or full, a model that misbehaves: pipelines are made all the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos import canaries, oracle
from tests.chaos.rig import ROOT, Rig, rig
from tests.chaos.test_redis_faults import fill, small_disk
from tests.chaos.traffic import Sender, Subject, first_pushes, populate
from tests.support.ollama import Mode, OllamaDouble
from workers.clients.chroma import Index
from workers.deliveries import key
from workers.embedded import find_running_chroma
from workers.run_store import RunStore
from workers.runs import Run, State

DOWN_S = 15.0
MODEL_S = 4.0
MODES: tuple[Mode, ...] = ("obeys_the_attacker", "garbage", "endless", "drip", "503", "hang")
"""Those that count as a server's fault come last: after three of them nobody asks for a while."""
IN_TIME_S = 60.0


def _go_green(tried: Rig, group: str, count: int = 3) -> tuple[list[Subject], list[Run]]:
    """New projects, from their first push to the verdict; every oracle holds."""
    subjects = populate(tried.forge, count, canaries.FILES, group)
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
    return subjects, found


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


@pytest.mark.timeout(400)
def test_a_model_that_misbehaves_costs_no_run(tmp_path: Path) -> None:
    """In each of six ways: green in bounded time from the template, with the reason; the model is
    left alone after three failures, sees no text of a repository, and has nothing to say."""
    with (
        OllamaDouble() as model,
        rig(
            tmp_path, 2, ollama_host=model.url, ollama_model=model.models[0],
            ollama_timeout_s=MODEL_S,
        ) as tried,
    ):  # fmt: skip
        _, usual = _go_green(tried, "usual", 4)
        assert any(run.generation and run.generation.by == "model" for run in usual)
        for mode in MODES:
            model.mode, began = mode, time.monotonic()
            _, runs = _go_green(tried, mode.replace("_", "-"), 4)
            assert time.monotonic() - began < IN_TIME_S, mode
            for run in runs:
                assert run.generation is not None and run.generation.by == "reference", mode
                assert run.generation.fallback_reason, mode
        asked = len(model.questions)
        _go_green(tried, "spared", 4)
        assert len(model.questions) == asked, "it is asked though it failed three times"
        for prompt in model.prompts:
            assert canaries.in_text("a prompt", prompt.encode()) == []
        for entry in tried.entries():
            assert model.attack not in str(entry.body)
