"""The ledger in Redis: deliveries, which projects have work, who holds it, what is due later.

Keys, all below `dob:` (`{p}` a project id, `{q}` a queue):

    deliveries …        see deliveries.py
    seen:…, heard:…     see receiving.py
    project:{p}         see facts.py; here `generate_wanted`, `generate_done` …
    triggers:{p}        why the project has work, oldest first, at most 200
    polls:{p}           runs that want a look at their pipeline
    dirty:{q}           projects with work, by the time of the last wake-up (ms)
    lease:{q}:{p}       who carries it out; lives 20 s unless renewed
    turns:…             see turns.py
    due                 see due.py
"""

from __future__ import annotations

import secrets

import msgspec

from workers import queues
from workers.events import Event, Queue
from workers.store.deliveries import Deliveries, as_text, key, now_ms
from workers.store.due import DUE, Due
from workers.store.facts import Facts
from workers.store.receiving import SEEN_TTL_S, Heard, Receipt, heard_of, receipt, receive_call
from workers.store.scripts import Call, script
from workers.store.turns import Turns

LEASE_MS = 20_000
CLOCKS_DIFFER_MS = 60_000
"""Between machines that agree, and then some."""


class Trigger(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a project has work: an event, or a request that made `run` itself."""

    kind: str
    delivery: str = ""
    run: str = ""
    sha: str = ""
    """The newest commit that the event tells of."""


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


def crashes_key(queue: Queue, project: int) -> str:
    """Counts how often a project's work was begun since it last came to an end (`dead`)."""
    return key("crashes", queue, project)


def swept(run: str) -> str:
    """How a sweep names a run whose pipeline is to be looked at, whatever was heard."""
    return f"sweep:{run}"


class Ledger(Deliveries, Due, Facts, Turns):
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
            (f"{queue}_wanted", now_ms(), project, msgspec.json.encode(trigger) if trigger else b"",
             queues.JOB_PREFIX, _job_id(queue, project), *queues.job_fields(queue, project, queue)),
        ).run(self._redis)  # fmt: skip

    # -- carrying out

    def take(self, project: int, queue: Queue) -> Work | None:
        """Lease a project's work; None where there is none, another worker holds it, or the project
        had its turns: the ticker then wakes it later."""
        token = secrets.token_hex(8)
        lease = key("lease", queue, project)
        if not self._redis.set(lease, token, nx=True, px=LEASE_MS):
            return None
        pipe = self._redis.pipeline(transaction=True)
        pipe.zscore(key("dirty", queue), str(project))
        pipe.hmget(key("project", project), f"{queue}_wanted", "triggers_dropped")
        pipe.lrange(key("triggers", project), 0, -1)
        dirty, (wanted, dropped), triggers = pipe.execute()
        wait = self.wait_ms(project, queue) if dirty is not None else 0
        if dirty is None or wait:
            if wait:
                self._redis.zadd(key("dirty", queue), {str(project): now_ms() + wait}, xx=True)
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
        """Send another wake-up where the project is dirty, unheld and last woken before then; first
        of all where a worker died over its work."""
        call = Call(
            script("wake"),
            (key("dirty", queue), key("lease", queue, project), queues.queue_key(queue),
             queues.QUEUE_SET, crashes_key(queue, project)),
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
        return [int(as_text(row)) for row in (*old, *ahead)]

    def waiting(self, queue: Queue) -> tuple[int, int]:
        """How many projects have work, and how many wake-ups wait in RQ's list."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zcard(key("dirty", queue))
        pipe.llen(queues.queue_key(queue))
        dirty, waiting = pipe.execute()
        return int(dirty), int(waiting)

    def woken(self, queue: Queue) -> set[int]:
        """Projects for which a wake-up waits in RQ's list."""
        jobs = self._redis.lrange(queues.queue_key(queue), 0, -1)
        names = (as_text(job).split("-") for job in jobs)
        return {int(name[1]) for name in names if name[0] == queue and name[1].isdigit()}

    # -- polls, and other notes

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
        return sorted(as_text(run) for run in self._redis.smembers(key("polls", project)))

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

    def heard(self, project: int) -> dict[str, Heard]:
        """Newest pipeline event by sha, newest final one by `sha:final`."""
        rows = self._redis.hgetall(key("heard", project))
        return {as_text(sha): msgspec.json.decode(raw, type=Heard) for sha, raw in rows.items()}

    def replay(self, delivery: str) -> bool:
        """Carry a delivery out again; False where it is not in the ledger."""
        row = self.delivery(delivery)
        if row is None:
            return False
        event = row.event
        field, heard = heard_of(event, now_ms())
        if field:
            self._redis.hset(key("heard", event.project_id), field, heard)
        self.mark(event.project_id, event.queue, None if field else Trigger(event.kind, delivery))
        self.note([delivery], "accepted", "replayed")
        return True


def _job_id(queue: str, project: int) -> str:
    return f"{queue}-{project}-{now_ms()}-{secrets.token_hex(3)}"
