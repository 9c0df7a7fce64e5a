"""One plan for a repository of several apps: a set of jobs for each, and once what is everyone's.

All of it stands in one file. Child pipelines would need files of their own, which may not be
committed, or a job that writes their YAML, which neither GitLab's linter nor a reader would see
before it runs; and GitLab takes hundreds of jobs in a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from workers.detect.analysis import Analysis
from workers.errors import Rejected
from workers.pipeline import subfolder
from workers.pipeline.plan import Plan
from workers.pipeline.several.fold import fold
from workers.pipeline.several.jobs import everyones, own_jobs
from workers.pipeline.several.member import members_of, part_of
from workers.pipeline.several.told import comments, left_out, notes, required

MOST = 20
"""Apps in one file; more would be no file that a person reads."""


def parts(analysis: Analysis) -> tuple[Analysis, ...]:
    """The apps that get jobs of their own, the first `MOST`; none where there are not several."""
    found = [part for part in analysis.parts if part.nothing_to_build is None]
    usable = tuple(part for part in found if subfolder.of(part))[:MOST]
    return usable if len(usable) > 1 else ()


def compose(analysis: Analysis, plans: Sequence[Plan]) -> Plan:
    """The plan of a repository from those of its `parts`, in their order.

    What all share (workflow, variables, scans of the whole, notify, learn) is the first one's.
    Raises Rejected where two jobs would have one name.
    """
    members = members_of([subfolder.of(part) for part in parts(analysis)], plans)
    first = members[0].plan
    common, each = fold(members, [own_jobs(member, analysis.shared, first) for member in members])
    named = zip(members, each, strict=True)
    own = [{member.job(name): job for name, job in mine.items()} for member, mine in named]
    jobs = _merged([{name: one.job for name, one in common.items()}, *own, everyones(members)])
    return msgspec.structs.replace(
        first,
        summary=f"{len(members)} apps",
        choices=_merged(member.plan.choices for member in members),
        defaults=_merged(member.plan.defaults for member in members),
        kinds=_merged(member.plan.kinds for member in members),
        site=_merged(member.plan.site for member in members),
        jobs=jobs,
        comments=comments(members, common, jobs),
        dockerfile=None,
        dockerignore=None,
        images=tuple(sorted({image for member in members for image in member.plan.images})),
        required_variables=required(members),
        notes=(*left_out(analysis, members), *notes(members)),
        apps=tuple(part_of(member) for member in members),
    )


def _merged(maps: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """All of them; raises Rejected for a name that two have."""
    merged: dict[str, Any] = {}
    for one in maps:
        if twice := merged.keys() & one.keys():
            raise Rejected(f"two apps would both have {min(twice)!r}")
        merged |= one
    return merged
