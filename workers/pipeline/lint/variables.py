"""Variables: those that are made of each other, and those that the file uses and never defines.

A project, group or instance may define any variable, so GitLab accepts an undefined one, and only a
warning is given. A name close to one of GitLab's own, or of the file, is probably a slip.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

from workers.pipeline.lint.circles import rings
from workers.pipeline.lint.findings import Sink, quoted
from workers.pipeline.lint.pipeline import Job, Pipeline
from workers.pipeline.lint.schema import SCRIPTS
from workers.pipeline.lint.tree import Map, Seq, walk

# Names in capitals: others are a shell's own. `$$` is an escaped dollar, `\\$` a quoted one.
_USE = re.compile(r"(?<![\\$])\$(?:\{([A-Z][A-Z0-9_]{1,99})[}:%#/-]|([A-Z][A-Z0-9_]{1,99})\b)")
_SET = re.compile(
    r"\b([A-Z][A-Z0-9_]{1,99})\+?=|\b(?:read|for|export|local) (?:-\w+ )?([A-Z]\w{1,99})"
)
_NAMED = re.compile(r"(?<!\$)\$(?:\{(\w{1,255})\}|(\w{1,255}))")
_LONGEST: Final = 20_000


class Predefined(msgspec.Struct, frozen=True):
    """Names that GitLab, its runner or a shell define."""

    names: frozenset[str]
    shell: frozenset[str]
    prefixes: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether the name needs no definition in the file."""
        return name in self.names or name in self.shell or name.startswith(self.prefixes)


@cache
def predefined() -> Predefined:
    """The list of the data file, read at the first call."""
    data = json.loads(resources.files(__package__).joinpath("predefined.json").read_bytes())
    return Predefined(
        names=frozenset(data["names"]),
        shell=frozenset(data["shell"]),
        prefixes=tuple(data["prefixes"]),
    )


def check(pipeline: Pipeline) -> None:
    """Warn once of every variable that nothing in the file defines; refuse circles."""
    circles(pipeline)
    if pipeline.lenient:
        return
    known, defined = predefined(), _defined(pipeline.body)
    reported: set[str] = set()
    for name, line in _used(pipeline):
        if name in reported or name in defined or known.has(name):
            continue
        reported.add(name)
        _warn(name, line, defined, known, pipeline.sink)


def circles(pipeline: Pipeline) -> None:
    """Report variables that are made of each other (`Variables::Collection::Sort`)."""
    common = _texts(pipeline.body.get("variables"))
    budget = _LONGEST
    for owner in (None, *pipeline.jobs.values()):
        own = _texts(owner.keys.get("variables")) if owner else common
        budget -= len(own) + (len(common) if own else 0)
        if not own or budget < 0:
            continue
        merged = {**common, **own}
        edges = {name: _named(text) & merged.keys() - {name} for name, text in merged.items()}
        for ring in rings({name: sorted(targets) for name, targets in edges.items()}):
            if own.keys() & set(ring):
                _circle(pipeline, owner, ring)


def _circle(pipeline: Pipeline, owner: Job | None, ring: list[str]) -> None:
    holder = owner.keys if owner else pipeline.body
    variables = holder.get("variables")
    first = min(ring)
    line = variables.line_of(first) if isinstance(variables, Map) else 1
    shown = " → ".join(quoted(name, 40) for name in [*ring, ring[0]][:12])
    message = f"variables are made of each other: {shown}"
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


def _warn(name: str, line: int, defined: set[str], known: Predefined, sink: Sink) -> None:
    candidates = sorted(known.names) if name.startswith("CI_") else sorted(defined)
    other = "define it under `variables:`, or as a CI/CD variable of the project or group"
    fix = sink.suggest(name, candidates, other)
    message = f"the variable {quoted(name)} is not defined in this file"
    sink.warning("undefined-variable", message, line, fix)


def _defined(body: Map) -> set[str]:
    """Every name that the file may set anywhere: exactness would need to run it."""
    names: set[str] = set()
    for value, _ in walk(body):
        if isinstance(value, Map):
            for key in ("variables", "id_tokens", "secrets"):
                inner = value.get(key)
                names.update(inner if isinstance(inner, Map) else ())
            matrix = value.get("matrix")
            for row in matrix if isinstance(matrix, Seq) else ():
                names.update(row if isinstance(row, Map) else ())
        elif isinstance(value, str) and not value.isalnum():
            for match in _SET.finditer(value[:_LONGEST]):
                names.add(match.group(1) or match.group(2))
    return names


def _used(pipeline: Pipeline) -> Iterator[tuple[str, int]]:
    for job in pipeline.jobs.values():
        if any("dotenv" in str(k) for k in _reports(job.keys)):
            return
    for owner in (pipeline.body, *(job.keys for job in pipeline.jobs.values())):
        for key, value in owner.items():
            if owner is not pipeline.body or key in ("default", "image", "services", *SCRIPTS):
                yield from _in_value(value, owner.line_of(key))


def _reports(keys: Map) -> Any:
    artifacts = keys.get("artifacts")
    reports = artifacts.get("reports") if isinstance(artifacts, Map) else None
    return reports if isinstance(reports, Map) else ()


def _in_value(value: Any, line: int) -> Iterator[tuple[str, int]]:
    for text, at in walk(value, line):
        if isinstance(text, str) and "$" in text:
            for match in _USE.finditer(text[:_LONGEST]):
                yield match.group(1) or match.group(2), at
