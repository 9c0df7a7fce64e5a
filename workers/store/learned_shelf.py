"""Learned records in Redis, each under our seal: what carries none, or another, is never used.

Keys, all below `dob:learned:`:

    record:{id}           hash: json (`Kept`) and its seal
    outcomes:{id}         hash: pipeline id -> seal and `Counted`, so each pipeline counts once
    own:{l}:{f}:{g}       ids that succeeded in top-level group g, by the weight of its successes
    shared:{l}:{f}        ids that enough groups confirm, by the weight of all successes
    all                   every id, in the order of its letters: by language, then framework
    unindexed             ids whose place in the index is behind
    revoked               origins of which nothing is learned any more
    refused               hash: how often something was not used, by reason

A record is written whole, over what was read (compare-and-swap on its seal). One that was tampered
with is made anew from its outcomes by the next honest one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, cast

import msgspec
import structlog
from pydantic import SecretStr
from redis import Redis

from workers.seal import DIGITS, Seal
from workers.store.learned_records import Counted, Kept, top_level
from workers.store.scripts import Call, script

log = structlog.get_logger(__name__)

PREFIX = "dob:learned:"
ALL = f"{PREFIX}all"
UNINDEXED = f"{PREFIX}unindexed"
REVOKED = f"{PREFIX}revoked"
REFUSED = f"{PREFIX}refused"

Reason = Literal["record", "outcome", "index"]
"""What was not ours: a record, an outcome, or what Chroma named."""
REASONS: tuple[Reason, ...] = ("record", "outcome", "index")
Reply = bytes | str | None
Saved = Literal["saved", "changed", "revoked"]

_kept = msgspec.json.Decoder(Kept).decode
_counted = msgspec.json.Decoder(Counted).decode


class Read(msgspec.Struct, frozen=True):
    """A record as it lies there; `kept` is None where there is none of ours."""

    kept: Kept | None
    seal: str
    outcomes: dict[str, Counted]


class Shelf:
    """Reads and writes single records. `key` seals them; `quorum` groups make one shared."""

    def __init__(self, redis: Redis, key: SecretStr, quorum: int = 3) -> None:
        self._redis = redis
        self._seal = Seal(key, "devops-backend learned records")
        self.quorum = quorum

    def scope(self, namespace: str) -> str:
        """An opaque word for a path's top-level group: the index need not know its name."""
        return self._seal.of("scope", top_level(namespace))

    def seal(self, *parts: str) -> str:
        """The seal of an entry of the index."""
        return self._seal.of("index", *parts)

    def sealed(self, seal: str, *parts: str) -> bool:
        """Whether it is the seal that these parts were given for the index."""
        return self._seal.holds(seal, "index", *parts)

    def refuse(self, reason: Reason, what: str) -> None:
        """Count and tell of something that is not ours."""
        self._redis.hincrby(REFUSED, reason, 1)
        log.warning("not used: it does not carry our seal", kind=reason, id=what[:80])

    def refused(self) -> dict[str, int]:
        """How often something was not used, by reason."""
        rows = cast(Mapping[Any, Any], self._redis.hgetall(REFUSED))
        return {text(name): int(count) for name, count in rows.items()}

    def load(self, ids: Iterable[str]) -> Iterator[Kept]:
        """The records of these ids that are there and ours, in their order."""
        wanted = list(ids)
        with self._redis.pipeline(transaction=False) as pipe:
            for id in wanted:
                pipe.hmget(record_key(id), "json", "seal")
            rows = pipe.execute()
        for id, (json, seal) in zip(wanted, rows, strict=True):
            kept = self._checked(id, json, seal)
            if kept is not None:
                yield kept

    def every(self) -> Iterator[Kept]:
        """Every record that is ours, 200 at a time."""
        first = "-"
        while ids := texts(self._redis.zrange(ALL, first, "+", bylex=True, offset=0, num=200)):
            yield from self.load(ids)
            first = f"({ids[-1]}"

    def read(self, id: str, pipeline: str | None = None) -> Read:
        """One record with its outcomes, of both only what is ours.

        Of a sound record only the outcome of `pipeline`, where given: it may have thousands.
        """
        json, seal = self._redis.hmget(record_key(id), "json", "seal")
        kept = self._checked(id, json, seal)
        if kept is None or pipeline is None:
            raw = cast(Mapping[Any, Any], self._redis.hgetall(outcomes_key(id)))
            rows = {text(name): text(value) for name, value in raw.items()}
        else:
            value = self._redis.hget(outcomes_key(id), pipeline)
            rows = {pipeline: text(value)} if value is not None else {}
        outcomes = {name: self._opened(id, name, value) for name, value in rows.items()}
        ours = {name: one for name, one in outcomes.items() if one is not None}
        return Read(kept, text(seal or b""), ours)

    def write(
        self, id: str, read: Read, kept: Kept | None, changed: Mapping[str, Counted | None],
        origin: tuple[str, int] = ("", 0),
    ) -> Saved:  # fmt: skip
        """Put a record in the place of what was read; None takes it away. `changed` outcomes are
        written, or taken out where None. Refused where `origin` (group, project) is revoked."""
        json = msgspec.json.encode(kept) if kept else b""
        seal = self._seal.of("record", id, json) if kept else ""
        places = self._places(read.kept, kept)
        pairs: list[str | bytes | int] = []
        for pipeline, one in changed.items():
            pairs += [pipeline, self._closed(id, pipeline, one) if one else ""]
        behind = self._scopes(read.kept) != self._scopes(kept)
        call = Call(
            script("learned_save"),
            (record_key(id), outcomes_key(id), ALL, UNINDEXED, REVOKED, *places),
            (id, read.seal, json, seal, int(behind), *map(str, origin), len(pairs),
             *pairs, *places.values()),
        )  # fmt: skip
        return cast(Saved, text(call.run(self._redis)))

    def _places(self, before: Kept | None, after: Kept | None) -> dict[str, str]:
        """Lists to keep in step: key to the record's score there, "" to take it out."""
        places: dict[str, str] = {}
        for kept in filter(None, (before, after)):
            stack = (kept.plan.language, kept.plan.framework)
            places[shared_key(*stack)] = ""
            places |= {own_key(*stack, name): "" for name in kept.voices}
        if after is not None:
            stack = (after.plan.language, after.plan.framework)
            for name, voice in after.voices.items():
                if voice.succeeded:
                    places[own_key(*stack, name)] = repr(voice.succeeded_weight)
            if after.confirmed_by >= self.quorum:
                total = sum(voice.succeeded_weight for voice in after.voices.values())
                places[shared_key(*stack)] = repr(total)
        return places

    def _scopes(self, kept: Kept | None) -> str:
        """Where the index should have a record: nowhere, with its group, or with all."""
        if kept is None or not kept.succeeded:
            return ""
        return "shared" if kept.confirmed_by >= self.quorum else "own"

    def _checked(self, id: str, json: Reply, seal: Reply) -> Kept | None:
        if json is None and seal is None:
            return None
        if not self._seal.holds(text(seal or b""), "record", id, json or b""):
            self.refuse("record", id)
            return None
        return _kept(json or b"")

    def _closed(self, id: str, pipeline: str, one: Counted) -> str:
        json = msgspec.json.encode(one).decode()
        return f"{self._seal.of('outcome', id, pipeline, json)} {json}"

    def _opened(self, id: str, pipeline: str, value: str) -> Counted | None:
        seal, json = value[:DIGITS], value[DIGITS + 1 :]
        if not self._seal.holds(seal, "outcome", id, pipeline, json):
            self.refuse("outcome", f"{id} {pipeline}")
            return None
        return _counted(json)


def record_key(id: str) -> str:
    """Where a record is."""
    return f"{PREFIX}record:{id}"


def outcomes_key(id: str) -> str:
    """Where a record's outcomes are."""
    return f"{PREFIX}outcomes:{id}"


def own_key(language: str, framework: str | None, namespace: str) -> str:
    """Where a group's own records of a stack are listed."""
    return f"{PREFIX}own:{language}:{framework or 'none'}:{namespace}"


def shared_key(language: str, framework: str | None) -> str:
    """Where the records of a stack that all may use are listed."""
    return f"{PREFIX}shared:{language}:{framework or 'none'}"


def text(value: object) -> str:
    """A reply of Redis as text, whatever bytes it holds."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def texts(reply: object) -> tuple[str, ...]:
    """Replies of Redis as texts."""
    return tuple(text(value) for value in cast(Iterable[object], reply))
