"""One app of several: its name, and its plan moved under that name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from workers.pipeline import slots, subfolder
from workers.pipeline.plan import APP_DIR, PROJECT_KEY, Part, Plan
from workers.pipeline.schema import Job

BASE = ".base"
"""The hidden job of an app that all its others extend in the end."""
_EVERYONES = frozenset({"notify", "learn"})
_TEXTS = ("workflow", "default", "variables", "jobs", "comments", "images")
_NAMED = ("choices", "defaults", "kinds", "site")


class Member(msgspec.Struct, frozen=True):
    """One app: its name, where it lives, and its plan with its slots under a prefix of its own."""

    name: str
    path: str
    prefix: str
    plan: Plan

    @property
    def base(self) -> str:
        return self.job(BASE)

    def job(self, name: str) -> str:
        """The name of one of its jobs in the plan for all."""
        return f".{self.name}:{name[1:]}" if name.startswith(".") else f"{self.name}:{name}"


def members_of(paths: Sequence[str], plans: Sequence[Plan]) -> tuple[Member, ...]:
    named = zip(_names(paths), paths, plans, strict=True)
    return tuple(
        Member(name, path, f"app{number}_", _under(plan, f"app{number}_", path))
        for number, (name, path, plan) in enumerate(named, 1)
    )


def _names(paths: Sequence[str]) -> list[str]:
    """A short name for each folder: its own, else its path's, else with a number."""
    short = [_slug(path.rpartition("/")[2]) for path in paths]
    long = [s if short.count(s) == 1 else _slug(p) for s, p in zip(short, paths, strict=True)]
    return [s if long.count(s) == 1 else f"{s}-{n}" for n, s in enumerate(long, 1)]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "app"


def _under(plan: Plan, prefix: str, path: str) -> Plan:
    """`plan` with all its slots under `prefix`, known to servers outside by the app's name."""
    raw: dict[str, Any] = msgspec.to_builtins(plan)
    raw["site"]["project_key"] = f"{PROJECT_KEY}-$APP_NAME"
    own = plan.choices.get("dockerfile", "").removeprefix(f"{path}/")
    inside = own != plan.choices.get("dockerfile")

    def moved(text: str) -> str:
        if inside:
            text = text.replace("$[[ dockerfile ]]", f"{APP_DIR}/{own}")
        return slots.under(text, prefix)

    for field in _TEXTS:
        raw[field] = slots.each(raw[field], moved)
    for field in _NAMED:
        raw[field] = {prefix + key: value for key, value in raw[field].items()}
    return msgspec.convert(raw, Plan)


def part_of(member: Member) -> Part:
    plan = member.plan
    return Part(
        name=member.name,
        prefix=member.prefix,
        path=member.path,
        template=plan.template,
        template_version=plan.template_version,
        language=plan.language,
        framework=plan.framework,
        ecosystem=plan.ecosystem,
    )


def is_everyones(name: str, job: Job) -> bool:
    return job.stage in _EVERYONES or name in subfolder.WHOLE_REPOSITORY
