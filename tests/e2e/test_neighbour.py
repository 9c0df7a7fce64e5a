"""One noisy project beside quiet ones: what a quiet one waits from its first push to its draft.

Both figures come from the same run, in turns, so that a slow machine slows both. `-m chaos` makes
the long one: ten thousand events beside fifty quiet projects.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.support.world import World, world
from workers.store.turns import AT_ONCE

RATE = 200
"""Events a second, by one project."""
SENDERS = 2
TURN = 5
"""Quiet projects in a row with the noise, and as many without."""


class Noise:
    """Pushes and pipelines of one project, told as fast as RATE while it is on."""

    def __init__(self, up: World, project: int) -> None:
        self.statuses: list[int] = []
        self._on, self._over = threading.Event(), threading.Event()
        self._project, self._url = project, f"{up.stack.url}/webhooks/gitlab"
        secret = up.stack.settings.gitlab_webhook_secret[0].get_secret_value()
        self._headers = {"X-Gitlab-Token": secret}
        self._threads = [threading.Thread(target=self._tell, args=(n,)) for n in range(SENDERS)]

    def _tell(self, seed: int) -> None:
        rng = random.Random(seed)
        with httpx.Client(trust_env=False, timeout=30, headers=self._headers) as http:
            while not self._over.is_set():
                self._on.wait()
                body = self._event(rng)
                self.statuses.append(http.post(self._url, content=body).status_code)
                self._over.wait(SENDERS / RATE)

    def _event(self, rng: random.Random) -> bytes:
        sha = f"{rng.getrandbits(160):040x}"
        body: dict[str, Any] = {
            "event_name": "push", "project_id": self._project, "ref": "refs/heads/main",
            "before": "0" * 40, "after": sha,
        }  # fmt: skip
        if rng.random() < 0.3:
            told = {"id": rng.randrange(10**6, 10**9), "sha": sha, "status": "success"}
            body = {"object_kind": "pipeline", "project": {"id": self._project},
                    "object_attributes": told}  # fmt: skip
        return msgspec.json.encode(body)

    def turn(self, on: bool) -> None:
        """On or off."""
        (self._on.set if on else self._on.clear)()

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            self._on.set()
            for thread in self._threads:
                thread.join()


def noisy_project(up: World) -> int:
    """Every push to it begins a run with all its reading, which GitLab then refuses to commit."""
    project = up.born("noisy")
    up.run(project, "waiting_for_push")
    up.forge.set_members(project, **{"devops-backend": 20})
    up.forge.push(project, sample="go-hello")
    up.run(project, "error")
    return project


def first_push_to_draft(up: World) -> float:
    """Seconds from a quiet project's first push to its merge request."""
    project = up.born("quiet")
    up.run(project, "waiting_for_push")
    began = time.monotonic()
    up.forge.push(project, sample="node-notes")
    up.until(lambda: up.forge.merge_requests(project), lambda: "the merge request", seconds=90)
    return time.monotonic() - began


def p95(values: list[float]) -> float:
    """The 95th percentile, nearest rank."""
    return sorted(values)[max(0, -(-len(values) * 95 // 100) - 1)]


def measured(
    up: World, quiet: int, events: int, burst: bool = True
) -> tuple[list[float], list[float]]:
    """Without and with the noise: so many quiet projects each at least, and so many events.

    `burst`: with the first seconds, in which the noisy project has its first turns.
    """
    project = noisy_project(up)
    noise = Noise(up, project)
    alone: list[float] = []
    beside: list[float] = []
    with noise.running():
        if not burst:
            noise.turn(True)
            up.until(lambda: len(up.runs(project)) >= AT_ONCE, lambda: "the first turns")
        while len(beside) < quiet or len(noise.statuses) < events:
            for on, times in ((False, alone), (True, beside)):
                noise.turn(on)
                if on:
                    time.sleep(0.5)  # until its work is under way
                else:
                    up.quiet()
                times += [first_push_to_draft(up) for _ in range(TURN)]
    assert set(noise.statuses) == {202}
    return alone, beside


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_ten_thousand_events_beside_fifty_quiet_projects(tmp_path: Path) -> None:
    """The quiet ones' 95th percentile stays under twice what it is without the noise."""
    with world(tmp_path) as up:
        alone, beside = measured(up, 50, 10_000)
    told = f"{p95(alone):.2f} s without, {p95(beside):.2f} s with the noise"
    print(f"\n{len(alone)} and {len(beside)} quiet projects: {told}")
    assert p95(beside) < 2 * p95(alone)


@pytest.mark.timeout(240)
def test_a_noisy_project_does_not_slow_the_others(tmp_path: Path) -> None:
    """The short one: the middle of five, since so few have no 95th percentile worth the name."""
    with world(tmp_path) as up:
        alone, beside = measured(up, 5, 500, burst=False)
    middle = [sorted(times)[len(times) // 2] for times in (alone, beside)]
    assert middle[1] < 2 * middle[0], (alone, beside)
