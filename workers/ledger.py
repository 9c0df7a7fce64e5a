"""The ledger in Redis: deliveries, which projects have work, who holds it, what is due later.

Keys, all below `dob:` (`{p}` a project id, `{q}` a queue):

    deliveries …        see deliveries.py
    seen:{key}          delivery id by content or by GitLab's own key, 24 h
    project:{p}         what is known of a project; `generate_wanted`, `generate_done` …
    triggers:{p}        why the project has work, oldest first, at most 200
    polls:{p}           runs that want a look at their pipeline
    heard:{p}           newest pipeline event by sha, and newest final one by `sha:final`
    dirty:{q}           projects with work, by the time of the last wake-up (ms)
    lease:{q}:{p}       who carries it out; lives 20 s unless renewed
    due                 work for later, by time (ms)
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from workers import queues
from workers.deliveries import DELIVERIES, DELIVERY_TTL_S, Deliveries, key, now_ms
from workers.events import Event, Queue
from workers.scripts import Call, script

DUE = key("due")
SEEN_TTL_S = 86400
STREAM_LENGTH = 100_000
LEASE_MS = 20_000
CLOCKS_DIFFER_MS = 60_000
"""Between machines that agree, and then some."""
FINAL = frozenset({"success", "failed", "canceled", "skipped"})
"""Final states of a GitLab pipeline (GitLab source: app/models/concerns/ci/has_status.rb)."""

_event_json = msgspec.json.Encoder().encode
_event_from = msgspec.json.Decoder(Event).decode


class Receipt(msgspec.Struct, frozen=True):
    """What became of a delivery: `accepted`, `duplicate` or `ignored`, and its id in the ledger."""

    status: str
    delivery: str


class Trigger(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a project has work: an event, or a request that made `run` itself."""

    kind: str
    delivery: str = ""
    run: str = ""
    sha: str = ""
    """The newest commit that the event tells of."""


class Heard(msgspec.Struct, frozen=True):
    """A pipeline event about one sha."""

    pipeline: int
    status: str
    at: int
    """Unix ms."""


class Work(msgspec.Struct, frozen=True):
    """What a worker took: everything wanted up to `seq`, and why."""

    project: int
    queue: Queue
    seq: int
    triggers: tuple[Trigger, ...]
    token: str
    """Of the lease."""
    dropped: int = 0
    """How many triggers had ever been pushed out of the list."""


def swept(run: str) -> str:
    """How a sweep names a run whose pipeline is to be looked at, whatever was heard."""
    return f"sweep:{run}"


def receive_call(event: Event, header_key: str = "") -> Call:
    """The one script call that takes a delivery in; the caller sends it (sync or async)."""
    project, queue, now = event.project_id, event.queue, now_ms()
    reason = event.ignored or ""
    seen = key("seen", "c", event.content_key)
    # A project's own: nobody can have another project's delivery taken for known.
    told = key("seen", "h", project, header_key[:128]) if header_key else seen
    field, heard = _heard(event, now)
    return Call(
        script("receive"),
        (
            DELIVERIES, key("project", project), key("dirty", queue), key("triggers", project),
            seen, told, key("heard", project),
            queues.queue_key(queue), queues.QUEUE_SET,
        ),
        (
            _event_json(event), now, SEEN_TTL_S, STREAM_LENGTH, "" if reason else f"{queue}_wanted",
            event.kind, event.path, field, heard, project, reason, key("delivery", ""),
            DELIVERY_TTL_S, queues.JOB_PREFIX, f"{queue}-{project}-", event.after,
            *queues.job_fields(queue, project, queue),
        ),
    )  # fmt: skip


def _heard(event: Event, now: int) -> tuple[str, bytes]:
    """Field and value of `heard:{p}`; empty where the event is not a pipeline's."""
    if event.kind != "pipeline":
        return "", b""
    field = event.sha + (":final" if event.pipeline_status in FINAL else "")
    return field, _event_json(Heard(event.pipeline_id, event.pipeline_status, now))


def receipt(answer: object) -> Receipt:
    """The receipt in a script's answer."""
    status, delivery = cast("Sequence[bytes | str]", answer)
    return Receipt(_str(status), _str(delivery))


class Ledger(Deliveries):
    """The ledger over a synchronous Redis client that answers bytes."""

    # -- taking in

    def receive(self, event: Event, header_key: str = "") -> Receipt:
        """Dedupe, append, mark and wake, in one round trip."""
        return receipt(receive_call(event, header_key).run(self._redis))

    def mark(self, project: int, queue: Queue, trigger: Trigger | None = None) -> None:
        """Say that a project has work, and wake a worker."""
        Call(
            script("mark"),
            (key("project", project), key("dirty", queue), key("triggers", project),
             queues.queue_key(queue), queues.QUEUE_SET),
            (f"{queue}_wanted", now_ms(), project, _event_json(trigger) if trigger else b"",
             queues.JOB_PREFIX, _job_id(queue, project), *queues.job_fields(queue, project, queue)),
        ).run(self._redis)  # fmt: skip

    # -- carrying out

    def take(self, project: int, queue: Queue) -> Work | None:
        """Lease a project's work; None where there is none or another worker holds it."""
        token = secrets.token_hex(8)
        lease = key("lease", queue, project)
        if not self._redis.set(lease, token, nx=True, px=LEASE_MS):
            return None
        pipe = self._redis.pipeline(transaction=True)
        pipe.zscore(key("dirty", queue), str(project))
        pipe.hmget(key("project", project), f"{queue}_wanted", "triggers_dropped")
        pipe.lrange(key("triggers", project), 0, -1)
        dirty, (wanted, dropped), triggers = pipe.execute()
        if dirty is None:
            self.free(project, queue, token)
            return None
        why = tuple(msgspec.json.decode(raw, type=Trigger) for raw in triggers)
        taken = why if queue == "generate" else ()
        return Work(project, queue, int(wanted or 0), taken, token, int(dropped or 0))

    def renew(self, work: Work) -> bool:
        """Hold the lease for another 20 s; False where it was lost."""
        call = Call(
            script("renew"), (key("lease", work.queue, work.project),), (work.token, LEASE_MS)
        )
        return bool(call.run(self._redis))

    def free(self, project: int, queue: Queue, token: str) -> None:
        """Give a lease back without having done the work."""
        Call(script("renew"), (key("lease", queue, project),), (token, 0)).run(self._redis)

    def done(self, work: Work) -> None:
        """The work is carried out; what came meanwhile wakes a worker again."""
        more = Call(
            script("done"),
            (key("project", work.project), key("dirty", work.queue), key("triggers", work.project),
             key("lease", work.queue, work.project)),
            (f"{work.queue}_wanted", f"{work.queue}_done", work.seq, len(work.triggers), work.token,
             now_ms(), work.project, work.dropped),
        ).run(self._redis)  # fmt: skip
        if more == 1:
            self.wake(work.project, work.queue, older_than_ms=now_ms())

    def wake(self, project: int, queue: Queue, *, older_than_ms: int) -> bool:
        """Send another wake-up where the project is dirty, unheld and last woken before then."""
        call = Call(
            script("wake"),
            (key("dirty", queue), key("lease", queue, project), queues.queue_key(queue),
             queues.QUEUE_SET),
            (now_ms(), project, older_than_ms, queues.JOB_PREFIX, _job_id(queue, project),
             *queues.job_fields(queue, project, queue)),
        )  # fmt: skip
        return bool(call.run(self._redis))

    def dirty(self, queue: Queue, older_than_ms: int) -> list[int]:
        """Projects with work that were last woken before then, oldest first; and those that were
        woken in the future, by a clock that was ahead."""
        name = key("dirty", queue)
        old = self._redis.zrangebyscore(name, "-inf", older_than_ms)
        ahead = self._redis.zrangebyscore(name, now_ms() + CLOCKS_DIFFER_MS, "+inf")
        return [int(_str(row)) for row in (*old, *ahead)]

    def waiting(self, queue: Queue) -> tuple[int, int]:
        """How many projects have work, and how many wake-ups wait in RQ's list."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zcard(key("dirty", queue))
        pipe.llen(queues.queue_key(queue))
        dirty, waiting = pipe.execute()
        return int(dirty), int(waiting)

    # -- later

    def later(self, what: str, at_ms: int) -> None:
        """Plan work: `generate:<project>`, `poll:<run>` … A newer time replaces the older."""
        self._redis.zadd(DUE, {what: at_ms})

    def not_later(self, what: str) -> None:
        """Forget planned work."""
        self._redis.zrem(DUE, what)

    def due(self, now: int, limit: int = 100) -> list[str]:
        """What has become due, oldest first. `claim` it before acting: another ticker may run."""
        return [
            _str(row) for row in self._redis.zrangebyscore(DUE, "-inf", now, start=0, num=limit)
        ]

    def bring_back(self, ahead_ms: int) -> None:
        """What was planned further ahead than anything ever is, by a clock that was ahead, is due
        now."""
        edge = now_ms() + ahead_ms
        for row in self._redis.zrangebyscore(DUE, f"({edge}", "+inf", start=0, num=100):
            self._redis.zadd(DUE, {_str(row): now_ms()}, xx=True, lt=True)

    def claim(self, what: str, again_ms: int) -> bool:
        """Take due work: whoever moves it first has it. It comes again at `again_ms` unless
        `not_later` says it was carried out, so a ticker that dies loses nothing."""
        score = self._redis.zscore(DUE, what)
        return (
            score is not None
            and score <= now_ms()
            and bool(self._redis.zadd(DUE, {what: again_ms}, xx=True, gt=True, ch=True))
        )

    def want_poll(self, project: int, run: str) -> None:
        """Ask the record worker to look at a run's pipeline itself; `swept(run)`: in any case."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.sadd(key("polls", project), run)
        pipe.expire(key("polls", project), SEEN_TTL_S)
        pipe.execute()

    def expects(self, project: int, queue: Queue) -> bool:
        """Whether work of a project is noted, for now or for later."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.zscore(key("dirty", queue), str(project))
        pipe.zscore(DUE, f"{queue}:{project}")
        return any(score is not None for score in pipe.execute())

    def polls(self, project: int) -> list[str]:
        """Runs that want a look, sorted."""
        return sorted(_str(run) for run in self._redis.smembers(key("polls", project)))

    def polled(self, project: int, run: str) -> None:
        """The look has been taken."""
        self._redis.srem(key("polls", project), run)

    def spend(self, project: int, run: str) -> int:
        """Count a run's commit against the project's day, once; gives how many there are."""
        budget = key("commits-today", project)
        pipe = self._redis.pipeline(transaction=True)
        pipe.sadd(budget, run)
        pipe.expire(budget, 86400, nx=True)
        pipe.scard(budget)
        return int(pipe.execute()[-1])

    # -- what is known

    def project(self, project: int) -> dict[str, str]:
        """The fields kept of a project; empty where it is unknown."""
        return {_str(k): _str(v) for k, v in self._redis.hgetall(key("project", project)).items()}

    def projects(self, projects: Sequence[int]) -> list[dict[str, str]]:
        """The fields kept of several, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        for project in projects:
            pipe.hgetall(key("project", project))
        return [{_str(k): _str(v) for k, v in row.items()} for row in pipe.execute()]

    def note_project(self, project: int, fields: Mapping[str, str | int]) -> None:
        """Keep facts of a project. An empty string removes the fact."""
        gone = [name for name, value in fields.items() if value == ""]
        kept = {name: value for name, value in fields.items() if value != ""}
        pipe = self._redis.pipeline(transaction=True)
        if kept:
            pipe.hset(key("project", project), mapping=cast("Any", kept))
        if gone:
            pipe.hdel(key("project", project), *gone)
        pipe.execute()

    def forget_later(self, project: int) -> None:
        """A project is gone: what is known of it goes with its deliveries."""
        self._redis.expire(key("project", project), DELIVERY_TTL_S)

    def heard(self, project: int) -> dict[str, Heard]:
        """Newest pipeline event by sha, newest final one by `sha:final`."""
        rows = self._redis.hgetall(key("heard", project))
        return {_str(sha): msgspec.json.decode(raw, type=Heard) for sha, raw in rows.items()}

    def replay(self, delivery: str) -> bool:
        """Carry a delivery out again; False where it is not in the ledger."""
        row = self.delivery(delivery)
        if row is None:
            return False
        event = row.event
        field, heard = _heard(event, now_ms())
        if field:
            self._redis.hset(key("heard", event.project_id), field, heard)
        self.mark(event.project_id, event.queue, None if field else Trigger(event.kind, delivery))
        self.note([delivery], "accepted", "replayed")
        return True


def _job_id(queue: str, project: int) -> str:
    return f"{queue}-{project}-{now_ms()}-{secrets.token_hex(3)}"


def _str(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
