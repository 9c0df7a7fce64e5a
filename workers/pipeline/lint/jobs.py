"""What GitLab asks of each job beyond the schema, after `extends` and `!reference`.

Sources: lib/gitlab/ci/config/entry/{processable,job,bridge,jobs,hidden,rules/rule}.rb and the
entries named beside the checks.
"""

from __future__ import annotations

from typing import Any, Final

from workers.pipeline.lint import values
from workers.pipeline.lint.findings import Sink, listed, quoted
from workers.pipeline.lint.pipeline import GLOBAL, Job, Pipeline
from workers.pipeline.lint.schema import SCRIPTS, compiled
from workers.pipeline.lint.tree import Map, Seq, levels

MAX_NAME: Final = 255
MAX_SCRIPT_LEVELS: Final = 10
TAGS_LIMIT: Final = 50
# Keywords of a job with commands that GitLab does not know in a trigger job.
_NOT_IN_TRIGGERS: Final = (
    *("image", "services", "before_script", "after_script", "tags", "cache", "artifacts"),
    *("coverage", "retry", "timeout", "dependencies", "release", "secrets", "id_tokens"),
    *("pages", "hooks", "dast_configuration"),
)
_EXCLUDED_BY_RULES: Final = ("only", "except", "start_in")
_RESERVED_WORDS: Final = frozenset({"true", "false", "nil", "types"})


def check(pipeline: Pipeline) -> None:
    """Record every fault that one job has on its own."""
    for job in pipeline.jobs.values():
        if pipeline.sink.full:
            return
        _name(job, pipeline)
        _work(job, pipeline)
        scripts(job.name, job.keys, pipeline.sink)
        _exclusions(job, pipeline.sink)
        _delay(job, pipeline.sink)
        values.durations(job.name, job.keys, pipeline.sink)
        _limits(job, pipeline.sink)
        values.environment(job, pipeline.sink)
        values.coverage(job, pipeline.sink)
        values.artifacts(job.name, job.keys, pipeline.sink)
        values.cache_keys(job.name, job.keys.get("cache"), pipeline.sink)
        values.parallel(job, pipeline.sink)
        values.release(job, pipeline.sink)


def _name(job: Job, pipeline: Pipeline) -> None:
    sink = pipeline.sink
    if len(job.name) > MAX_NAME:
        message = f"the job name {quoted(job.name, 40)} has {len(job.name)} characters"
        sink.error("long-name", message, job.line, f"shorten it to {MAX_NAME}")
    if not job.name:
        sink.error("empty-name", "a job has an empty name", job.line, "name it")
    if job.name in pipeline.body.odd:
        message = f"the job name {quoted(job.name)} is read as {_kind(pipeline.body.odd[job.name])}"
        sink.error("bad-name", message, job.line, f'quote it: "{job.name[:40]}"')
    elif job.name in _RESERVED_WORDS:
        message = f"{quoted(job.name)} is a reserved word"
        sink.warning("reserved-name", message, job.line, "give the job another name")


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "nothing" if value is None else "a number"


def _work(job: Job, pipeline: Pipeline) -> None:
    """A job must have exactly one kind of work."""
    sink, keys = pipeline.sink, job.keys
    work = [key for key in ("script", "run", "trigger") if key in keys]
    if len(work) > 1:
        message = f"{quoted(job.name)} has both {listed(work)}"
        sink.error("conflicting-work", message, job.line_of(work[1]), "keep one of them")
    elif work and _is_blank(keys[work[0]]):
        message = f"{quoted(job.name)} has an empty {quoted(work[0])}"
        sink.error("empty-script", message, job.line_of(work[0]), "write at least one command")
    if not work:
        _no_work(job, pipeline)
    if job.is_trigger:
        _trigger(job, sink)


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and bool(value) and not value.strip())


def _trigger(job: Job, sink: Sink) -> None:
    trigger = job.keys["trigger"]
    strange = [key for key in _NOT_IN_TRIGGERS if job.has(key)]
    if strange:
        message = f"{quoted(job.name)} triggers a pipeline and cannot have {listed(strange)}"
        sink.error("bad-trigger", message, job.line_of(strange[0]), "remove them")
    if job.keys.get("when") == "delayed":
        message = f"{quoted(job.name)} triggers a pipeline and cannot be delayed"
        sink.error("bad-trigger", message, job.line_of("when"), "use another `when`")
    if isinstance(job.keys.get("allow_failure"), Map):
        message = f"{quoted(job.name)} triggers a pipeline: `allow_failure` must be true or false"
        sink.error("bad-trigger", message, job.line_of("allow_failure"), "it has no exit codes")
    if aimless(trigger):
        message = f"the `trigger` of {quoted(job.name)} names neither `project` nor `include`"
        sink.error("bad-trigger", message, job.line_of("trigger"), "add one of them")


def aimless(trigger: Any) -> bool:
    """Whether a `trigger` says nothing of what it starts."""
    return isinstance(trigger, Map) and not {"project", "include"} & set(trigger)


def _no_work(job: Job, pipeline: Pipeline) -> None:
    if any(need.kind in ("bridge", "unknown") for need in job.needs()):
        return
    message = f"{quoted(job.name)} has no `script`, `run` or `trigger`"
    if job.partial:
        if pipeline.lenient:
            pipeline.sink.warning(
                "no-script", f"{message} in this file", job.line, "an included file may have it"
            )
        return
    fix = "add `script:`; or start its name with a dot if it is a template"
    if not compiled().job.keys() & set(job.keys):
        message = f"{quoted(job.name)} is no keyword, and has nothing that makes it a job"
        fix = pipeline.sink.suggest(job.name, GLOBAL, fix)
    pipeline.sink.error("no-script", message, job.line, fix)


def scripts(owner: str, keys: Map, sink: Sink) -> None:
    """Check the commands of a job, or of `default`."""
    for key in SCRIPTS & set(keys):
        value, line = keys[key], keys.line_of(key)
        if levels(value) > MAX_SCRIPT_LEVELS:
            message = f"`{key}` of {quoted(owner)} is nested deeper than {MAX_SCRIPT_LEVELS} lists"
            sink.error("deep-script", message, line, "nest fewer lists or references")


def _limits(job: Job, sink: Sink) -> None:
    tags = job.keys.get("tags")
    if isinstance(tags, Seq) and len(tags) >= TAGS_LIMIT:
        message = f"{quoted(job.name)} has {len(tags)} tags; GitLab allows fewer than {TAGS_LIMIT}"
        sink.error("too-many-tags", message, job.line_of("tags"), "use fewer tags")
    if job.has("publish") and not _is_pages(job):
        message = f"{quoted(job.name)} has `publish` but is no Pages job"
        sink.error("not-pages", message, job.line_of("publish"), "add `pages: true`")


def _is_pages(job: Job) -> bool:
    return bool(job.keys.get("pages")) or (
        job.name == "pages" and job.keys.get("pages") is not False
    )


def _exclusions(job: Job, sink: Sink) -> None:
    """`only`, `except` and `start_in` may not stand beside `rules`."""
    if not job.has("rules"):
        return
    beside = [key for key in _EXCLUDED_BY_RULES if job.has(key)]
    if beside:
        message = f"{quoted(job.name)} has {listed(beside)} beside `rules`"
        fix = "keep `rules` and say the condition there"
        sink.error("rules-conflict", message, job.line_of(beside[0]), fix)


def _delay(job: Job, sink: Sink) -> None:
    if job.keys.get("when") == "never":
        message = f"{quoted(job.name)} is `when: never`, which only rules can be"
        sink.error("bad-when", message, job.line_of("when"), "remove the job, or use `rules:`")
    delayed = job.keys.get("when") == "delayed"
    if delayed and not job.has("start_in") and not job.has("rules"):
        message = f"{quoted(job.name)} is delayed but has no `start_in`"
        sink.error("no-start-in", message, job.line_of("when"), "add `start_in: 30 minutes`")
    if job.has("start_in") and not delayed and not job.has("rules"):
        message = f"{quoted(job.name)} has `start_in` but is not `when: delayed`"
        sink.error("start-in", message, job.line_of("start_in"), "add `when: delayed`")
