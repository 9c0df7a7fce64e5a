"""What was seen of a project's surroundings: kept in Redis, looked at again once a day.

The first look is when a project is born, while its run waits for the first push: the way from
that push to the merge request then costs no call more.

    preflight:{p}         what a project showed (`steps.preflight.Facts`), 30 days
    preflight:instance    what is the same for all projects (`Instance`), 24 h
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

import msgspec

from workers.clients.gitlab_types import Project
from workers.steps.preflight import Facts, Instance, Preflight, judge, look
from workers.store.deliveries import key, now_ms
from workers.wiring import Parts

T = TypeVar("T")

LOOK_AGAIN_MS = 24 * 3600 * 1000
KEPT_S = 30 * 86400


def ensure(parts: Parts, project: Project, *, again: bool = False) -> Preflight:
    """What stands in the way, looked at within the last day, or now with `again`.

    Never raises for GitLab's sake: what it refuses or does not answer is a finding.
    """
    facts = _kept(parts, Facts, project.id)
    fresh = facts is not None and facts.complete and now_ms() - facts.at < LOOK_AGAIN_MS
    if facts is None or not fresh or again:
        now = now_ms()
        shared = _kept(parts, Instance, "instance")
        if shared is None or now - shared.at >= LOOK_AGAIN_MS or again:
            shared = Instance(now)
        facts, shared = look(parts.gitlab, project, shared, now)
        _keep(parts, facts, project.id, KEPT_S)
        _keep(parts, shared, "instance", LOOK_AGAIN_MS // 1000)
    return _judged(parts, facts, {})


def known(parts: Parts, project: int, required: Mapping[str, bool]) -> Preflight | None:
    """What was seen last, judged for a plan that needs these variables; None: nothing was."""
    facts = _kept(parts, Facts, project)
    return None if facts is None else _judged(parts, facts, required)


def _judged(parts: Parts, facts: Facts, required: Mapping[str, bool]) -> Preflight:
    settings = parts.settings
    return judge(
        facts,
        builder=settings.image_builder,
        image_registry=settings.image_registry,
        required=required,
    )


def _kept(parts: Parts, kind: type[T], name: int | str) -> T | None:
    raw = cast("bytes | None", parts.redis.get(key("preflight", name)))
    try:
        return None if raw is None else msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError:
        # Written by another version of this program: looked at again.
        return None


def _keep(parts: Parts, value: Facts | Instance, name: int | str, seconds: int) -> None:
    parts.redis.set(key("preflight", name), msgspec.json.encode(value), ex=seconds)
