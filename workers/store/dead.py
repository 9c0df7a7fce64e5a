"""Dead letters: work that was given up and that only a person can set going again.

A run that ended in an error, or work of a project that killed its worker again and again, with
the deliveries that told of it. One letter per project and queue, the newest; it goes when it is
replayed, or when a later run of the project ends well.

Keys, all below `dob:`: `dead` (letters by time), `dead:{q}-{p}` (JSON, 90 days), `crashes:{q}:{p}`
(how often that work was begun and not ended, a day).
"""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec
from redis import Redis

from workers.errors import NotFound
from workers.events import Queue
from workers.runs import Options, Project, Run, State
from workers.store.asking import ask
from workers.store.deliveries import key, now_ms
from workers.store.ledger import Ledger, Trigger, Work, crashes_key
from workers.store.runs import RunStore

DEAD = key("dead")
DEAD_TTL_S = 90 * 86400
CRASHES_MAX = 10
"""Begun so often and never ended: the work is given up. A run gives up sooner by itself."""
CRASHES_TTL_S = 86400
_ID = re.compile(r"(generate|record)-([1-9][0-9]{0,15})")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What was given up. `at` is Unix ms; `run` and `deliveries` may be empty."""

    id: str
    queue: Queue
    project: int
    path: str = ""
    run: str = ""
    reason: str
    next_step: str = ""
    deliveries: tuple[str, ...] = ()
    at: int = 0


class DeadLetters:
    """The letters, over a synchronous client."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    # -- how work dies

    def began(self, work: Work) -> int:
        """Count that this work is begun; how often it was since it last came to an end."""
        counter = crashes_key(work.queue, work.project)
        pipe = self._redis.pipeline(transaction=True)
        pipe.incr(counter)
        pipe.expire(counter, CRASHES_TTL_S)
        return int(pipe.execute()[0])

    def ended(self, work: Work) -> None:
        """It came to an end, good or bad."""
        self._redis.delete(crashes_key(work.queue, work.project))

    def park(self, work: Work, path: str) -> Letter:
        """Give up work that never ended: its worker died each time, or broke."""
        told = tuple(dict.fromkeys(t.delivery for t in work.triggers if t.delivery))
        letter = Letter(
            id=f"{work.queue}-{work.project}", queue=work.queue, project=work.project, path=path,
            reason=f"parked: its worker died or broke {CRASHES_MAX} times", deliveries=told,
            next_step="see the service's log, then replay",
        )  # fmt: skip
        self.put(letter)
        self.ended(work)
        return letter

    def run_failed(self, run: Run) -> None:
        """Keep a letter for a run that ended in an error."""
        told = (run.trigger.delivery,) if run.trigger.delivery else ()
        self.put(Letter(
            id=f"generate-{run.project.id}", queue="generate", project=run.project.id,
            path=run.project.path, run=run.id, reason=run.reason or "an error",
            next_step=run.next_step or "", deliveries=told,
        ))  # fmt: skip

    def run_ended(self, run: Run) -> None:
        """A run came further than the one that died, or died itself."""
        if run.state is State.ERROR:
            self.run_failed(run)
        else:
            self.drop(f"generate-{run.project.id}")

    # -- the letters

    def put(self, letter: Letter) -> None:
        """Keep a letter; an older one of the same work goes."""
        letter = msgspec.structs.replace(letter, at=letter.at or now_ms())
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(key("dead", letter.id), msgspec.json.encode(letter), ex=DEAD_TTL_S)
        pipe.zadd(DEAD, {letter.id: letter.at})
        pipe.execute()

    def drop(self, letter_id: str) -> None:
        """Forget a letter; none is no error."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(key("dead", letter_id))
        pipe.zrem(DEAD, letter_id)
        pipe.execute()

    def count(self) -> int:
        """How many there are."""
        self._redis.zremrangebyscore(DEAD, "-inf", now_ms() - DEAD_TTL_S * 1000)
        return int(self._redis.zcard(DEAD))

    def list(self, *, before: int = 0, limit: int = 50) -> list[Letter]:
        """Newest first, older than the Unix ms `before`."""
        edge = f"({before}" if before else "+inf"
        ids = cast("Any", self._redis.zrevrangebyscore(DEAD, edge, "-inf", start=0, num=limit))
        pipe = self._redis.pipeline(transaction=False)
        for letter_id in ids:
            pipe.get(key("dead", letter_id.decode()))
        return [msgspec.json.decode(raw, type=Letter) for raw in pipe.execute() if raw is not None]

    def get(self, letter_id: str) -> Letter:
        """One letter. Raises NotFound."""
        known = _ID.fullmatch(letter_id)
        raw = cast("Any", self._redis.get(key("dead", letter_id))) if known else None
        if raw is None:
            raise NotFound(f"there is no dead letter {letter_id[:40]}", 404)
        return msgspec.json.decode(raw, type=Letter)

    def replay(self, letter_id: str, ledger: Ledger, runs: RunStore) -> str:
        """Set the work going again; gives the run that does it, "" for verdicts.

        Raises NotFound, and Busy where a run of the project is at work already.
        """
        letter = self.get(letter_id)
        run = ""
        if letter.queue == "record":
            ledger.mark(letter.project, "record")
        elif letter.run or not letter.deliveries:
            project = Project(letter.project, letter.path)
            run = ask(ledger, runs, project, "retrigger", Options()).id
        else:
            for delivery in letter.deliveries:
                row = ledger.delivery(delivery)
                trigger = Trigger(row.event.kind, delivery) if row else Trigger("resume")
                ledger.mark(letter.project, "generate", trigger)
        ledger.note(letter.deliveries, "accepted", "replayed")
        self.drop(letter_id)
        return run
