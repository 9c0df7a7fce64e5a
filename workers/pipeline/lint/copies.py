"""Needs of the copies that `parallel` makes of a job (lib/gitlab/ci/config/normalizer.rb)."""

from __future__ import annotations

from typing import Any, Final

from workers.pipeline.lint.findings import Sink, listed, quoted
from workers.pipeline.lint.pipeline import Job, Need, combinations, count_combinations
from workers.pipeline.lint.tree import Map, Seq

MAX_NAME: Final = 255


def check(job: Job, need: Need, other: Job, sink: Sink) -> None:
    """Record every fault in how `need` of `job` picks copies of the job `other`."""
    longest = max((len(copy) for copy in other.copies()), default=0)
    if len(other.name) + longest > MAX_NAME:
        message = f"copies of {quoted(need.name, 40)} get names of over {MAX_NAME} characters"
        sink.error("long-name", message, need.line, "shorten the name or the matrix")
    chosen = need.matrix
    if not isinstance(chosen, Map) or _holds_expression(chosen):
        return
    if not _unmade(job, need, chosen, other, sink):
        _misnamed(need, chosen, other, sink)


def count(need: Need, other: Job | None) -> int:
    """How many jobs a need stands for: all copies, or those that its matrix picks."""
    if other is None:
        return 1
    if isinstance(need.matrix, Map):
        if _holds_expression(need.matrix):
            return 1
        return max(1, count_combinations(need.matrix.get("matrix")))
    return max(1, len(other.copies()))


def _unmade(job: Job, need: Need, chosen: Map, other: Job, sink: Sink) -> bool:
    """`needs:parallel:matrix` must name copies that the needed job makes."""
    for row in combinations(chosen.get("matrix")):
        if f": [{', '.join(row.values())}]" not in other.copies():
            text = ", ".join(f"{key}: {value}" for key, value in row.items())
            sink.error(
                "bad-needs-matrix",
                f"{quoted(job.name)} needs {quoted(need.name)} with {quoted(text)}, "
                "a combination that its `parallel:matrix` does not make",
                chosen.line_of("matrix"),
                "write all its variables, in the same order",
            )
            return True
    return False


def _misnamed(need: Need, chosen: Map, other: Job, sink: Sink) -> None:
    """GitLab finds copies by their values alone, so a wrong name of a variable goes unnoticed."""
    made = {name for row in _rows(other.keys.get("parallel")) for name in row}
    strange = [name for row in _rows(chosen) for name in row if name not in made]
    if strange:
        message = f"{quoted(need.name)} has no matrix variable {listed(strange)}"
        fix = sink.suggest(strange[0], made, "use the names of its `parallel:matrix`")
        sink.warning("needs-matrix-name", message, chosen.line_of("matrix"), fix)


def _rows(parallel: Any) -> list[Map]:
    matrix = parallel.get("matrix") if isinstance(parallel, Map) else None
    return [row for row in (matrix if isinstance(matrix, Seq) else ()) if isinstance(row, Map)]


def _holds_expression(chosen: Map) -> bool:
    values = [value for row in _rows(chosen) for value in row.values()]
    flat = [item for value in values for item in (value if isinstance(value, Seq) else [value])]
    return any(isinstance(item, str) and ("$[[" in item or item == "") for item in flat)
