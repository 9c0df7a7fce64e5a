"""What must hold after everything: told by the sandbox, its journal, the ledger and the files."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import cast

import msgspec
import redis
import yaml
from redis.exceptions import RedisError

from service.sandbox.journal import Entry
from tests.chaos import canaries, keys
from tests.chaos.processes import Process
from tests.chaos.rig import Rig
from tests.chaos.traffic import Answered, Subject
from workers.errors import Retryable
from workers.events import BRANCH_PREFIX, Event, Unwanted, parse
from workers.runs import State
from workers.steps.publish import MANAGED, TRAILER
from workers.store.deliveries import DELIVERIES, key, now_ms
from workers.store.ledger import Ledger
from workers.store.runs import RunStore

QUIET_S = 90.0
OPEN = frozenset(State) - {
    State.WAITING_FOR_PUSH, State.SUCCEEDED, State.FAILED, State.SKIPPED, State.UNCONFIRMED,
    State.ERROR,
}  # fmt: skip
"""States in which nothing may rest when all is quiet."""
WORK = frozenset({"project_created", "push", "repository_updated"})
STEADY_LOOKS = 5
STAGES = [
    "compile", "build", "test", "sast", "quality", "security", "push", "notify", "learn",
]  # fmt: skip
TOP = {"stages", "workflow", "variables", "default"}
UNWANTED = {"include", "trigger", "secrets", "id_tokens", "environment", "pages", "inherit"}
"""Nothing of ours starts other pipelines, or asks for what a runner keeps."""

_event_from = msgspec.json.Decoder(Event).decode


def wait_quiet(rig: Rig, seconds: float = QUIET_S) -> list[str]:
    """Until nothing is dirty, due or under way, five looks in a row.

    What is left where it grows no less for `seconds`: a long queue may take longer, if it moves.
    """
    deadline, steady, left, least = time.monotonic() + seconds, 0, ["never looked"], (10**9, 10**9)
    while time.monotonic() < deadline:
        try:
            with rig.program.redis() as client:
                left = unfinished(client)
        except (RedisError, Retryable) as error:
            left = [f"redis: {error}"]
        else:
            # What ends as a commit begins as a verdict to come: each of the two counts for itself.
            begun = sum(what.startswith("generate ") for what in left)
            if left and (begun < least[0] or len(left) < least[1]):
                deadline = time.monotonic() + seconds
                least = min(begun, least[0]), min(len(left), least[1])
        steady = 0 if left else steady + 1
        if steady == STEADY_LOOKS:
            return []
        time.sleep(0.2)
    return [f"nothing moves for {seconds:.0f} s: {what}" for what in left[:10]]


def unfinished(client: redis.Redis) -> list[str]:
    """Work that is still to be done."""
    ledger, runs = Ledger(client), RunStore(client)
    found = [f"{q} {p} is dirty" for q in ("generate", "record") for p in _dirty(client, q)]
    found += [f"{what} is due" for what in ledger.due(now_ms())]
    counts = runs.counts()
    return found + [f"{counts[s]} runs are {s}" for s in map(str, OPEN) if counts[s]]


def _dirty(client: redis.Redis, queue: str) -> list[str]:
    rows = cast("list[bytes]", client.zrange(key("dirty", queue), 0, -1))
    return [row.decode() for row in rows]


def ledger_holds(client: redis.Redis, answers: Iterable[Answered]) -> list[str]:
    """Every acknowledged delivery, or what it repeated, stands in the ledger; each fact once."""
    rows = cast("list[tuple[bytes, dict[bytes, bytes]]]", client.xrange(DELIVERIES))
    stored = [_event_from(next(iter(fields.values()))) for _, fields in rows]
    keys = Counter(event.content_key for event in stored)
    ids = {row_id.decode() for row_id, _ in rows}
    found = [f"stored {n} times: {k}" for k, n in keys.items() if n > 1]
    for answer in answers:
        event = parse(answer.delivery.body)
        if not answer.acknowledged or isinstance(event, Unwanted):
            continue
        said = re.search(rb"\d{13}-\d+", answer.text)
        if event.content_key not in keys:
            found.append(f"acknowledged and lost: {answer.text[:80]!r} {answer.delivery.kind}")
        elif said and said.group().decode() not in ids:
            found.append(f"the id of an acknowledged delivery is unknown: {said.group()!r}")
    return found


def one_each(rig: Rig, subjects: Sequence[Subject], answers: Iterable[Answered]) -> list[str]:
    """Exactly one commit and merge request of ours per project with an acknowledged event."""
    told = {a.delivery.project for a in answers if a.acknowledged and _is_work(a)}
    found = []
    for subject in subjects:
        view = rig.forge.project(subject.id)
        ours = sum(f"{TRAILER}: " in commit.message for commit in view.commits)
        counts = (ours, len(view.merge_requests))
        if subject.id in told and counts != (1, 1):
            found.append(f"project {subject.id} has (commits, merge requests) {counts}")
        elif subject.id not in told and max(counts) > 1:
            found.append(f"project {subject.id}, of which nothing was acknowledged, has {counts}")
    return found


def _is_work(answer: Answered) -> bool:
    event = parse(answer.delivery.body)
    return isinstance(event, Event) and event.kind in WORK and event.ignored is None


def carried_out(client: redis.Redis, subjects: Iterable[Subject]) -> list[str]:
    """What was wanted of a project is done, and no run of it is parked."""
    ledger, runs, found = Ledger(client), RunStore(client), []
    for subject in subjects:
        known = ledger.project(subject.id)
        for queue in ("generate", "record"):
            wanted, done = (int(known.get(f"{queue}_{what}", 0)) for what in ("wanted", "done"))
            if done < wanted:
                found.append(f"project {subject.id}: {queue} {done} of {wanted} done")
        run = runs.find(known.get("run", ""))
        if run is not None and run.state is State.ERROR:
            found.append(f"project {subject.id}: {run.reason}")
    return found


def journal_clean(entries: Iterable[Entry]) -> list[str]:
    """One applied commit a project at most, on our branches and files only; no violation."""
    found, commits = [], Counter[str]()
    for entry in entries:
        found += [f"{entry.method} {entry.path}: {what}" for what in entry.violations]
        if entry.method != "POST" or not entry.path.endswith("/repository/commits"):
            continue
        commits[entry.path] += entry.status == 201
        branch = str(entry.body.get("branch"))
        paths = {action["file_path"] for action in entry.body.get("actions", [])}
        if not branch.startswith(BRANCH_PREFIX) or not paths <= MANAGED:
            found.append(f"a write outside of what is ours: {branch} {sorted(paths)}")
    return found + [f"{n} commits by {path}" for path, n in commits.items() if n > 1]


def committed_well(entries: Iterable[Entry]) -> list[str]:
    """Every pipeline that was committed, read again by other means than those that made it."""
    found = []
    for entry in entries:
        if entry.method != "POST" or not entry.path.endswith("/repository/commits"):
            continue
        for action in entry.body.get("actions", []):
            if action["file_path"] == ".gitlab-ci.yml":
                found += [f"{entry.path}: {what}" for what in _faults(action.get("content", ""))]
    return found


def _faults(text: str) -> list[str]:
    loaded = yaml.safe_load(text)
    jobs = {k: v for k, v in loaded.items() if k not in TOP}
    found = [f"{name}: no job" for name, job in jobs.items() if not isinstance(job, dict)]
    found += [f"{name} at the top" for name in jobs if name in UNWANTED]
    found += [f"{name}: {word}" for name, job in jobs.items() for word in job if word in UNWANTED]
    if loaded.get("stages") != STAGES:
        found.append(f"stages {loaded.get('stages')}")
    if list(loaded)[-1] != "learn_record":
        found.append("the last job is not learn_record")
    return found


def answers_right(answers: Iterable[Answered]) -> list[str]:
    """2xx, 503 where it could not be stored, or no answer at all: GitLab gets nothing else."""
    counts = Counter(answer.status for answer in answers)
    return [f"{n} answers {s}" for s, n in counts.items() if s not in (0, 200, 202, 503)]


def everything(
    rig: Rig, subjects: Sequence[Subject], answers: Sequence[Answered], quiet_s: float = QUIET_S
) -> list[str]:
    """Waits until all is quiet, then asks all oracles; what does not hold, empty where all does."""
    found = wait_quiet(rig, quiet_s)
    with rig.program.redis() as client:
        found += ledger_holds(client, answers)
        found += carried_out(client, subjects)
        found += keys.without_lifetime(client)
        found += rig.lending.settled(client)
    entries = rig.entries()
    found += answers_right(answers) + one_each(rig, subjects, answers)
    return found + journal_clean(entries) + committed_well(entries) + canaries.everywhere(rig)


def processes_as_before(rig: Rig, seen: Iterable[Process], baseline: int) -> list[str]:
    """As many processes as at the start, and none that lost its parent."""
    deadline = time.monotonic() + 10
    while len(family := rig.program.family()) != baseline and time.monotonic() < deadline:
        time.sleep(0.2)  # a sweep may be at work
    left = [f"left behind: {p.command[:80]}" for p in set(seen) - set(family) if p.alive]
    if len(family) != baseline:
        left.append(f"{len(family)} processes, not {baseline}: {[p.command for p in family]}")
    return left
