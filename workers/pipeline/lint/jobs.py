"""What GitLab asks of each job beyond the schema, after `extends` and `!reference`.

Sources: lib/gitlab/ci/config/entry/{processable,job,bridge,jobs,hidden,rules/rule}.rb and the
entries named beside the checks.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from workers.pipeline.lint import duration, regex
from workers.pipeline.lint.document import Map, Seq
from workers.pipeline.lint.findings import Sink, listed, quoted
from workers.pipeline.lint.pipeline import MAX_PARALLEL, Job, Pipeline, count_combinations
from workers.pipeline.lint.resolve import Opaque
from workers.pipeline.lint.schema import SCRIPTS

MAX_NAME: Final = 255
MAX_SCRIPT_LEVELS: Final = 10
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
        _scripts(job.name, job.keys, pipeline.sink)
        _exclusions(job, pipeline.sink)
        _delay(job, pipeline.sink)
        _durations(job.name, job.keys, pipeline.sink)
        _coverage(job, pipeline.sink)
        _artifacts(job.name, job.keys.get("artifacts"), pipeline.sink)
        cache_keys(job.name, job.keys.get("cache"), pipeline.sink)
        _parallel(job, pipeline.sink)
        _release(job, pipeline.sink)


def default(keys: Map, sink: Sink) -> None:
    """Check the keywords under `default` as those of a job."""
    _scripts("default", keys, sink)
    _durations("default", keys, sink)
    _artifacts("default", keys.get("artifacts"), sink)
    cache_keys("default", keys.get("cache"), sink)


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
    elif work and keys[work[0]] is None:
        message = f"{quoted(job.name)} has an empty {quoted(work[0])}"
        sink.error("empty-script", message, job.line_of(work[0]), "write at least one command")
    if not work:
        _no_work(job, pipeline)
    if job.is_trigger:
        strange = [key for key in _NOT_IN_TRIGGERS if job.has(key)]
        if strange:
            message = f"{quoted(job.name)} triggers a pipeline and cannot have {listed(strange)}"
            sink.error(
                "bad-trigger", message, job.line_of(strange[0]), "remove what only runs here"
            )
        if keys.get("when") == "delayed":
            message = f"{quoted(job.name)} triggers a pipeline and cannot be delayed"
            sink.error("bad-trigger", message, job.line_of("when"), "use another `when`")


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
    pipeline.sink.error("no-script", message, job.line, fix)


def _scripts(owner: str, keys: Map, sink: Sink) -> None:
    for key in SCRIPTS & set(keys):
        value, line = keys[key], keys.line_of(key)
        if _levels(value) > MAX_SCRIPT_LEVELS:
            message = f"`{key}` of {quoted(owner)} is nested deeper than {MAX_SCRIPT_LEVELS} lists"
            sink.error("deep-script", message, line, "nest fewer lists or references")
        if key == "script" and isinstance(value, Seq) and value and _blank(value):
            message = f"the `script` of {quoted(owner)} has no command"
            sink.error("empty-script", message, line, "write at least one command")


def _levels(value: Any, most: int = MAX_SCRIPT_LEVELS + 2) -> int:
    """How deep lists are nested: 0 for text, 1 for a list of texts; counting ends at `most`."""
    level, layer = 0, [value]
    while layer and level < most:
        layer = [item for node in layer if isinstance(node, Seq) for item in node]
        level += 1 if layer else 0
    return level


def _blank(value: Seq) -> bool:
    todo: list[Any] = [value]
    while todo:
        item = todo.pop()
        if not isinstance(item, Seq):
            return False
        todo.extend(item)
    return True


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
    delayed = job.keys.get("when") == "delayed"
    if delayed and not job.has("start_in") and not job.has("rules"):
        message = f"{quoted(job.name)} is delayed but has no `start_in`"
        sink.error("no-start-in", message, job.line_of("when"), "add `start_in: 30 minutes`")
    if job.has("start_in") and not delayed and not job.has("rules"):
        message = f"{quoted(job.name)} has `start_in` but is not `when: delayed`"
        sink.error("start-in", message, job.line_of("start_in"), "add `when: delayed`")


def _durations(owner: str, keys: Map, sink: Sink) -> None:
    """Durations that GitLab must understand (`DurationValidator`, chronic_duration)."""
    one_duration(owner, keys, "timeout", sink, most=duration.MONTH, variables=False)
    one_duration(owner, keys, "start_in", sink, most=duration.WEEK)
    one_duration(owner, keys.get("artifacts"), "expire_in", sink, never=True)
    one_duration(owner, keys.get("environment"), "auto_stop_in", sink, never=True)
    one_duration(owner, keys.get("pages"), "expire_in", sink, never=True)


def one_duration(
    owner: str,
    keys: Any,
    key: str,
    sink: Sink,
    *,
    most: float = float("inf"),
    never: bool = False,
    variables: bool = True,
) -> None:
    """Check one keyword that holds a duration; `never` and variables where they are allowed."""
    value = keys.get(key) if isinstance(keys, Map) else None
    if not isinstance(value, str) or isinstance(value, Opaque):
        return
    if (never and value.lower() == "never") or (variables and "$" in value):
        return
    length, line = duration.seconds(value), keys.line_of(key)
    if length is None:
        message = f"`{key}` of {quoted(owner)} is no duration: {quoted(value)}"
        sink.error("bad-duration", message, line, "write for instance `1h 30m` or `2 weeks`")
    elif length > most:
        limit = "1 week" if most == duration.WEEK else "1 month"
        message = f"`{key}` of {quoted(owner)} is longer than {limit}: {quoted(value)}"
        sink.error("long-duration", message, line, f"at most {limit}")


def _coverage(job: Job, sink: Sink) -> None:
    value = job.keys.get("coverage")
    pattern = regex.slashed(value) if isinstance(value, str) else None
    problem = regex.fault(pattern) if pattern else None
    if problem:
        message = f"the `coverage` pattern of {quoted(job.name)} {problem}"
        sink.error("bad-regex", message, job.line_of("coverage"), "write it in RE2's syntax")


def _artifacts(owner: str, artifacts: Any, sink: Sink) -> None:
    if not isinstance(artifacts, Map):
        return
    if artifacts.get("expose_as") is not None and not artifacts.get("paths"):
        message = f"`artifacts:expose_as` of {quoted(owner)} needs `paths`"
        sink.error("no-paths", message, artifacts.line_of("expose_as"), "add `paths:`")
    kept = ("paths", "reports", "untracked")
    if not any(artifacts.get(key) for key in kept) and artifacts:
        message = f"`artifacts` of {quoted(owner)} keeps nothing"
        sink.warning("no-paths", message, artifacts.line, "add `paths:` or `reports:`")


def cache_keys(owner: str, caches: Any, sink: Sink) -> None:
    """Check the keys of one cache or a list of them (lib/gitlab/ci/config/entry/key.rb)."""
    for cache in caches if isinstance(caches, Seq) else [caches]:
        key = cache.get("key") if isinstance(cache, Map) else None
        if isinstance(key, str) and (unquote(key) in (".", "..") or "/" in unquote(key)):
            if "/" not in key and key not in (".", ".."):
                message = f"the cache key of {quoted(owner)} hides a `/` or dots: {quoted(key)}"
                sink.error("bad-cache-key", message, cache.line_of("key"), "use another key")
        elif isinstance(key, Map):
            files = [name for name in ("files", "files_commits") if key.get(name) is not None]
            if len(files) != 1:
                message = f"the cache key of {quoted(owner)} needs `files` or `files_commits`"
                sink.error("bad-cache-key", message, key.line, "name one of them")


def _parallel(job: Job, sink: Sink) -> None:
    parallel = job.keys.get("parallel")
    matrix = parallel.get("matrix") if isinstance(parallel, Map) else None
    if not isinstance(matrix, Seq):
        if job.is_trigger and isinstance(parallel, int):
            message = f"{quoted(job.name)} triggers a pipeline: `parallel` must be a `matrix`"
            sink.error("bad-parallel", message, job.line_of("parallel"), "use `parallel:matrix`")
        return
    line = matrix.line
    made = count_combinations(matrix)
    if made > MAX_PARALLEL:
        message = f"the `parallel:matrix` of {quoted(job.name)} makes {min(made, 10**9)} jobs"
        sink.error("bad-parallel", message, line, f"GitLab allows {MAX_PARALLEL}")
    for row in matrix:
        if isinstance(row, Map) and (not row or any(v in (None, "", []) for v in row.values())):
            message = f"the `parallel:matrix` of {quoted(job.name)} has a variable without a value"
            sink.error("bad-parallel", message, row.line, "give every variable a value")


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[Tt ].*)?\Z")


def _release(job: Job, sink: Sink) -> None:
    release = job.keys.get("release")
    value = release.get("released_at") if isinstance(release, Map) else None
    if not isinstance(value, str) or isinstance(value, Opaque) or not isinstance(release, Map):
        return
    try:
        datetime.fromisoformat(value)
    except ValueError:
        message = f"`released_at` of {quoted(job.name)} is no date: {quoted(value)}"
        line = release.line_of("released_at")
        sink.error("bad-date", message, line, "write it like 2026-03-15T08:00:00Z")
