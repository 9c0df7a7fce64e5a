"""Sweeps as they are kept in Redis: the pass at work, the last report, who holds it, what is asked.

Keys, all below `dob:`: `sweep:pass` (the pass at work, a day), `sweep:report` (the last one that
ended, 30 days), `sweep:asked` (somebody wants a thorough one), `lease:sweep`, `sweep:since` (where
the next pass begins), and `sweep` among what is due.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import msgspec
from redis import Redis

from workers import queues
from workers.runs import iso, timestamp
from workers.store.deliveries import key, now_ms
from workers.store.due import DUE
from workers.store.ledger import LEASE_MS
from workers.store.scripts import Call, script

SWEEP = "sweep"
FINDINGS_MAX = 500
"""Findings that a report lists; what is more is counted."""
PASS_TTL_S, REPORT_TTL_S = 86400, 30 * 86400


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something GitLab never told. `done` says how it was repaired; else `fix` says what helps."""

    kind: str
    project: int = 0
    path: str = ""
    found: str
    done: str = ""
    fix: str = ""


class Pass(msgspec.Struct, kw_only=True):
    """One sweep over everything: how far it is, and what it found. Times are Unix ms."""

    began: int
    ended: int = 0
    thorough: bool = False
    """Somebody asked: runs and webhooks are looked at whether or not they seem well."""
    phase: int = 0
    cursor: str = ""
    projects: int = 0
    older: int = 0
    """Projects without a run that are older than this installation: left alone."""
    calls: int = 0
    looks: int = 0
    findings: list[Finding] = []
    unlisted: int = 0
    trouble: str = ""
    """Why it was cut short; "" where it was not."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep as API and command line show it. Times are RFC 3339, UTC."""

    state: str
    """`running`, `done`, or `never`."""
    began_at: str | None = None
    ended_at: str | None = None
    thorough: bool = False
    projects: int = 0
    older: int = 0
    calls: int = 0
    findings: list[Finding] = []
    unlisted: int = 0
    trouble: str = ""


class Sweeps:
    """The sweeps over a synchronous client. One passes at a time, whoever carries it out."""

    def __init__(self, redis: Redis, every_s: float = 600) -> None:
        self._redis = redis
        self._every_ms = int(every_s * 1000)

    # -- when

    def plan(self) -> None:
        """There is always a next one, and a clock that was ahead does not put it off."""
        self._redis.zadd(DUE, {SWEEP: now_ms() + self._every_ms}, lt=True)

    def ask(self) -> str:
        """A thorough one, now, after one at work; gives the time (RFC 3339) it begins after."""
        at = timestamp()
        self._redis.set(key("sweep", "asked"), 1, ex=PASS_TTL_S)
        self._redis.zadd(DUE, {SWEEP: now_ms()})
        return at

    def send(self) -> None:
        """Wake a worker for it."""
        queues.send(self._redis, SWEEP, "due", "record", f"sweep-{now_ms()}-{secrets.token_hex(3)}")

    def again(self, after_ms: int | None = None) -> None:
        """Plan the next part, or with None the next sweep."""
        wait = self._every_ms if after_ms is None else after_ms
        self._redis.zadd(DUE, {SWEEP: now_ms() + wait})

    # -- one at a time

    @contextmanager
    def held(self) -> Iterator[str]:
        """The lease for the time of the block; "" where somebody else has it."""
        token, lease = secrets.token_hex(8), key("lease", SWEEP)
        has = bool(self._redis.set(lease, token, nx=True, px=LEASE_MS * 3))
        try:
            yield token if has else ""
        finally:
            if has:
                Call(script("renew"), (lease,), (token, 0)).run(self._redis)

    def renew(self, token: str) -> bool:
        """Hold it on; False where it was lost."""
        lease = key("lease", SWEEP)
        return bool(Call(script("renew"), (lease,), (token, LEASE_MS * 3)).run(self._redis))

    # -- how far

    def current(self) -> Pass | None:
        """The pass at work."""
        return self._read("pass")

    def begin(self) -> Pass:
        """A new pass; thorough where somebody asked for one."""
        asked = bool(self._redis.getdel(key("sweep", "asked")))
        begun = Pass(began=now_ms(), thorough=asked)
        self.save(begun)
        return begun

    def save(self, at: Pass) -> None:
        """Keep how far it is."""
        self._redis.set(key("sweep", "pass"), msgspec.json.encode(at), ex=PASS_TTL_S)

    def end(self, at: Pass) -> None:
        """It is over: its report is the last one."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.set(key("sweep", "report"), msgspec.json.encode(at), ex=REPORT_TTL_S)
        pipe.delete(key("sweep", "pass"))
        pipe.execute()

    def asked(self) -> bool:
        """Whether somebody wants another one."""
        return bool(self._redis.exists(key("sweep", "asked")))

    def is_time(self) -> bool:
        """Whether somebody asked, or the last one ended long enough ago: a wake-up that was sent
        twice begins no second one."""
        if self.asked():
            return True
        last = self._read("report")
        return last is None or now_ms() - last.ended >= self._every_ms // 2

    def mark(self, name: str, value: str) -> None:
        """Keep where the next pass begins, as it calls it."""
        self._redis.hset(key("sweep", "since"), name, value)

    def marked(self, name: str) -> str:
        """Where this pass begins; "" at first."""
        found = cast("bytes | None", self._redis.hget(key("sweep", "since"), name))
        return found.decode() if found else ""

    def report(self) -> Report:
        """The one at work, else the last."""
        current = self.current()
        last = current or self._read("report")
        if last is None:
            return Report(state="never")
        return Report(
            state="running" if current else "done", began_at=iso(last.began),
            ended_at=iso(last.ended) if last.ended else None, thorough=last.thorough,
            projects=last.projects, older=last.older, calls=last.calls, findings=last.findings,
            unlisted=last.unlisted, trouble=last.trouble,
        )  # fmt: skip

    def _read(self, name: str) -> Pass | None:
        raw = cast("bytes | None", self._redis.get(key("sweep", name)))
        try:
            return None if raw is None else msgspec.json.decode(raw, type=Pass)
        except msgspec.DecodeError:
            # Written by another version of this program: begun anew.
            return None
