"""The pipeline that a resolved file describes: its stages and its visible jobs."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from workers.pipeline.lint.findings import Sink
from workers.pipeline.lint.tree import Map, Opaque, Seq, flattened

PRE: Final = ".pre"
POST: Final = ".post"
DEFAULT_STAGES: Final = ("build", "test", "deploy")
DEFAULT_STAGE: Final = "test"
# Global keywords that can never be jobs (lib/gitlab/ci/config/entry/root.rb, `reserved`).
RESERVED: Final = frozenset(
    ("include", "variables", "stages", "cache", "image", "services")
    + ("before_script", "after_script")
)
# Global keywords, except where they look like a job (`Root#filter_jobs!`).
GLOBAL: Final = RESERVED | {"default", "workflow"}
HEADER: Final = "spec"
MAX_PARALLEL: Final = 200
_COPY = re.compile(r"(.+?)(?: \d{1,3}/\d{1,3}|: \[[^\]]*\])", re.DOTALL)


class Need:
    """One entry of `needs`."""

    __slots__ = ("keys", "kind", "line", "matrix", "name", "optional")

    def __init__(self, value: Any, line: int) -> None:
        self.line = line
        self.keys = value if isinstance(value, Map) else Map(line)
        self.name: str | None = None
        self.optional = bool(self.keys.get("optional"))
        self.matrix = self.keys.get("parallel")
        named = self.keys.get("job") if isinstance(value, Map) else value
        if isinstance(named, str) and not isinstance(named, Opaque):
            self.name = named
        self.kind = _kind(value)


def _kind(value: Any) -> str:
    """`job`, `cross` (another pipeline or project), `bridge` (mirrors upstream) or `unknown`."""
    if isinstance(value, Opaque):
        return "unknown"
    if isinstance(value, str):
        return "job"
    if isinstance(value, Map) and "job" in value:
        return "cross" if {"project", "pipeline", "ref"} & set(value) else "job"
    return "bridge" if isinstance(value, Map) and "pipeline" in value else "unknown"


class Job:
    """A visible job after `extends`. `partial`: some of it stands in a file we do not see."""

    def __init__(self, name: str, keys: Map, line: int, partial: bool) -> None:
        self.name = name
        self.keys = keys
        self.line = line
        self.partial = partial
        self._copies: frozenset[str] | None = None

    def line_of(self, keyword: str) -> int:
        """Where a keyword of the job stands, which may be in the template that it extends."""
        return self.keys.lines.get(keyword, self.line)

    def has(self, keyword: str) -> bool:
        """Whether the keyword is written with a value."""
        return self.keys.get(keyword) is not None

    @property
    def runs(self) -> bool:
        """Whether the job has commands of its own."""
        return "script" in self.keys or "run" in self.keys

    @property
    def is_trigger(self) -> bool:
        """Whether the job starts another pipeline."""
        return "trigger" in self.keys and not self.runs

    @property
    def stage(self) -> str | None:
        """The stage, or None where only GitLab can know it."""
        value = self.keys.get("stage")
        if value is None:
            return None if self.partial else DEFAULT_STAGE
        return value if isinstance(value, str) and not isinstance(value, Opaque) else None

    def needs(self, value: Any = None) -> list[Need]:
        """The needs of the job, or those in `value` (of a rule)."""
        value = self.keys.get("needs") if value is None else value
        if isinstance(value, Map):
            return [Need(value, value.line)]
        flat = flattened(value)
        if not isinstance(flat, Seq):
            return []
        return [Need(item, flat.line_of(i)) for i, item in enumerate(flat)]

    def rules(self) -> list[tuple[Map, int]]:
        """The rules of the job that are mappings, flattened, with their lines."""
        return rules_of(self.keys.get("rules"))

    def copies(self) -> frozenset[str]:
        """The names that `parallel` gives to the job's copies, without the job's own name."""
        if self._copies is None:
            self._copies = frozenset(self._named())
        return self._copies

    def _named(self) -> Iterator[str]:
        parallel = self.keys.get("parallel")
        if isinstance(parallel, int):
            count = min(parallel, MAX_PARALLEL)
            yield from (f" {number}/{parallel}" for number in range(1, count + 1))
        matrix = parallel.get("matrix") if isinstance(parallel, Map) else None
        for row in combinations(matrix):
            yield f": [{', '.join(row.values())}]"


class Pipeline:
    """What the checks look at; every check adds to `sink`."""

    def __init__(self, body: Map, partial: set[str], sink: Sink) -> None:
        self.body = body
        self.sink = sink
        # With an `include`, names that are missing here may be defined there.
        self.lenient = body.get("include") is not None
        self.stages = self._stages()
        self._order = {name: index for index, name in enumerate(self.stages or ())}
        self.jobs = {
            name: Job(name, value, body.line_of(name), self._is_partial(name, value, partial))
            for name, value in body.items()
            if isinstance(value, Map) and is_job(name, value)
        }

    def _is_partial(self, name: str, value: Map, partial: set[str]) -> bool:
        complete = {"script", "run", "trigger"} & set(value)
        return name in partial or (self.lenient and not complete)

    def _stages(self) -> tuple[str, ...] | None:
        """All stages in order, or None where only GitLab can know them."""
        written = flattened(self.body.get("stages"))
        if written is None:
            return None if self.lenient else (PRE, *DEFAULT_STAGES, POST)
        if not isinstance(written, Seq) or any(isinstance(name, Opaque) for name in written):
            return None
        names = [str(name) for name in written if name not in (PRE, POST)]
        return (PRE, *dict.fromkeys(names), POST)

    def order(self, stage: str | None) -> int | None:
        """The position of a stage, or None where it is not known."""
        return None if stage is None else self._order.get(stage)

    def find(self, name: str) -> Job | None:
        """The job of this name, or the one whose `parallel` makes a copy of this name."""
        if name in self.jobs:
            return self.jobs[name]
        match = _COPY.fullmatch(name)
        job = self.jobs.get(match.group(1)) if match else None
        return job if job is not None and name[len(job.name) :] in job.copies() else None

    def missing(self, code: str, message: str, line: int, fix: str) -> None:
        """Record a name that is not in this file: an error only if no include may define it."""
        if self.lenient:
            self.sink.warning(code, f"{message} in this file", line, "an included file may have it")
        else:
            self.sink.error(code, message, line, fix)


def is_job(name: str, value: Any) -> bool:
    """Whether GitLab takes a top-level key for a visible job."""
    if name.startswith(".") or name in RESERVED or name == HEADER:
        return False
    jobs = isinstance(value, Map) and {"script", "run", "trigger", "needs"} & set(value)
    return bool(jobs) or name not in GLOBAL


def rules_of(value: Any) -> list[tuple[Map, int]]:
    """The mappings in a list of rules, flattened, with their lines."""
    flat = flattened(value)
    if not isinstance(flat, Seq):
        return []
    return [(rule, rule.line) for rule in flat if isinstance(rule, Map)]


def combinations(matrix: Any) -> Iterator[dict[str, str]]:
    """The variables of the copies that a `parallel:matrix` makes, at most `MAX_PARALLEL`."""
    return itertools.islice(_products(matrix), MAX_PARALLEL)


def _products(matrix: Any) -> Iterator[dict[str, str]]:
    for row in matrix if isinstance(matrix, Seq) else ():
        if isinstance(row, Map) and row:
            values = [[_text(v) for v in (x if isinstance(x, Seq) else [x])] for x in row.values()]
            for chosen in itertools.product(*values):
                yield dict(zip(row, chosen, strict=True))


def count_combinations(matrix: Any) -> int:
    """How many copies a `parallel:matrix` makes, without making them."""
    return sum(
        math.prod(len(x) if isinstance(x, Seq) else 1 for x in row.values())
        for row in (matrix if isinstance(matrix, Seq) else ())
        if isinstance(row, Map)
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
