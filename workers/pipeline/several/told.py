"""What a plan for several apps tells people: comments, variables to set, notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from workers.detect.analysis import Analysis
from workers.pipeline import slots
from workers.pipeline.schema import Job, RequiredVariable
from workers.pipeline.several.fold import Common
from workers.pipeline.several.member import Member, is_everyones


def comments(
    members: Sequence[Member], common: Mapping[str, Common], jobs: Mapping[str, Job]
) -> dict[str, str]:
    """Each comment once: where it first stands."""
    seen: set[str] = set()
    told = {
        member.base: f"{member.path}: runs where its files changed, on the default branch always."
        for member in members
    }
    named = [(name, one.member, one.name) for name, one in common.items()]
    named += [(n if n in jobs else m.job(n), m, n) for m in members for n in m.plan.comments]
    for name, member, original in named:
        text = member.plan.comments.get(original, "")
        plain = slots.fill(text, member.plan.fills)
        if text and plain not in seen and name in jobs:
            told[name] = text
        seen.add(plain)
    return told


def required(members: Sequence[Member]) -> tuple[RequiredVariable, ...]:
    """Each variable once, with all the jobs that use it."""
    rows: dict[str, RequiredVariable] = {}
    for member in members:
        own = {n for n, job in member.plan.jobs.items() if not is_everyones(n, job)}
        for row in member.plan.required_variables:
            jobs = tuple(member.job(name) if name in own else name for name in row.used_by)
            known = rows.get(row.name)
            used = tuple(dict.fromkeys((*known.used_by, *jobs))) if known else jobs
            needed = row.needed or (known is not None and known.needed)
            rows[row.name] = msgspec.structs.replace(row, used_by=used, needed=needed)
    return tuple(rows.values())


def notes(members: Sequence[Member]) -> Iterator[str]:
    """Each note once, with the apps that it is about."""
    about: dict[str, list[str]] = {}
    for member in members:
        for note in member.plan.notes:
            about.setdefault(note, []).append(member.name)
    for note, names in about.items():
        yield note if len(names) == len(members) else f"{', '.join(names)}: {note}"


def left_out(analysis: Analysis, members: Sequence[Member]) -> Iterator[str]:
    built = {member.path for member in members}
    left = [app.path for app in analysis.apps if app.path not in (*built, ".")]
    if left:
        yield f"Not built: {', '.join(left)}; there is nothing to build, or there are too many."
    if analysis.dockerfile and analysis.dockerfile.count("/") == 0:
        yield "The Dockerfile at the root belongs to no single app, so no job builds it."
