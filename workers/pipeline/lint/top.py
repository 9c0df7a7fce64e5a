"""What GitLab asks of the file as a whole: its keys, stages, defaults, templates and variables."""

from __future__ import annotations

from typing import Any, Final

from workers.pipeline.lint import jobs, values
from workers.pipeline.lint.findings import Sink, quoted
from workers.pipeline.lint.pipeline import GLOBAL, HEADER, Pipeline
from workers.pipeline.lint.tree import Map, Opaque, Seq, flattened

MAX_INCLUDES: Final = 150
_DEPRECATED: Final = ("image", "services", "cache", "before_script", "after_script")


def check(pipeline: Pipeline) -> None:
    """Record every fault that no single job has."""
    body, sink = pipeline.body, pipeline.sink
    _visible(pipeline)
    entries(body, sink)
    if HEADER in body:
        message = f"{quoted(HEADER)} is a header: it stands in a document of its own"
        line = body.line_of(HEADER)
        sink.error("misplaced-spec", message, line, "put it first, with `---` below it")
    _includes(body.get("include"), sink)
    _stages(body, sink)
    default = body.get("default")
    if isinstance(default, Map):
        _default(default, sink)
    values.cache_keys("the file", body.get("cache"), sink)
    _options(body.get("variables"), sink)
    _twice(body, default, sink)


def _default(keys: Map, sink: Sink) -> None:
    jobs.scripts("default", keys, sink)
    values.durations("default", keys, sink)
    values.artifacts("default", keys, sink)
    values.cache_keys("default", keys.get("cache"), sink)


def _visible(pipeline: Pipeline) -> None:
    if pipeline.jobs or pipeline.lenient:
        return
    others = [name for name in pipeline.body if name not in GLOBAL and not name.startswith(".")]
    if not others:
        message = "the file has no visible job"
        fix = "add a job with a `script:`; a name that starts with a dot is a template only"
        pipeline.sink.error("no-visible-job", message, 1, fix)


def entries(body: Map, sink: Sink) -> None:
    """Check that every top-level key is a keyword, a template with content, or a job."""
    for name, value in body.items():
        line = body.line_of(name)
        if name.startswith("."):
            if _is_blank(value):
                message = f"the template {quoted(name)} is empty"
                sink.error("empty-template", message, line, "give it a keyword, or remove it")
        elif name not in GLOBAL and name != HEADER and not isinstance(value, (Map, Opaque)):
            what = "empty" if value is None else "not a mapping"
            message = f"{quoted(name)} is taken for a job, but is {what}"
            fix = sink.suggest(name, GLOBAL, "write its keywords below it, indented")
            sink.error("not-a-job", message, line, fix)


def _is_blank(value: Any) -> bool:
    if value is None or value is False:
        return True
    if isinstance(value, str):
        return not isinstance(value, Opaque) and not value.strip()
    return isinstance(value, (Map, Seq)) and not value


def _includes(include: Any, sink: Sink) -> None:
    if isinstance(include, Seq) and len(include) > MAX_INCLUDES:
        message = f"{len(include)} files are included; GitLab allows {MAX_INCLUDES}"
        sink.error("too-many-includes", message, include.line, "include fewer files")


def _stages(body: Map, sink: Sink) -> None:
    stages = flattened(body.get("stages"))
    seen: set[str] = set()
    for index, name in enumerate(stages if isinstance(stages, Seq) else ()):
        if isinstance(name, str) and name in seen:
            message = f"the stage {quoted(name)} is listed twice"
            sink.warning("duplicate-stage", message, stages.line_of(index), "remove one of them")
        seen.add(str(name))


def _options(variables: Any, sink: Sink) -> None:
    """A variable with options must have one of them as value (entry/variable.rb)."""
    for name, value in variables.items() if isinstance(variables, Map) else ():
        options = value.get("options") if isinstance(value, Map) else None
        if isinstance(options, Seq) and options and value.get("value") not in options:
            message = f"the value of the variable {quoted(name)} is none of its `options`"
            sink.error("bad-option", message, value.line_of("options"), "set `value:` to one")


def _twice(body: Map, default: Any, sink: Sink) -> None:
    """A keyword may stand globally or under `default`, not in both (entry/root.rb)."""
    for key in _DEPRECATED:
        if body.get(key) is not None and isinstance(default, Map) and default.get(key) is not None:
            message = f"{quoted(key)} stands both at the top and under `default`"
            sink.error("default-twice", message, body.line_of(key), "keep the one under `default`")
