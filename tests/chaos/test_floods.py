"""Our own commits told back from three hooks, and restarts in good order under load."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import msgspec
import pytest

from tests.chaos import canaries, oracle
from tests.chaos.killer import TARGETS, Killer
from tests.chaos.rig import Rig, rig
from tests.chaos.traffic import Delivery, Sender, Subject, first_pushes, make, populate
from workers.supervisor import STOP_WITHIN_S

HOOKS = 3
DRAIN_S = STOP_WITHIN_S + 10
"""What is at hand has thirty seconds; the stores end after it."""


@pytest.mark.timeout(300)
def test_our_own_commits_told_back_start_nothing(tmp_path: Path) -> None:
    """Push, pipeline and merge request of each of our commits, from three hooks, forty times in
    any order and with other keys: still one commit and one merge request."""
    with rig(tmp_path, 2) as tried:
        subjects = populate(tried.forge, 5, canaries.FILES)
        first = Sender(tried.program.url, first_pushes(subjects), seconds=0.2)
        first.start()
        first.wait()
        first.close()
        assert oracle.everything(tried, subjects, first.answers) == []
        echoes = _echoes(tried, subjects)
        storm = Sender(tried.program.url, echoes, seconds=10)
        storm.start()
        storm.wait()
        storm.close()
        answers = first.answers + storm.answers
        assert len(echoes) >= 40 * HOOKS * len(subjects)
        assert oracle.everything(tried, subjects, answers) == []


def _echoes(tried: Rig, subjects: list[Subject]) -> list[Delivery]:
    """What GitLab tells of what we did ourselves, again and again."""
    rng, found = random.Random(11), []
    for subject in subjects:
        view = tried.forge.project(subject.id)
        branch = next(name for name in view.branches if name.startswith("devops-backend/"))
        sha, request = view.branches[branch], view.merge_requests[0]
        known = {"project_id": subject.id, "path_with_namespace": subject.path}
        project = {"project": {"id": subject.id, "path_with_namespace": subject.path}}
        for _ in range(14 * HOOKS):
            before = f"{rng.getrandbits(160):040x}"
            status = rng.choice(["running", "success"])
            for body in (
                {**known, "event_name": "push", "ref": f"refs/heads/{branch}", "before": before,
                 "after": sha, "user_id": 2},
                {**project, "object_kind": "pipeline", "object_attributes": {
                    "id": view.pipelines[0].id, "sha": sha, "ref": branch, "status": status,
                    "source": "push"}},
                {**project, "object_kind": "merge_request", "object_attributes": {
                    "iid": request.iid, "source_branch": branch, "target_branch": "main",
                    "action": "update", "state": "opened", "last_commit": {"id": sha}}},
            ):  # fmt: skip
                name = f"{rng.getrandbits(64):016x}"
                found.append(Delivery(msgspec.json.encode(body), subject.id, "echo", name))
    rng.shuffle(found)
    return found


@pytest.mark.timeout(400)
def test_restarts_in_good_order_lose_and_refuse_nothing(tmp_path: Path) -> None:
    """SIGTERM for one part after another every three seconds under load: each delivery is
    answered and stored, and each part ends by itself in time."""
    with rig(tmp_path, 2) as tried:
        baseline = len(tried.program.family())
        subjects = populate(tried.forge, 20, canaries.FILES)
        sender = Sender(tried.program.url, make(subjects, 600, seed=6), seconds=40)
        sender.start()
        parts = [part for part in TARGETS if part not in ("horse", "redis")]
        killer = Killer(tried, seed=6, every=3.0, targets=parts, blow=signal.SIGTERM)
        killer.run(lambda: sender.over, 90)
        sender.wait()
        sender.close()
        statuses = {answer.status for answer in sender.answers}
        assert statuses <= {200, 202}, statuses
        violations = killer.violations + oracle.everything(tried, subjects, sender.answers)
        assert violations + oracle.processes_as_before(tried, killer.seen, baseline) == []
        assert len(killer.kills) >= 8


@pytest.mark.timeout(300)
def test_the_whole_program_ends_in_time_and_goes_on(tmp_path: Path) -> None:
    """SIGTERM for the program with work at hand: down within forty seconds, no process left; the
    next start finishes what was acknowledged."""
    with rig(tmp_path, 2) as tried:
        subjects = populate(tried.forge, 10, canaries.FILES)
        sender = Sender(tried.program.url, first_pushes(subjects), seconds=0.5)
        sender.start()
        sender.wait()
        sender.close()
        family = tried.program.family()
        began = time.monotonic()
        tried.program.stop()
        assert time.monotonic() - began < DRAIN_S
        assert [process for process in family if process.alive] == []
        tried.program.start()
        assert oracle.everything(tried, subjects, sender.answers) == []
