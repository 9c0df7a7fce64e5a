"""The Dockerfile and `.dockerignore` of a plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from workers.pipeline import slots

if TYPE_CHECKING:
    from workers.pipeline.plan import Plan

DOCKERFILE = "Dockerfile"
DOCKERIGNORE = ".dockerignore"


def assemble(text: str, entrypoint: tuple[str, ...]) -> str:
    """A template's text with its last lines: the port, dropped where unknown, and the program."""
    if not entrypoint:
        return text
    return f"{text.rstrip()}\nEXPOSE $[[ port ]]\nENTRYPOINT {json.dumps(entrypoint)}\n"


def render(plan: Plan) -> dict[str, str]:
    """Path → text; empty where the plan has no Dockerfile. A person's own is not touched."""
    if plan.dockerfile is None:
        return {}
    files = {DOCKERFILE: slots.fill(plan.dockerfile, plan.fills)}
    if plan.dockerignore is not None:
        files[DOCKERIGNORE] = plan.dockerignore
    return files
