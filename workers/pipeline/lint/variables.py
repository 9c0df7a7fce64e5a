"""Variables that are made of each other, which no expansion can end.

GitLab finds them when it makes a pipeline (lib/gitlab/ci/variables/collection/sort.rb). A variable
that names itself takes the value from outside, and is fine.
"""

from __future__ import annotations

import re
from typing import Any, Final

from workers.pipeline.lint.circles import rings
from workers.pipeline.lint.findings import chain
from workers.pipeline.lint.pipeline import Job, Pipeline
from workers.pipeline.lint.tree import Map

_NAMED = re.compile(r"(?<!\$)\$(?:\{(\w{1,255})\}|(\w{1,255}))")
_LONGEST: Final = 20_000


def check(pipeline: Pipeline) -> None:
    """Report variables that are made of each other (`Variables::Collection::Sort`)."""
    common = _texts(pipeline.body.get("variables"))
    budget = _LONGEST
    for owner in (None, *pipeline.jobs.values()):
        written = owner.keys.get("variables") if owner else pipeline.body.get("variables")
        own = _texts(written)
        budget -= len(own) + (len(common) if own else 0)
        if not own or budget < 0:
            continue
        merged = {name: text for name, text in common.items() if name not in (written or ())} | own
        edges = {name: _named(text) & merged.keys() - {name} for name, text in merged.items()}
        for ring in rings({name: sorted(targets) for name, targets in edges.items()}):
            if own.keys() & set(ring):
                _circle(pipeline, owner, ring)


def _circle(pipeline: Pipeline, owner: Job | None, ring: list[str]) -> None:
    holder = owner.keys if owner else pipeline.body
    variables = holder.get("variables")
    first = min(ring)
    line = variables.line_of(first) if isinstance(variables, Map) else 1
    message = f"variables are made of each other: {chain([*ring, ring[0]])}"
    pipeline.sink.error("variable-circle", message, line, "write one of them out")


def _texts(variables: Any) -> dict[str, str]:
    """The variables that GitLab expands, by name."""
    found: dict[str, str] = {}
    for name, value in variables.items() if isinstance(variables, Map) else ():
        if isinstance(value, Map):
            value = None if value.get("expand") is False else value.get("value")
        if isinstance(value, str) and "$" in value:
            found[name] = value[:_LONGEST]
    return found


def _named(text: str) -> set[str]:
    return {match.group(1) or match.group(2) for match in _NAMED.finditer(text)}
