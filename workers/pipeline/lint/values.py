"""What the values of single keywords must be, beyond the schema: durations, patterns, keys."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from workers.pipeline.lint import duration, regex
from workers.pipeline.lint.findings import Sink, listed, quoted
from workers.pipeline.lint.pipeline import MAX_PARALLEL, Job, count_combinations
from workers.pipeline.lint.tree import Map, Opaque, Seq

MAX_URL: Final = 255
MAX_CACHES: Final = 4
# More, up to the schema's ten, need `increase_ci_cache_key_files_limit` (entry/files.rb).
SURE_KEY_FILES: Final = 2
_POLICIES: Final = ("pull-push", "pull", "push")
_TIERS: Final = ("production", "staging", "testing", "development", "other")
# `Gitlab::Regex.environment_name_regex` and `Artifacts::EXPOSE_AS_REGEX`.
_ENVIRONMENT = re.compile(r"(?!/)[a-zA-Z0-9_/${}. -]+(?<!/)\Z")
_EXPOSED = re.compile(r"\w[-\w ]{0,99}\Z")


def durations(owner: str, keys: Map, sink: Sink) -> None:
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


def environment(job: Job, sink: Sink) -> None:
    """Check name, address and tier (lib/gitlab/ci/config/entry/environment.rb)."""
    written = job.keys.get("environment")
    keys = written if isinstance(written, Map) else Map(job.line_of("environment"))
    name = keys.get("name") if isinstance(written, Map) else written
    if isinstance(name, str) and not isinstance(name, Opaque) and not _ENVIRONMENT.match(name):
        message = f"the environment name {quoted(name)} of {quoted(job.name)} is not allowed"
        fix = "use letters, digits, spaces and `-_/${}.`, with no `/` at either end"
        sink.error("bad-environment", message, keys.line_of("name"), fix)
    url = keys.get("url")
    if isinstance(url, str) and len(url) > MAX_URL:
        message = f"the environment's `url` of {quoted(job.name)} is too long"
        sink.error("bad-environment", message, keys.line_of("url"), f"at most {MAX_URL}")
    tier = keys.get("deployment_tier")
    if isinstance(tier, str) and not isinstance(tier, Opaque) and tier not in _TIERS:
        message = f"the `deployment_tier` {quoted(tier)} of {quoted(job.name)} does not exist"
        fix = sink.suggest(tier, _TIERS, f"use one of {listed(_TIERS)}")
        sink.error("bad-environment", message, keys.line_of("deployment_tier"), fix)


def coverage(job: Job, sink: Sink) -> None:
    """Check that RE2 compiles the pattern."""
    value = job.keys.get("coverage")
    pattern = regex.slashed(value) if isinstance(value, str) else None
    problem = regex.fault(pattern) if pattern else None
    if problem:
        message = f"the `coverage` pattern of {quoted(job.name)} {problem}"
        sink.error("bad-regex", message, job.line_of("coverage"), "write it in RE2's syntax")


def artifacts(owner: str, parent: Map, sink: Sink) -> None:
    """Check what is kept (lib/gitlab/ci/config/entry/artifacts.rb)."""
    keys = parent.get("artifacts")
    if not isinstance(keys, Map):
        return
    if keys.get("expose_as") is not None:
        _exposed(owner, keys, sink)
    kept = ("paths", "reports", "untracked")
    if not any(keys.get(key) for key in kept) and keys:
        message = f"`artifacts` of {quoted(owner)} keeps nothing"
        sink.warning("no-paths", message, parent.line_of("artifacts"), "add `paths:` or `reports:`")


def _exposed(owner: str, keys: Map, sink: Sink) -> None:
    line, name, paths = keys.line_of("expose_as"), keys["expose_as"], keys.get("paths")
    subject = f"`artifacts:expose_as` of {quoted(owner)}"
    if not paths:
        sink.error("no-paths", f"{subject} needs `paths`", line, "add `paths:`")
    elif any(isinstance(path, str) and "*" in path for path in paths):
        message = f"{subject} does not work with `*` in `paths`"
        sink.error("bad-expose-as", message, line, "name the files, or a folder")
    if isinstance(name, str) and not isinstance(name, Opaque) and not _EXPOSED.match(name):
        message = f"{subject} is not allowed: {quoted(name)}"
        fix = "use up to 100 letters, digits, spaces, `-` and `_`"
        sink.error("bad-expose-as", message, line, fix)


def cache_keys(owner: str, caches: Any, sink: Sink) -> None:
    """Check one cache or a list of them (lib/gitlab/ci/config/entry/{cache,caches,key}.rb)."""
    if isinstance(caches, Seq) and len(caches) > MAX_CACHES:
        message = f"{quoted(owner)} has {len(caches)} caches; GitLab allows {MAX_CACHES}"
        sink.error("too-many-caches", message, caches.line, "put some paths together")
    for cache in caches if isinstance(caches, Seq) else [caches]:
        key = cache.get("key") if isinstance(cache, Map) else None
        policy = cache.get("policy") if isinstance(cache, Map) else None
        if isinstance(policy, str) and "$" not in policy and policy not in _POLICIES:
            message = f"GitLab accepts the cache policy {quoted(policy)} but does not know it"
            fix = f"use one of {listed(_POLICIES)}"
            sink.warning("cache-policy", message, cache.line_of("policy"), fix)
        if isinstance(key, str) and (unquote(key) in (".", "..") or "/" in unquote(key)):
            if "/" not in key and key not in (".", ".."):
                message = f"the cache key of {quoted(owner)} hides a `/` or dots: {quoted(key)}"
                sink.error("bad-cache-key", message, cache.line_of("key"), "use another key")
        elif isinstance(key, Map):
            files = [name for name in ("files", "files_commits") if key.get(name) is not None]
            if len(files) != 1:
                message = f"the cache key of {quoted(owner)} needs `files` or `files_commits`"
                sink.error("bad-cache-key", message, cache.line_of("key"), "name one of them")
            else:
                _key_files(owner, key, files[0], sink)


def _key_files(owner: str, key: Map, keyword: str, sink: Sink) -> None:
    names = key[keyword]
    if isinstance(names, Seq) and len(names) > SURE_KEY_FILES:
        message = f"the cache key of {quoted(owner)} is made of {len(names)} files"
        fix = f"name {SURE_KEY_FILES}: GitLab may refuse more (a feature flag decides)"
        sink.warning("many-key-files", message, key.line_of(keyword), fix)


def parallel(job: Job, sink: Sink) -> None:
    """Check the size of a matrix (lib/gitlab/ci/config/entry/product/matrix.rb)."""
    copies = job.keys.get("parallel")
    matrix = copies.get("matrix") if isinstance(copies, Map) else None
    if not isinstance(matrix, Seq):
        if job.is_trigger and isinstance(copies, int):
            message = f"{quoted(job.name)} triggers a pipeline: `parallel` must be a `matrix`"
            sink.error("bad-parallel", message, job.line_of("parallel"), "use `parallel:matrix`")
        return
    line = copies.line_of("matrix") if isinstance(copies, Map) else matrix.line
    if not matrix:
        message = f"the `parallel:matrix` of {quoted(job.name)} is empty: GitLab makes no job of it"
        sink.warning("empty-matrix", message, line, "list variables with their values")
    made = count_combinations(matrix)
    if made > MAX_PARALLEL:
        message = f"the `parallel:matrix` of {quoted(job.name)} makes {min(made, 10**9)} jobs"
        sink.error("bad-parallel", message, line, f"GitLab allows {MAX_PARALLEL}")
    for row in matrix:
        if isinstance(row, Map) and (not row or any(v in (None, "", []) for v in row.values())):
            message = f"the `parallel:matrix` of {quoted(job.name)} has a variable without a value"
            sink.error("bad-parallel", message, row.line, "give every variable a value")
        elif isinstance(row, Map) and any(_holds_container(value) for value in row.values()):
            message = f"the `parallel:matrix` of {quoted(job.name)} has a value that is no text"
            sink.error("bad-parallel", message, row.line, "list texts or numbers only")


def release(job: Job, sink: Sink) -> None:
    """Check the date of a release (lib/gitlab/ci/config/entry/release.rb)."""
    keys = job.keys.get("release")
    value = keys.get("released_at") if isinstance(keys, Map) else None
    if not isinstance(keys, Map) or not isinstance(value, str) or isinstance(value, Opaque):
        return
    try:
        datetime.fromisoformat(value)
    except ValueError:
        message = f"`released_at` of {quoted(job.name)} is no date: {quoted(value)}"
        line = keys.line_of("released_at")
        sink.error("bad-date", message, line, "write it like 2026-03-15T08:00:00Z")


def _holds_container(value: Any) -> bool:
    return isinstance(value, Seq) and any(isinstance(item, (Map, Seq)) for item in value)
