"""What the jobs of several apps have in common is written once, as hidden jobs that they extend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from workers.pipeline import slots
from workers.pipeline.schema import Job
from workers.pipeline.several.member import BASE, Member

_STAYS = ("extends", "stage", "needs", "rules", "cache", "allow_failure")
"""Keywords that stay with each app's job: what differs, and what tells whether a failure counts."""


class Common(msgspec.Struct, frozen=True):
    """A hidden job, and whose job of which name it was taken from."""

    job: Job
    member: Member
    name: str


Each = Sequence[Mapping[str, Job]]
"""The jobs of each member by the names that its template gives them."""


def fold(members: Sequence[Member], each: Each) -> tuple[dict[str, Common], list[dict[str, Job]]]:
    """The common parts by name, and the jobs with what is left. Nothing changes for one app."""
    groups: dict[tuple[str, bytes], list[int]] = {}
    for number, jobs in enumerate(each):
        for name, job in jobs.items():
            groups.setdefault((name, _content(job, members[number])), []).append(number)
    groups = {key: members for key, members in groups.items() if len(members) > 1}
    shared = [name for name, _ in groups]
    common: dict[str, Common] = {}
    rest = [dict(jobs) for jobs in each]
    for (name, _), numbers in groups.items():
        if name == BASE:
            continue
        member, job = members[numbers[0]], each[numbers[0]][name]
        hidden = _name(name, job, member, common, alone=shared.count(name) == 1)
        common[hidden] = Common(_without(job, _STAYS), member, name)
        for number in numbers:
            rest[number][name] = _on_top_of(hidden, each[number][name])
    return common, rest


def _content(job: Job, member: Member) -> bytes:
    """What would be written of the job, but for what stays."""
    raw = msgspec.to_builtins(_without(job, _STAYS))
    return msgspec.json.encode(slots.fill_all(raw, member.plan.fills))


def _without(job: Job, fields: Sequence[str]) -> Job:
    return msgspec.structs.replace(job, **dict.fromkeys(fields))


def _name(name: str, job: Job, member: Member, taken: Mapping[str, Common], *, alone: bool) -> str:
    """`.go:unit_tests` for a job that extends `.go`; `.build_image` for one that extends none, or
    with the language before it where there are several."""
    stem = name.removeprefix(".")
    owner = str(job.extends).removeprefix(member.job("."))
    if job.extends == member.base:
        owner = "" if alone else member.plan.language or ""
    wanted = f".{owner}:{stem}" if owner else f".{stem}"
    names = [wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 3))]
    return next(one for one in names if one not in taken)


def _on_top_of(hidden: str, job: Job) -> Job:
    kept = {field: getattr(job, field) for field in _STAYS}
    return Job(**{**kept, "extends": (str(job.extends), hidden)})
