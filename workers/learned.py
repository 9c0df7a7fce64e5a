"""What has been learned: plans with their record of successes and failures, kept in Redis.

A record is a template and the choices that were made in it, never text of a repository. Redis
holds the truth; Chroma is an index over it that can be made again from here.

Keys, all below `dob:learned:`:

    record:{id}        hash: json, succeeded, failed, their weights, created_at, last_used
    outcomes:{id}      hash: pipeline id -> "outcome at weight", so each pipeline counts once
    stack:{l}:{f}      ids proven for language and framework, by the weight of their successes
    all                every id, in the order of its letters: by language, then framework
    unindexed          ids whose place in the index is behind
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, cast

import msgspec
from redis import Redis

from workers.confidence import lower_bound, weight
from workers.errors import NotFound, Rejected
from workers.scripts import Call, script

PREFIX = "dob:learned:"
ALL = f"{PREFIX}all"
UNINDEXED = f"{PREFIX}unindexed"
CONSIDERED = 64
"""Records of a stack that are compared: those with the most recent successes."""
TIE = 0.05
"""Confidences this near to each other say the same; then the nearer features win."""

Outcome = Literal["succeeded", "failed", "unproven"]
"""`unproven` is green without evidence: nothing ran, or failures were masked."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record comes from, so that everything of one project can be found and forgotten."""

    project_id: int
    namespace: str
    run: str
    pipeline: int
    files: Mapping[str, str] = {}
    """Path to the SHA-256 (hex) of what was committed."""


class LearnedPipeline(msgspec.Struct, frozen=True, kw_only=True):
    """A template with choices, and how the pipelines made from it ended.

    Times are unix seconds. `confidence` is 0 to 1: what share of pipelines would succeed, at
    least. `created_at`, `last_used` and what follows are derived from the outcomes.
    """

    language: str
    framework: str | None
    package_manager: str | None = None
    version: str | None = None
    template: str
    template_version: str
    choices: Mapping[str, str] = {}
    plan_digest: str = ""
    features: tuple[str, ...] = ()
    provenance: Provenance
    id: str = ""
    created_at: float = 0.0
    last_used: float = 0.0
    successes: int = 0
    failures: int = 0
    confidence: float = 0.0
    proven: bool = False
    """At least one success with evidence, and not mostly failures since."""

    def __post_init__(self) -> None:
        if not self.id:
            made = record_id(self.language, self.framework, self.template, self.choices)
            msgspec.structs.force_setattr(self, "id", made)


class Page(msgspec.Struct, frozen=True):
    """Some records, and the cursor of the next ones; None at the end."""

    items: tuple[LearnedPipeline, ...]
    next: str | None


class Exported(msgspec.Struct, frozen=True):
    """One line of an export: a record and its outcomes by pipeline id."""

    record: LearnedPipeline
    outcomes: Mapping[str, tuple[Outcome, float]]


def record_id(
    language: str, framework: str | None, template: str, choices: Mapping[str, str]
) -> str:
    """The same for the same plan: `python-fastapi-` and 16 hexadecimal digits."""
    content = [language, framework, template, sorted(choices.items())]
    digest = hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]
    return f"{_slug(language)}-{_slug(framework or 'none')}-{digest}"


class LearnedStore:
    """The records in Redis. Every write is one script: atomic, and harmless when sent twice."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def record_outcome(
        self, record: LearnedPipeline, pipeline: int, outcome: Outcome, at: float | None = None
    ) -> bool:
        """Note how `pipeline` (GitLab's id) ended at `at`; true where that changed anything.

        Each pipeline counts once. A newer verdict about it replaces the older one, as after a
        retry; the same one again, or an older one, changes nothing.
        """
        at = time.time() if at is None else min(at, time.time())
        args = (record.id, _core_json(record), str(pipeline), outcome, repr(at), repr(weight(at)))
        call = Call(script("learned_outcome"), self._keys(record), args)
        return _text(call.run(self._redis)) == "recorded"

    def best(
        self,
        language: str,
        framework: str | None,
        features: Iterable[str] = (),
        *,
        package_manager: str | None = None,
        also: Iterable[str] = (),
        accept: Callable[[LearnedPipeline], bool] = lambda _: True,
    ) -> LearnedPipeline | None:
        """The proven record to start from: same package manager first, then the highest
        confidence, then the nearest features.

        `also` names records found similar elsewhere; `accept` may turn records down.
        """
        stack = self._redis.zrevrange(_stack_key(language, framework), 0, CONSIDERED - 1)
        ids = _texts(stack)
        found = [
            record
            for record in self._load(dict.fromkeys([*ids, *also]))
            if record.proven and (record.language, record.framework) == (language, framework)
            if accept(record)
        ]
        if package_manager is not None:
            same = [record for record in found if record.package_manager == package_manager]
            found = same or found
        if not found:
            return None
        highest = max(record.confidence for record in found)
        tied = [record for record in found if record.confidence >= highest - TIE]
        wanted = frozenset(features)
        return max(tied, key=lambda r: (_overlap(wanted, r.features), r.confidence, r.id))

    def show(self, id: str) -> LearnedPipeline:
        """One record. Raises NotFound."""
        for record in self._load([id]):
            return record
        raise NotFound(f"No learned pipeline has the id {id!r}")

    def list(
        self, cursor: str | None = None, limit: int = 50, *, language: str | None = None
    ) -> Page:
        """At most `limit` records after `cursor`, by language and framework."""
        prefix = f"{_slug(language)}-" if language else ""
        first = f"({cursor}" if cursor else f"[{prefix}" if prefix else "-"
        last = f"[{prefix}\xff" if prefix else "+"
        ids = _texts(self._redis.zrange(ALL, first, last, bylex=True, offset=0, num=limit + 1))
        more = len(ids) > limit
        return Page(tuple(self._load(ids[:limit])), ids[limit - 1] if more else None)

    def __iter__(self) -> Iterator[LearnedPipeline]:
        """Every record, a page at a time."""
        cursor: str | None = None
        while True:
            page = self.list(cursor, 200)
            yield from page.items
            if (cursor := page.next) is None:
                return

    def forget(self, id: str) -> None:
        """Drop a record and its outcomes; the index follows. Raises NotFound."""
        record = self.show(id)
        Call(script("learned_forget"), self._keys(record), (id,)).run(self._redis)

    def export(self) -> Iterator[bytes]:
        """Every record with its outcomes, one JSON line each, without the line's end."""
        for record in self:
            raw = cast(Mapping[Any, Any], self._redis.hgetall(_outcomes_key(record.id)))
            outcomes = {_text(key): _parse_outcome(_text(value)) for key, value in raw.items()}
            yield msgspec.json.encode(Exported(record, outcomes))

    def import_(self, lines: Iterable[bytes | str]) -> int:
        """Add what `export` wrote to what is here; how many outcomes were new.

        Importing twice changes nothing. Raises Rejected naming the first line that is not one.
        """
        new = 0
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                entry = msgspec.json.decode(line, type=Exported)
                outcomes = [(int(key), *value) for key, value in entry.outcomes.items()]
            except (msgspec.MsgspecError, ValueError) as error:
                raise Rejected(f"Line {number} is no exported record: {error}") from None
            record = msgspec.structs.replace(entry.record, id="")
            for pipeline, outcome, at in sorted(outcomes, key=lambda o: o[2]):
                new += self.record_outcome(record, pipeline, outcome, at)
        return new

    def unindexed(self, limit: int = 100) -> tuple[str, ...]:
        """Ids of records whose entry in the index is missing or stale."""
        return tuple(sorted(_texts(self._redis.srandmember(UNINDEXED, limit))))

    def indexed(self, ids: Iterable[str]) -> None:
        """The index holds these as they are here."""
        if kept := tuple(ids):
            self._redis.srem(UNINDEXED, *kept)

    def _keys(self, record: LearnedPipeline) -> tuple[str, ...]:
        stack = _stack_key(record.language, record.framework)
        return (_record_key(record.id), _outcomes_key(record.id), stack, ALL, UNINDEXED)

    def _load(self, ids: Iterable[str]) -> Iterator[LearnedPipeline]:
        with self._redis.pipeline(transaction=False) as pipe:
            for id in ids:
                pipe.hgetall(_record_key(id))
            rows = pipe.execute()
        return (_record(row) for row in rows if row)


def _record(row: Mapping[Any, Any]) -> LearnedPipeline:
    fields = {_text(key): value for key, value in row.items()}
    successes, failures = int(fields.get("succeeded", 0)), int(fields.get("failed", 0))
    weights = [max(0.0, float(fields.get(f"{o}_weight", 0))) for o in ("succeeded", "failed")]
    now = weight(time.time())
    return msgspec.structs.replace(
        msgspec.json.decode(fields["json"], type=LearnedPipeline),
        created_at=float(fields["created_at"]),
        last_used=float(fields["last_used"]),
        successes=successes,
        failures=failures,
        confidence=round(lower_bound(weights[0] / now, weights[1] / now), 4),
        # More failures than successes of late is no better start than the plain template.
        proven=successes > 0 and weights[0] >= weights[1],
    )


def _core_json(record: LearnedPipeline) -> bytes:
    """The record without what is derived from its outcomes."""
    return msgspec.json.encode(
        msgspec.structs.replace(
            record,
            created_at=0.0,
            last_used=0.0,
            successes=0,
            failures=0,
            confidence=0.0,
            proven=False,
        )
    )


def _overlap(wanted: frozenset[str], features: Iterable[str]) -> float:
    """Jaccard's index of two sets of features, 0 to 1."""
    have = frozenset(features)
    return len(wanted & have) / len(wanted | have) if wanted | have else 0.0


def _parse_outcome(text: str) -> tuple[Outcome, float]:
    outcome, at, _ = text.split(" ")
    return cast(Outcome, outcome), float(at)


def _slug(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") or "none"


def _record_key(id: str) -> str:
    return f"{PREFIX}record:{id}"


def _outcomes_key(id: str) -> str:
    return f"{PREFIX}outcomes:{id}"


def _stack_key(language: str, framework: str | None) -> str:
    return f"{PREFIX}stack:{language}:{framework or 'none'}"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _texts(reply: object) -> tuple[str, ...]:
    return tuple(_text(value) for value in cast(Iterable[object], reply))
