"""Deliveries as GitLab sends them, made by seed, and what the receiver answered to each."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec

from service.sandbox.client import SandboxClient
from tests.chaos.tokens import SECRET

SAMPLES = ("go-hello", "node-notes", "python-greeter", "java-library")
DUPLICATES = 0.2
SENDERS = 4
GITLAB_TIMEOUT_S = 10.0


class Subject(msgspec.Struct, frozen=True):
    """A project of the sandbox and the head of its branch."""

    id: int
    path: str
    sha: str


class Delivery(msgspec.Struct, frozen=True):
    """One POST; `key` is GitLab's Idempotency-Key."""

    body: bytes
    project: int
    kind: str
    key: str


class Answered(msgspec.Struct, frozen=True):
    """A delivery and its answer: status 0 where there was none; `at` is Unix s."""

    delivery: Delivery
    status: int
    text: bytes
    at: float = 0.0

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300


def populate(
    forge: SandboxClient, count: int, planted: Mapping[str, str] | None = None,
    group: str = "chaos", samples: Sequence[str] = SAMPLES,
) -> list[Subject]:  # fmt: skip
    """Projects with sources; no hook tells of them, that is the traffic's part.

    `planted` files stand beside each sample, `group` is the first part of their paths.
    """
    found = []
    for number in range(count):
        path = f"{group}/app-{number}"
        view = forge.create_project(path, sample=samples[number % len(samples)], files=planted)
        found.append(Subject(view.id, path, view.branches[view.default_branch]))
    return found


def make(subjects: Sequence[Subject], count: int, seed: int) -> list[Delivery]:
    """`count` deliveries, a fifth of them said before, out of order. Same seed, same list."""
    rng = random.Random(seed)
    fresh = int(count / (1 + DUPLICATES))
    made = [_one(rng, subjects[n % len(subjects)], n // len(subjects)) for n in range(fresh)]
    for delivery in rng.choices(made, k=count - fresh):
        # GitLab's own repetition carries the same key; a second hook says the same with another.
        again = delivery.key if rng.random() < 0.5 else f"{rng.getrandbits(64):016x}"
        made.append(msgspec.structs.replace(delivery, key=again))
    rng.shuffle(made)
    return made


def first_pushes(subjects: Sequence[Subject]) -> list[Delivery]:
    """What GitLab tells of each project's first push."""
    return [_one(random.Random(subject.path), subject, 1) for subject in subjects]


def _one(rng: random.Random, subject: Subject, turn: int) -> Delivery:
    """The project's birth, its first push, then whatever else is said about a project."""
    known = {"project_id": subject.id, "path_with_namespace": subject.path}
    main = {**known, "ref": "refs/heads/main", "user_id": 5}
    other = f"{rng.getrandbits(160):040x}"
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("project_create", {**known, "event_name": "project_create"}),
        ("push", {**main, "event_name": "push", "before": "0" * 40, "after": subject.sha}),
        ("repository_update", {
            "event_name": "repository_update", "project_id": subject.id,
            "changes": [{"before": other, "after": subject.sha, "ref": "refs/heads/main"}],
        }),
        ("push", {**main, "event_name": "push", "before": other, "after": subject.sha}),
        ("echo", {
            **main, "event_name": "push", "ref": f"refs/heads/devops-backend/ci-{other[:8]}",
            "before": "0" * 40, "after": other,
        }),
        ("pipeline", {
            "object_kind": "pipeline", "project": {"id": subject.id},
            "object_attributes": {
                "id": rng.randrange(10**6, 10**7), "sha": other, "ref": "main",
                "status": rng.choice(["running", "success", "failed"]), "source": "push",
            },
        }),
    ]  # fmt: skip
    kind, body = kinds[turn] if turn < 2 else rng.choice(kinds[2:])
    return Delivery(msgspec.json.encode(body), subject.id, kind, f"{rng.getrandbits(64):016x}")


class Sender:
    """Sends deliveries over `seconds`, once each, from threads beside the caller."""

    def __init__(self, url: str, deliveries: Sequence[Delivery], seconds: float) -> None:
        self._url = f"{url}/webhooks/gitlab"
        self._step = seconds / max(1, len(deliveries))
        self._deliveries = deliveries
        self._started = 0.0
        self.answers: list[Answered] = []
        self._pool = ThreadPoolExecutor(SENDERS)
        self._local = threading.local()
        self._clients: list[httpx.Client] = []

    def start(self) -> None:
        self._started = time.monotonic()
        for index, delivery in enumerate(self._deliveries):
            self._pool.submit(self._send, index, delivery)

    @property
    def over(self) -> bool:
        return len(self.answers) == len(self._deliveries)

    def wait(self, seconds: float = 60.0) -> None:
        """Until each has its answer, or none will come. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self.over:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self._deliveries) - len(self.answers)} are not answered")
            time.sleep(0.02)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        for client in self._clients:
            client.close()

    def _client(self) -> httpx.Client:
        client: httpx.Client | None = getattr(self._local, "client", None)
        if client is None:
            client = httpx.Client(timeout=GITLAB_TIMEOUT_S, trust_env=False)
            self._local.client = client
            self._clients.append(client)
        return client

    def _send(self, index: int, delivery: Delivery) -> None:
        time.sleep(max(0.0, self._started + index * self._step - time.monotonic()))
        headers = {
            "Content-Type": "application/json", "X-Gitlab-Event": "System Hook",
            "X-Gitlab-Token": SECRET, "Idempotency-Key": delivery.key,
        }  # fmt: skip
        try:
            answer = self._client().post(self._url, content=delivery.body, headers=headers)
            got = Answered(delivery, answer.status_code, answer.content, time.time())
            self.answers.append(got)
        except httpx.HTTPError as error:
            self.answers.append(Answered(delivery, 0, str(error).encode()))
