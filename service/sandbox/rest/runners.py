"""Runners of a project, and one with its tags."""

from __future__ import annotations

from typing import Any

from service.sandbox.refusal import message, not_found
from service.sandbox.rest.call import Answer, Call, paginate
from service.sandbox.runners import SIMULATED, CiRunner
from service.sandbox.state import Project, Role


def of_project(project: Project) -> list[CiRunner]:
    """Its own, else the simulated one; none where its outcome is to hang for want of one."""
    if project.runners is not None:
        return project.runners
    return [] if project.outcome.kind == "hang" else [SIMULATED]


def show(runner: CiRunner) -> dict[str, Any]:
    """A row of a list: GitLab leaves tags out there."""
    return {
        "id": runner.id,
        "description": runner.description,
        "active": not runner.paused,
        "paused": runner.paused,
        "is_shared": runner.runner_type == "instance_type",
        "runner_type": runner.runner_type,
        "name": None,
        "online": runner.status == "online",
        "status": runner.status,
    }


def list_runners(call: Call) -> Answer:
    return paginate(call, of_project(call.project(Role.MAINTAINER)), show)


def get_runner(call: Call) -> Answer:
    """Instance runners for everybody, others for Maintainers of a project that has them."""
    call.login()
    user, forge, number = call.user, call.sandbox.forge, call.number("runner")
    if number == SIMULATED.id:
        return Answer(_details(SIMULATED))
    having = [p for p in forge.all() for r in p.runners or () if r.id == number]
    if not having:
        raise not_found("Runner")
    runner = next(r for r in having[0].runners or () if r.id == number)
    trusted = any(forge.role(project, user) >= Role.MAINTAINER for project in having)
    if runner.runner_type != "instance_type" and not trusted:
        raise message(403, "403 Forbidden  - No access granted")
    return Answer(_details(runner))


def _details(runner: CiRunner) -> dict[str, Any]:
    access = "ref_protected" if runner.protected_only else "not_protected"
    return {
        **show(runner),
        "tag_list": runner.tags,
        "run_untagged": runner.run_untagged,
        "locked": False,
        "access_level": access,
        "maximum_timeout": None,
    }
