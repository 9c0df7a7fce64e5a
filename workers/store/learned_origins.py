"""Where learned records come from, and taking back what an origin taught."""

from __future__ import annotations

import msgspec

from workers.errors import Rejected, Retryable
from workers.store.learned_records import Counted, LearnedPipeline, Provenance, tally, top_level
from workers.store.learned_shelf import REVOKED, Shelf

TRIES = 100
"""Writes that lose against another's; each of them means that another went through."""


class Revoked(msgspec.Struct, frozen=True):
    """What revoking an origin took away: outcomes, and records that had no others."""

    origin: str
    outcomes: int
    records: int


class Origins(Shelf):
    """Revoking by origin. Every outcome says whose it was."""

    def revoke(self, origin: str) -> Revoked:
        """Take back all that an origin taught: a project's id, or a top-level group. Nothing more
        is learned of it until `readmit`."""
        group, project = _origin(origin)
        self._redis.sadd(REVOKED, _member(origin))
        outcomes = records = 0
        for kept in self.every():
            taken, left = self._take_back(kept.plan.id, group, project)
            outcomes += taken
            records += bool(taken and not left)
        return Revoked(origin, outcomes, records)

    def readmit(self, origin: str) -> bool:
        """Learn of an origin again; false where it was not revoked."""
        return bool(self._redis.srem(REVOKED, _member(origin)))

    def _take_back(self, id: str, group: str, project: int) -> tuple[int, int]:
        """Take an origin's outcomes out of a record; how many those were, and how many are left."""
        for _ in range(TRIES):
            read = self.read(id)
            theirs = {
                name: None
                for name, one in read.outcomes.items()
                if (one.project == project if project else one.namespace == group)
            }
            left = {name: one for name, one in read.outcomes.items() if name not in theirs}
            if not theirs or read.kept is None:
                return 0, len(left)
            plan = _without(read.kept.plan, group, project, left)
            after = tally(plan, left) if left else None
            if self.write(id, read, after, theirs) != "changed":
                return len(theirs), len(left)
        raise Retryable(f"the learned record {id} is written by too many at once")


def _without(
    plan: LearnedPipeline, group: str, project: int, left: dict[str, Counted]
) -> LearnedPipeline:
    """The plan without what a revoked origin told of it; the next success tells of itself."""
    source = plan.provenance
    theirs = source.project_id == project if project else top_level(source.namespace) == group
    if not theirs or not left:
        return plan
    pipeline, one = next(iter(left.items()))
    source = Provenance(
        project_id=one.project, namespace=one.namespace, run="", pipeline=int(pipeline)
    )
    return msgspec.structs.replace(plan, provenance=source, features=(), version=None)


def _origin(origin: str) -> tuple[str, int]:
    """A group, or a project's id. Raises Rejected for what is neither."""
    name = origin.strip().strip("/").lower()
    if not name or "/" in name:
        raise Rejected(f"{origin!r} should be a top-level group, or a project's id or path")
    return (name, 0) if not name.isdigit() else ("", int(name))


def _member(origin: str) -> str:
    group, project = _origin(origin)
    return f"project:{project}" if project else f"group:{group}"
