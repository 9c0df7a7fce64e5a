"""Judges any `.gitlab-ci.yml` offline: YAML, GitLab's schema, and what the schema cannot say.

    report = check(text)
    report.valid, report.errors, report.warnings

An error is what GitLab would refuse, a warning what it would accept and the author would want to
know. What only another file can tell (an `include`) is never an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from workers.pipeline.lint import (
    explain,
    graph,
    jobs,
    presence,
    rules,
    schema,
    top,
    undefined,
    variables,
)
from workers.pipeline.lint.document import MAX_NODES, decode, documents
from workers.pipeline.lint.extends import Extended
from workers.pipeline.lint.findings import Finding, Report, Sink
from workers.pipeline.lint.inputs import Inputs
from workers.pipeline.lint.pipeline import Pipeline
from workers.pipeline.lint.references import References
from workers.pipeline.lint.syntax import Unreadable, refuse
from workers.pipeline.lint.tree import Map, expanded_size

__all__ = ["Finding", "Report", "check", "check_schema"]


def check(text: str | bytes, *, file: str = ".gitlab-ci.yml") -> Report:
    """Every fault of the file, sorted by line. Never raises, whatever the text is.

    `file` names the file in messages about the whole of it.
    """
    return _guarded(lambda sink: _check(text, file, sink))


def check_schema(document: str | bytes) -> Report:
    """What GitLab's schema alone says of the file, references and inputs filled in first."""
    return _guarded(lambda sink: _check_schema(document, sink))


def _guarded(judge: Callable[[Sink], None]) -> Report:
    """Run a check; what ends the reading becomes the last finding."""
    sink = Sink()
    try:
        judge(sink)
    except Unreadable as error:
        found = error.finding
        sink.error(found.code, found.message, found.line, found.fix)
    except RecursionError:
        # The bounds keep well below Python's stack, unless the caller has used most of it.
        sink.error("too-deep", "the file is nested too deep to be judged", 1, "flatten it")
    return sink.report()


def _check_schema(document: str | bytes, sink: Sink) -> None:
    header, body = _read(document, "the file", sink)
    if header is not None:
        _schema(header, sink, header=True)
    if body is not None:
        # What the references point to is no matter of the schema.
        resolved = _resolve(header, body, Sink())[0]
        _schema(resolved, sink)
        top.entries(resolved, sink)


def _check(text: str | bytes, file: str, sink: Sink) -> None:
    header, body = _read(text, file, sink)
    if header is not None:
        _schema(header, sink, header=True)
    if body is None:
        message = "the file has a header and no configuration"
        raise refuse("documents", message, 1, "add `---` and the jobs below it")
    resolved, partial = _resolve(header, body, sink)
    _schema(resolved, sink, jobs_too=True)
    pipeline = Pipeline(resolved, partial, sink)
    for part in (top, jobs, rules, graph, presence, variables, undefined):
        part.check(pipeline)


def _read(text: str | bytes, file: str, sink: Sink) -> tuple[Map | None, Map | None]:
    """The header (`spec:` above `---`), if there is one, and the configuration."""
    found = documents(decode(text, sink), sink)
    while len(found) > 1 and found[0] is None:
        found.pop(0)
    if not found or found == [None]:
        raise refuse("empty", f"{file} is empty", 1, "add a job with a `script:`")
    if len(found) > 2:
        raise refuse("documents", "there are more than two documents", 1, "remove the `---` lines")
    if not all(isinstance(document, Map) for document in found):
        fix = "write the name of a job, like `build:`, and its keywords below"
        raise refuse("not-a-mapping", "the top level must be a mapping", 1, fix)
    first, last = found[0], found[-1]
    if len(found) == 1:
        return (first, None) if set(first) == {"spec"} else (None, first)
    if "spec" not in first:
        message = "GitLab ignores everything below the second `---`"
        sink.warning("documents", message, last.line, "put `spec:` in the first document")
        return None, first
    return first, last


def _resolve(header: Map | None, body: Map, sink: Sink) -> tuple[Map, set[str]]:
    if header is not None:
        body = Inputs(header, sink).fill(body, body.line)
    lenient = body.get("include") is not None
    extended = Extended(body, lenient, sink)
    resolved = References(extended.all(), lenient, sink).all()
    if expanded_size(resolved) > 2 * MAX_NODES:
        message = "references make the file grow beyond what GitLab reads"
        raise refuse("too-big", message, 1, "use fewer references")
    return resolved, extended.partial


def _schema(body: Map, sink: Sink, *, header: bool = False, jobs_too: bool = False) -> None:
    compiled = schema.compiled()
    for problem in compiled.problems(body, header=header):
        if sink.full:
            return
        if jobs_too and _said_better(problem, body, compiled.job):
            continue
        parent: Any = body if len(problem.path) == 1 else body[problem.path[0]]
        known = compiled.top if len(problem.path) == 1 else compiled.job
        explain.report(problem, sink, known, parent)


def _said_better(problem: schema.Problem, body: Map, known: Mapping[str, Any]) -> bool:
    """Whether the checks of jobs name the same fault with its cause."""
    parent: Any = body[problem.path[0]]
    if len(problem.path) == 1:
        return False
    if not known.keys() & set(parent):
        return True
    return problem.keyword == "trigger" and jobs.aimless(problem.value)
