"""Variables that the file uses and never defines: warnings, since only GitLab knows them all.

A project, group or instance may define any variable, so GitLab accepts an undefined one. A name
close to one of GitLab's own, or of the file, is probably a slip.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

from workers.pipeline.lint.findings import quoted
from workers.pipeline.lint.pipeline import Job, Pipeline, rules_of
from workers.pipeline.lint.schema import SCRIPTS
from workers.pipeline.lint.tree import Map, Seq, walk

# `$$` is an escaped dollar, `\\$` a quoted one; `${X:-y}` and its kin work without a variable.
_NAMED: Final = r"(?<![\\$])\$(?:\{(%s)(?:[}%%#/]|:[\d ])|(%s)\b)"
# In commands, names in capitals only: others are a shell's own. Elsewhere GitLab itself expands.
_USE = re.compile(_NAMED % (("[A-Z][A-Z0-9_]{1,99}",) * 2))
_EXPANDED = re.compile(_NAMED % ((r"[A-Za-z_]\w{1,99}",) * 2), re.ASCII)
# What a shell leaves alone, unless another shell is to read it.
_QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|((?<!-c )(?<!eval )'[^']*')""", re.DOTALL)
_SET = re.compile(
    r"\b([A-Z][A-Z0-9_]{1,99})\+?=|\b(?:read|for|export|local) (?:-\w+ )?([A-Z]\w{1,99})"
)
_LONGEST: Final = 20_000
_SHELL: Final = SCRIPTS | {"hooks", "run"}
_SHARED: Final = ("workflow", "variables", "image", "services", "cache", *SCRIPTS)


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
    """Warn once of every variable that is used where nothing defines it."""
    _Usage(pipeline).check()


class _Usage:
    """What is defined for the whole file and for each job; every text is looked at once."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._known = predefined()
        self._texts: dict[int, tuple[frozenset[str], frozenset[str]]] = {}
        self._reported: set[str] = set()
        # With an include or a dotenv report any name may exist; GitLab's own do not change.
        self._open = pipeline.lenient or any(
            "dotenv" in _reports(job.keys) for job in pipeline.jobs.values()
        )

    def check(self) -> None:
        """Compare uses with definitions, job by job, then for what all jobs share."""
        body = self._pipeline.body
        default = body.get("default")
        shared = Map(body.line)
        for key in _SHARED:
            if key in body:
                shared.put(key, body[key], body.line_of(key))
        common = self._common(shared, default)
        everything = set(common)
        for job in self._pipeline.jobs.values():
            defined = self._of_job(job, common)
            everything |= defined
            self._compare(job.keys, job.line, defined)
        for holder in (shared, default if isinstance(default, Map) else Map()):
            self._compare(holder, body.line, everything)

    def _common(self, shared: Map, default: Any) -> frozenset[str]:
        body = self._pipeline.body
        workflow = body.get("workflow")
        names = _keys(body.get("variables")) | self._set_in(shared.values())
        if isinstance(default, Map):
            names |= self._set_in([default]) | _keys(default.get("id_tokens"))
        for rule, _ in rules_of(workflow.get("rules") if isinstance(workflow, Map) else None):
            names |= _keys(rule.get("variables"))
        return frozenset(names)

    def _of_job(self, job: Job, common: frozenset[str]) -> set[str]:
        names = set(common) - self._not_inherited(job)
        for key in ("variables", "id_tokens", "secrets"):
            names |= _keys(job.keys.get(key))
        for rule, _ in job.rules():
            names |= _keys(rule.get("variables"))
        parallel = job.keys.get("parallel")
        matrix = parallel.get("matrix") if isinstance(parallel, Map) else None
        for row in matrix if isinstance(matrix, Seq) else ():
            names |= _keys(row)
        return names | self._set_in(job.keys.get(key) for key in SCRIPTS)

    def _not_inherited(self, job: Job) -> set[str]:
        inherit = job.keys.get("inherit")
        wanted = inherit.get("variables") if isinstance(inherit, Map) else None
        names = _keys(self._pipeline.body.get("variables"))
        if wanted is False:
            return names
        return names - {str(name) for name in wanted} if isinstance(wanted, Seq) else set()

    def _compare(self, holder: Map, line: int, defined: set[str] | frozenset[str]) -> None:
        for key, value in holder.items():
            for text, at in walk(value, holder.lines.get(key, line)):
                if isinstance(text, str) and "$" in text:
                    used = self._read(text)[0] if key in _SHELL else _expanded(text)
                    for name in sorted(used - defined - self._reported):
                        self._report(name, at, defined)

    def _report(self, name: str, line: int, defined: set[str] | frozenset[str]) -> None:
        self._reported.add(name)
        if self._known.has(name) or (self._open and not name.startswith("CI_")):
            return
        candidates = self._known.names if name.startswith("CI_") else defined
        other = "define it under `variables:`, or as a CI/CD variable of the project or group"
        fix = self._pipeline.sink.suggest(name, sorted(candidates), other)
        message = f"the variable {quoted(name)} is not defined in this file for the job"
        self._pipeline.sink.warning("undefined-variable", message, line, fix)

    def _set_in(self, values: Any) -> set[str]:
        found: set[str] = set()
        for value in values:
            for text, _ in walk(value):
                if isinstance(text, str):
                    found |= self._read(text)[1]
        return found

    def _read(self, text: str) -> tuple[frozenset[str], frozenset[str]]:
        """The names that a text uses and those that it sets."""
        if id(text) not in self._texts:
            part = text[:_LONGEST]
            used = _QUOTED.sub(lambda match: "" if match[1] else match[0], part)
            self._texts[id(text)] = (frozenset(_found(_USE, used)), frozenset(_found(_SET, part)))
        return self._texts[id(text)]


def _expanded(text: str) -> frozenset[str]:
    """The variables that GitLab or its runner expands in a text that is no command."""
    return frozenset(_found(_EXPANDED, text[:_LONGEST]))


def _found(pattern: re.Pattern[str], text: str) -> Iterator[str]:
    return (match.group(1) or match.group(2) for match in pattern.finditer(text))


def _keys(value: Any) -> set[str]:
    return set(value) if isinstance(value, Map) else set()


def _reports(keys: Map) -> Map:
    artifacts = keys.get("artifacts")
    reports = artifacts.get("reports") if isinstance(artifacts, Map) else None
    return reports if isinstance(reports, Map) else Map()
