"""Where runs are kept: Redis, each write a compare-and-swap.

Keys, all below `dob:`: `run:{id}` (JSON, deflated, version, state), `run:{id}:progress` (a stream),
`runs`, `runs:project:{p}`, `runs:state:{state}` (run ids, which sort by time), `commits:{p}`
(run by commit sha).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec
from redis import Redis

from workers.errors import BackendError, Conflict, NotFound
from workers.runs import END, Progress, Run, State, timestamp
from workers.store.deliveries import as_text, key
from workers.store.scripts import Call, script

RUN_TTL_S = 180 * 86400


class Busy(Conflict):
    """The project has a run that is not over; `run` is its id."""

    def __init__(self, run: str) -> None:
        super().__init__(f"run {run} of this project is not over yet", 409)
        self.run = run


class Stale(BackendError):
    """Somebody else wrote the run meanwhile."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Run).decode


def pack(text: bytes) -> bytes:
    """A run's JSON as it is kept: a run holds its plan and its files, 30 KB that deflate to 9."""
    return zlib.compress(text, 1)


def unpack(raw: bytes) -> bytes:
    """The JSON again, of runs that were kept as plain text (schema 2) as well."""
    return raw if raw.startswith(b"{") else zlib.decompress(raw)


class RunStore:
    """Runs in Redis, over a synchronous client."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def create(self, run: Run, *, supersede: bool = False, message: str = "queued") -> Run:
        """Keep a new run. Raises Busy where the project has one that is not over."""
        return self._save(run, message, supersede=supersede)

    def update(
        self, run_id: str, change: Callable[[Run], Run | None], message: str | None = None
    ) -> Run:
        """Change a run as it is now; `change` gives None to leave it. Retried when raced.

        `message` becomes a line of progress. Raises NotFound.
        """
        for _ in range(20):
            run = self.get(run_id)
            changed = change(run)
            if changed is None or changed == run:
                return run
            line = message if message is not None else (changed.reason or str(changed.state))
            try:
                return self._save(changed, line if message != "" else "")
            except Stale:
                continue
        raise Conflict(f"run {run_id} is written by too many at once")

    def _save(self, run: Run, message: str, *, supersede: bool = False) -> Run:
        run = msgspec.structs.replace(run, version=run.version + 1, updated_at=timestamp())
        progress = _encode(Progress(str(run.state), message, run.updated_at)) if message else b""
        answer = Call(
            script("save_run"),
            (key("run", run.id), key("runs"), key("runs", "project", run.project.id),
             key("run", run.id, "progress"), key("project", run.project.id),
             key("lent", run.options.lent)),
            (run.id, run.version - 1, pack(_encode(run)), str(run.state), progress, int(run.active),
             key("runs", "state", ""), RUN_TTL_S, int(supersede)),
        ).run(self._redis)  # fmt: skip
        status, value = (as_text(part) for part in cast("list[Any]", answer))
        if status == "busy":
            raise Busy(value)
        if status == "stale":
            raise Stale(f"run {run.id} is at version {value}")
        return run

    def get(self, run_id: str) -> Run:
        """The run. Raises NotFound."""
        raw = self._redis.hget(key("run", run_id), "json") if is_run_id(run_id) else None
        if raw is None:
            raise NotFound(f"there is no run {run_id[:64]}", 404)
        return _decode(unpack(cast("bytes", raw)))

    def say(self, run: Run, message: str) -> None:
        """A line of progress that changes nothing."""
        line = Progress(str(run.state), message, timestamp())
        self._redis.xadd(
            key("run", run.id, "progress"),
            {"progress": _encode(line)},
            maxlen=500,
            approximate=True,
        )

    def find(self, run_id: str) -> Run | None:
        """The run, or None."""
        try:
            return self.get(run_id)
        except NotFound:
            return None

    def page(
        self, *, project: int = 0, state: str = "", before: str = "", limit: int = 50
    ) -> list[Run]:
        """Newest first, older than the run `before`; of a project and in a state where given."""
        index = key("runs", "project", project) if project else key("runs")
        if state and not project:
            index = key("runs", "state", state)
        found: list[Run] = []
        while len(found) < limit:
            edge = f"({before}" if before else "+"
            ids = [
                as_text(i) for i in self._redis.zrevrangebylex(index, edge, "-", start=0, num=limit)
            ]
            if not ids:
                break
            found += [run for run in self._many(ids) if not state or run.state == state]
            before = ids[-1]
        return found[:limit]

    def _many(self, ids: list[str]) -> Iterator[Run]:
        pipe = self._redis.pipeline(transaction=False)
        for run_id in ids:
            pipe.hget(key("run", run_id), "json")
        return (_decode(unpack(raw)) for raw in pipe.execute() if raw is not None)

    def counts(self) -> dict[str, int]:
        """How many runs are in each state."""
        pipe = self._redis.pipeline(transaction=False)
        for state in State:
            pipe.zcard(key("runs", "state", state))
        return {str(state): int(n) for state, n in zip(State, pipe.execute(), strict=True)}

    def prune(self, before_ms: int) -> None:
        """Take runs that are older out of the lists; they themselves have expired by then."""
        edge = f"({before_ms * 1000:014x}"
        pipe = self._redis.pipeline(transaction=False)
        for index in (key("runs"), *(key("runs", "state", state) for state in State)):
            pipe.zremrangebylex(index, "-", edge)
        pipe.execute()

    def forget(self, before_ms: int, count: int) -> int:
        """Drop up to `count` of the oldest runs that are over and older; gives how many it were."""
        edge = f"({before_ms * 1000:014x}"
        pipe = self._redis.pipeline(transaction=False)
        for state in END:
            pipe.zrangebylex(key("runs", "state", state), "-", edge, start=0, num=count)
        over = sorted(as_text(run_id) for rows in pipe.execute() for run_id in rows)[:count]
        pipe = self._redis.pipeline(transaction=True)
        for run in self._many(over):
            pipe.delete(key("run", run.id), key("run", run.id, "progress"))
            pipe.zrem(key("runs", "project", run.project.id), run.id)
            if run.commit is not None:
                pipe.hdel(key("commits", run.project.id), run.commit.sha)
        for run_id in over:
            for index in (key("runs"), *(key("runs", "state", state) for state in END)):
                pipe.zrem(index, run_id)
        pipe.execute()
        return len(over)

    def progress(
        self, run_id: str, after: str = "0", *, block_ms: int | None = None
    ) -> list[Progress]:
        """Lines of progress after the line `after`; waits up to `block_ms` for one."""
        streams = {key("run", run_id, "progress"): after}
        answer = (
            cast("Any", self._redis.xread(cast("Any", streams), count=200, block=block_ms)) or []
        )
        rows = answer[0][1] if isinstance(answer, list) and answer else []
        if isinstance(answer, dict):
            rows = next(iter(answer.values()), [[]])[0]
        return [_progress(row_id, fields) for row_id, fields in rows]

    def remember_commit(self, project: int, sha: str, run_id: str) -> None:
        """So that a pipeline event finds its run."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(key("commits", project), sha, run_id)
        pipe.expire(key("commits", project), RUN_TTL_S)
        pipe.execute()

    def by_commit(self, project: int) -> dict[str, str]:
        """Run ids by commit sha."""
        rows = self._redis.hgetall(key("commits", project))
        return {as_text(sha): as_text(run) for sha, run in rows.items()}


def _progress(row_id: object, fields: dict[Any, Any]) -> Progress:
    line = msgspec.json.decode(next(iter(fields.values())), type=Progress)
    return msgspec.structs.replace(line, id=as_text(row_id))


def is_run_id(text: str) -> bool:
    """Whether a text may be the id of a run."""
    return len(text) == 20 and all(c in "0123456789abcdef" for c in text)
