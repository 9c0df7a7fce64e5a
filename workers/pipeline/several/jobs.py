"""The jobs of several apps: each app's own, under its name, and once those that are everyone's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from workers.pipeline import slots
from workers.pipeline.plan import PROJECT_KEY, Plan
from workers.pipeline.schema import Job, Need, Rule, Variable
from workers.pipeline.several.member import BASE, Member, is_everyones

MOST_CHANGES = 50
"""Patterns that GitLab takes in one `changes`."""
DEFAULT_BRANCH = "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"


def own_jobs(member: Member, shared: Sequence[str], first: Plan) -> dict[str, Job]:
    """The app's jobs by their template's names, each run where something of the app changed.

    What they extend and need has its final name already.
    """
    own = {n: job for n, job in member.plan.jobs.items() if not is_everyones(n, job)}
    changes = _changes(member.path, shared)
    rules = (Rule(if_=DEFAULT_BRANCH), Rule(changes=changes))
    jobs = {BASE: Job(variables=_variables(member, first), rules=rules)}
    for name, job in own.items():
        jobs[name] = msgspec.structs.replace(
            job,
            extends=member.job(str(job.extends)) if job.extends in own else member.base,
            needs=None if job.needs is None else tuple(_need(member, n) for n in job.needs),
            rules=None if job.rules is None else tuple(_narrowed(job.rules, changes)),
        )
    return jobs


def _need(member: Member, need: str | Need) -> str | Need:
    if isinstance(need, str):
        return member.job(need)
    return msgspec.structs.replace(need, job=member.job(need.job))


def _changes(path: str, shared: Sequence[str]) -> tuple[str, ...]:
    """The app's own files, what several apps use, and the pipeline itself."""
    others = [f"{name}**/*" if name.endswith("/") else name for name in shared]
    good = [name for name in others if slots.accepts("path", name.removesuffix("/**/*"), None)]
    return (f"{path}/**/*", *good[: MOST_CHANGES - 2], ".gitlab-ci.yml")


def _narrowed(rules: Iterable[Rule], changes: tuple[str, ...]) -> Iterator[Rule]:
    """`rules` that hold on the default branch and for tags, elsewhere where something changed."""
    always: list[set[str]] = []
    for rule in rules:
        condition = rule.if_ or ""
        decided = DEFAULT_BRANCH in condition or "$CI_COMMIT_TAG" in condition
        if decided or rule.when == "never" or rule.changes is not None:
            always += [set(condition.split(" && "))]
            yield rule
            continue
        both = f"({condition}) && " if "||" in condition else f"{condition} && "
        there = (both if condition else "") + DEFAULT_BRANCH
        if not any(known <= set(there.split(" && ")) for known in always):
            yield msgspec.structs.replace(rule, if_=there)
        yield msgspec.structs.replace(rule, changes=changes)


def _variables(member: Member, first: Plan) -> dict[str, str]:
    """What the app's jobs see otherwise than all: its image's name, its template's variables."""
    plan = member.plan
    mine = _values(plan.variables, plan)
    all_see = _values(first.variables, first)
    own = {"APP_NAME": member.name, "APP_DIR": member.path}
    own |= {n: plan.variables[n].value for n, value in mine.items() if all_see.get(n) != value}
    if "build_image" in plan.jobs:
        own["IMAGE_NAME"] = f"{PROJECT_KEY}-{member.name}"
    return own


def _values(variables: Mapping[str, Variable], plan: Plan) -> dict[str, str]:
    return {name: slots.fill(one.value, plan.fills) for name, one in variables.items()}


def everyones(members: Sequence[Member]) -> dict[str, Job]:
    """The first plan's jobs that are nobody's own; what they need, they need of every app."""
    plan = members[0].plan
    found = {n: job for n, job in plan.jobs.items() if is_everyones(n, job)}
    for name, job in found.items():
        if job.needs:
            needs = tuple(n for need in job.needs for n in _of_every(need, found, members))
            found[name] = msgspec.structs.replace(job, needs=needs)
    return found


def _of_every(
    need: str | Need, found: Mapping[str, Job], members: Sequence[Member]
) -> Iterator[str | Need]:
    """A need that holds whether or not an app's rules let its job run."""
    target = need if isinstance(need, str) else need.job
    if target in found:
        yield need
        return
    artifacts = None if isinstance(need, str) else need.artifacts
    for member in members:
        if target in member.plan.jobs:
            yield Need(job=member.job(target), artifacts=artifacts, optional=True)
