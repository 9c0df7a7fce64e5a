"""Callers' tokens as canaries: lent for runs of projects that the service itself may not see."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import cast

import httpx
import redis

from service.sandbox.client import SandboxClient
from tests.chaos.tokens import CALLER_TOKEN, STRANGER_TOKEN
from tests.chaos.traffic import GITLAB_TIMEOUT_S, SAMPLES, Subject
from workers.steps.publish import TRAILER
from workers.store.deliveries import key
from workers.store.runs import RunStore

DEVELOPER = 30
TAKEN = frozenset({200, 202, 409})
"""Where an answer was lost, its run is on its way: 409."""
REFUSED = frozenset({401, 403, 404})
AGAIN = frozenset({0, 429, 503})
PAUSE_S = 1.0
ASK_WITHIN_S = 60.0


class Lending:
    """A caller with a token of their own, and what was asked for with it."""

    def __init__(self, forge: SandboxClient, url: str, gitlab_url: str) -> None:
        """`url` is the program's."""
        self._forge = forge
        self._url = url
        self._gitlab_url = gitlab_url
        self._over = threading.Event()
        self.lent: list[Subject] = []
        """Projects whose request was taken."""
        self.may_expire = False
        """By a clock that jumped a token is too old, or of the future: no commit is right then."""
        self.statuses: Counter[int] = Counter()
        self.violations: list[str] = []
        forge.create_user("caller", token=CALLER_TOKEN)
        forge.create_user("stranger", token=STRANGER_TOKEN)

    def plant(self, count: int, group: str) -> list[Subject]:
        """Private projects in which our own user is nobody, and the caller a Developer."""
        found = []
        for number in range(count):
            path = f"{group}/app-{number}"
            sample = SAMPLES[number % len(SAMPLES)]
            view = self._forge.create_project(path, sample=sample, bot_role=0)
            self._forge.set_members(view.id, caller=DEVELOPER)
            found.append(Subject(view.id, path, view.branches[view.default_branch]))
        return found

    def start(self, subjects: Sequence[Subject], seconds: float) -> threading.Thread:
        """`ask_all` beside the caller; `end` ends it."""
        asking = threading.Thread(target=self.ask_all, args=[subjects, seconds], daemon=True)
        asking.start()
        return asking

    def ask_all(self, subjects: Sequence[Subject], seconds: float = 0.0) -> None:
        """A run for each in its turn, over `seconds`, until the receiver has taken it.

        A stranger asks first: what has no rights is refused, and leaves no trace either.
        """
        self._until(subjects[0], STRANGER_TOKEN, REFUSED)
        for subject in subjects:
            if self._until(subject, CALLER_TOKEN, TAKEN):
                self.lent.append(subject)
            self._over.wait(seconds / len(subjects))

    def end(self, asking: threading.Thread) -> None:
        """What was begun is brought to its end, no more is asked for."""
        self._over.set()
        asking.join(ASK_WITHIN_S)

    def _until(self, subject: Subject, token: str, wanted: frozenset[int]) -> bool:
        """Whether it was answered so; anything else but "later" is a violation."""
        while not self._over.is_set():
            status = self._ask(subject, token)
            self.statuses[status] += 1
            if status in wanted:
                return True
            if status not in AGAIN:
                self.violations.append(f"a workflow for {subject.path} was answered {status}")
                return False
            self._over.wait(PAUSE_S)
        return False

    def _ask(self, subject: Subject, token: str) -> int:
        body = {"repo_url": f"{self._gitlab_url}/{subject.path}", "gitlab_token": token}
        url = f"{self._url}/api/v1/pipeline/workflow"
        try:
            answer = httpx.post(url, json=body, timeout=GITLAB_TIMEOUT_S, trust_env=False)
        except httpx.HTTPError:
            return 0
        return answer.status_code

    def settled(self, client: redis.Redis) -> list[str]:
        """What does not hold: each of its runs is over and its token gone, one commit, by the
        caller, and one merge request."""
        store, found = RunStore(client), list(self.violations)
        for subject in self.lent:
            rows = cast("list[bytes]", client.zrange(key("runs", "project", subject.id), 0, -1))
            for run in (store.get(row.decode()) for row in rows):
                if run.active:
                    found.append(f"{subject.path}: a run with a lent token is {run.state}")
                elif client.exists(key("lent", run.options.lent)):
                    found.append(f"{subject.path}: the lent token outlived its run")
            view = self._forge.project(subject.id)
            authors = [c.author for c in view.commits if f"{TRAILER}: " in c.message]
            if self.may_expire and not authors and not view.merge_requests:
                continue
            if authors != ["Caller"] or len(view.merge_requests) != 1:
                counts = f"{authors}, {len(view.merge_requests)} merge requests"
                found.append(f"{subject.path}: commits with a lent token by {counts}")
        return found
