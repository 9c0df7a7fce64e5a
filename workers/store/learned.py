"""What has been learned: plans with their record of successes and failures, kept in Redis.

Redis holds the truth; Chroma is an index over it that can be made again from here. How a record
is kept and sealed: `learned_shelf`; what it is, and to whom it is offered: `learned_records`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import msgspec

from workers.errors import NotFound, Rejected, Retryable
from workers.store.learned_origins import TRIES, Origins
from workers.store.learned_records import (
    Counted,
    Exported,
    LearnedPipeline,
    Outcome,
    Page,
    bare,
    offered,
    overlap,
    slug,
    tally,
    told,
    top_level,
    whole,
)
from workers.store.learned_shelf import ALL, UNINDEXED, Read, own_key, shared_key, texts

CONSIDERED = 64
"""Records that are compared, of the group's own and of the shared: those with most successes."""
TIE = 0.05
"""Confidences this near to each other say the same; then the nearer features win."""


class LearnedStore(Origins):
    """The records in Redis. Every write is one script: atomic, and harmless when sent twice."""

    def record_outcome(
        self, record: LearnedPipeline, pipeline: int, outcome: Outcome, at: float | None = None
    ) -> bool:
        """Note how `pipeline` (GitLab's id) ended at `at`; true where that changed anything.

        Each pipeline counts once, for its top-level group. A newer verdict about it replaces the
        older one, as after a retry; the same one again, or an older one, changes nothing. So does
        one of an origin that was revoked.
        """
        at = time.time() if at is None else min(at, time.time())
        source = record.provenance
        one = Counted(outcome, at, top_level(source.namespace), source.project_id)
        return self._count(record, str(pipeline), one)

    def _count(self, record: LearnedPipeline, pipeline: str, one: Counted) -> bool:
        for _ in range(TRIES):
            read = self.read(record.id, pipeline)
            known = read.outcomes.get(pipeline)
            if known and (known.outcome == one.outcome or one.at < known.at):
                return False
            plan = _plan(read, record, one)
            if read.kept is None:
                after = tally(plan, {**read.outcomes, pipeline: one})
            else:
                after = told(read.kept, plan, known, one)
            origin = (one.namespace, one.project)
            saved = self.write(record.id, read, after, {pipeline: one}, origin)
            if saved != "changed":
                return saved == "saved"
        raise Retryable(f"the learned record {record.id} is written by too many at once")

    def best(
        self,
        language: str,
        framework: str | None,
        features: Iterable[str] = (),
        *,
        namespace: str,
        package_manager: str | None = None,
        also: Iterable[str] = (),
        accept: Callable[[LearnedPipeline], bool] = lambda _: True,
    ) -> LearnedPipeline | None:
        """The proven record to start from: same package manager first, then the highest
        confidence, then the nearest features. None that a project of the top-level group of
        `namespace` may not see.

        `also` names records found similar elsewhere; `accept` may turn records down.
        """
        group, stack = top_level(namespace), (language, framework)
        found = [
            record
            for kept in self.load(dict.fromkeys([*self._listed(stack, group), *also]))
            if (record := offered(kept, self.quorum, group)) is not None
            if record.proven and (record.language, record.framework) == stack
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
        return max(tied, key=lambda r: (overlap(wanted, r.features), r.confidence, r.id))

    def visible(
        self, namespace: str, stacks: Iterable[tuple[str, str | None]], limit: int
    ) -> tuple[LearnedPipeline, ...]:
        """At most `limit` records of these stacks that a project of `namespace` may see."""
        group = top_level(namespace)
        ids = dict.fromkeys(id for stack in stacks for id in self._listed(stack, group))
        seen = (offered(kept, self.quorum, group) for kept in self.load(list(ids)[:limit]))
        return tuple(filter(None, seen))

    def _listed(self, stack: tuple[str, str | None], group: str) -> Iterator[str]:
        """Ids of a group's own records of a stack, then of the shared ones."""
        for key in (own_key(*stack, group), shared_key(*stack)):
            yield from texts(self._redis.zrevrange(key, 0, CONSIDERED - 1))

    def show(self, id: str, namespace: str | None = None) -> LearnedPipeline:
        """One record; as a project of `namespace` sees it, where given. Raises NotFound."""
        for kept in self.load([id]):
            if namespace is None:
                return whole(kept, self.quorum)
            if record := offered(kept, self.quorum, top_level(namespace)):
                return record
        raise NotFound(f"No learned pipeline has the id {id!r}")

    def list(
        self, cursor: str | None = None, limit: int = 50, *, language: str | None = None
    ) -> Page:
        """At most `limit` records after `cursor`, by language and framework."""
        prefix = f"{slug(language)}-" if language else ""
        first = f"({cursor}" if cursor else f"[{prefix}" if prefix else "-"
        last = f"[{prefix}\xff" if prefix else "+"
        ids = texts(self._redis.zrange(ALL, first, last, bylex=True, offset=0, num=limit + 1))
        items = tuple(whole(kept, self.quorum) for kept in self.load(ids[:limit]))
        return Page(items, ids[limit - 1] if len(ids) > limit else None)

    def __iter__(self) -> Iterator[LearnedPipeline]:
        """Every record."""
        return (whole(kept, self.quorum) for kept in self.every())

    def forget(self, id: str) -> None:
        """Drop a record and its outcomes; the index follows. Raises NotFound."""
        for _ in range(TRIES):
            read = self.read(id)
            if read.kept is None and not read.seal:
                raise NotFound(f"No learned pipeline has the id {id!r}")
            if self.write(id, read, None, {}) != "changed":
                return
        raise Retryable(f"the learned record {id} is written by too many at once")

    def export(self) -> Iterator[bytes]:
        """Every record with its outcomes, one JSON line each, without the line's end."""
        for kept in self.every():
            read = self.read(kept.plan.id)
            if read.kept is not None:
                yield msgspec.json.encode(Exported(whole(read.kept, self.quorum), read.outcomes))

    def import_(self, lines: Iterable[bytes | str]) -> int:
        """Add what `export` wrote to what is here, under our seal; how many outcomes were new.

        Importing twice changes nothing. Raises Rejected naming the first line that is not one.
        """
        new = 0
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                entry = msgspec.json.decode(line, type=Exported)
                outcomes = [(str(int(key)), one) for key, one in entry.outcomes.items()]
            except (msgspec.MsgspecError, ValueError) as error:
                raise Rejected(f"Line {number} is no exported record: {error}") from None
            source = entry.record.provenance
            for pipeline, one in sorted(outcomes, key=lambda pair: pair[1].at):
                # Exports of before say whose pipelines these were for the record as a whole.
                group = one.namespace or top_level(source.namespace)
                counted = Counted(
                    one.outcome, min(one.at, time.time()), group, one.project or source.project_id
                )
                new += self._count(bare(entry.record), pipeline, counted)
        return new

    def unindexed(self, limit: int = 100) -> tuple[str, ...]:
        """Ids of records whose entry in the index is missing or stale."""
        return tuple(sorted(texts(self._redis.srandmember(UNINDEXED, limit))))

    def indexed(self, ids: Iterable[str]) -> None:
        """The index holds these as they are here."""
        if kept := tuple(ids):
            self._redis.srem(UNINDEXED, *kept)


def _plan(read: Read, record: LearnedPipeline, one: Counted) -> LearnedPipeline:
    """What the record tells of: the first pipeline that proved it, the first while none has."""
    kept = read.kept
    if kept is None or (one.outcome == "succeeded" and not kept.succeeded):
        return bare(record)
    return kept.plan if kept.plan.provenance.run else bare(record)
