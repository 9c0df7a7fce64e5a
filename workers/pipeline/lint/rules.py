"""Conditions: `rules` of jobs, of the workflow and of includes, and `only`/`except`.

Sources: lib/gitlab/ci/config/entry/{rules,rules/rule,policy,workflow}.rb. The warning about two
pipelines for one push is GitLab's own (`Processable#validate_against_warnings`), widened to rules
that take both merge requests and branches.
"""

from __future__ import annotations

from typing import Any, Final

from workers.pipeline.lint import expression, regex
from workers.pipeline.lint.duration import WEEK
from workers.pipeline.lint.findings import Sink, quoted
from workers.pipeline.lint.pipeline import Job, Pipeline, rules_of
from workers.pipeline.lint.tree import Map, Opaque, Seq, flattened, levels
from workers.pipeline.lint.values import one_duration

MAX_RULE_LEVELS: Final = 10
MAX_PATHS: Final = 50


def check(pipeline: Pipeline) -> None:
    """Record every fault in a condition."""
    workflow = pipeline.body.get("workflow")
    if isinstance(workflow, Map):
        _rules("workflow", workflow, pipeline.sink)
    _include_rules(pipeline)
    guarded = isinstance(workflow, Map) and "rules" in workflow
    for job in pipeline.jobs.values():
        if pipeline.sink.full:
            return
        _rules(job.name, job.keys, pipeline.sink)
        for key in ("only", "except"):
            _policy(job, key, pipeline.sink)
        if not guarded and not pipeline.lenient:
            _duplicates(job, pipeline.sink)


def _rules(owner: str, keys: Map, sink: Sink) -> None:
    value = keys.get("rules")
    if isinstance(value, Seq) and not value:
        message = f"the `rules` of {quoted(owner)} are empty"
        sink.error("empty-rules", message, keys.line_of("rules"), "add a rule, or remove `rules`")
    _only_mappings(owner, value, sink)
    if levels(value) > MAX_RULE_LEVELS:
        message = f"the `rules` of {quoted(owner)} are nested deeper than {MAX_RULE_LEVELS} lists"
        sink.error("deep-rules", message, keys.line_of("rules"), "nest fewer references")
    for rule, line in rules_of(value):
        if not rule:
            message = f"a rule of {quoted(owner)} is empty"
            sink.error("empty-rules", message, line, "say `if`, `changes`, `exists` or `when`")
        _condition(owner, rule, sink)
        delayed = rule.get("when") == "delayed"
        if delayed and rule.get("start_in") is None:
            message = f"a rule of {quoted(owner)} is delayed but has no `start_in`"
            sink.error("no-start-in", message, rule.line_of("when"), "add `start_in: 30 minutes`")
        if rule.get("start_in") is not None and not delayed and owner != "workflow":
            message = f"a rule of {quoted(owner)} has `start_in` but is not `when: delayed`"
            sink.error("start-in", message, rule.line_of("start_in"), "add `when: delayed`")
        one_duration(owner, rule, "start_in", sink, most=WEEK)


def _only_mappings(owner: str, value: Any, sink: Sink) -> None:
    flat = flattened(value)
    for index, rule in enumerate(flat if isinstance(flat, Seq) else ()):
        # The schema says it of everything but text.
        if isinstance(rule, str) and not isinstance(rule, Opaque):
            message = f"a rule of {quoted(owner)} is no mapping: {quoted(rule)}"
            sink.error("bad-rule", message, flat.line_of(index), "write `- if: …` or `- when: …`")


def _condition(owner: str, rule: Map, sink: Sink) -> None:
    text = rule.get("if")
    if isinstance(text, str) and not isinstance(text, Opaque):
        _expression(f"`if` of {quoted(owner)}", text, rule.line_of("if"), sink)
    for key in ("changes", "exists"):
        inner: Any = rule.get(key)
        pattern = inner.get("regexp") if isinstance(inner, Map) else None
        paths = inner.get("paths") if isinstance(inner, Map) else inner
        if isinstance(paths, Seq) and len(paths) > MAX_PATHS:
            message = f"`{key}` of {quoted(owner)} lists {len(paths)} paths"
            sink.error("too-many-paths", message, rule.line_of(key), f"at most {MAX_PATHS}")
        problem = regex.fault(pattern) if isinstance(pattern, str) else None
        if problem:
            message = f"the pattern of `{key}:regexp` of {quoted(owner)} {problem}"
            sink.error("bad-regex", message, inner.line_of("regexp"), "write it in RE2's syntax")


def _expression(subject: str, text: str, line: int, sink: Sink) -> None:
    problem = expression.fault(text)
    if problem:
        code = "bad-regex" if "has the pattern" in problem else "bad-expression"
        fix = 'write for instance `$CI_COMMIT_BRANCH == "main"`'
        fix = "write the pattern in RE2's syntax" if code == "bad-regex" else fix
        sink.error(code, f"{subject}, {quoted(text)}, {problem}", line, fix)


def _policy(job: Job, key: str, sink: Sink) -> None:
    """`only` and `except`: names may be patterns, variables are conditions."""
    value: Any = job.keys.get(key)
    if isinstance(value, Map) and not value:
        message = f"the `{key}` of {quoted(job.name)} is empty"
        sink.error("empty-policy", message, job.line_of(key), f"say when, or remove `{key}`")
    refs: Any = value.get("refs") if isinstance(value, Map) else value
    for index, ref in enumerate(refs if isinstance(refs, Seq) else ()):
        pattern = regex.slashed(ref) if isinstance(ref, str) and ref.startswith("/") else None
        problem = regex.fault(pattern) if pattern is not None else None
        if problem:
            message = f"the pattern {quoted(ref)} in `{key}` of {quoted(job.name)} {problem}"
            sink.error("bad-regex", message, refs.line_of(index), "write it in RE2's syntax")
    conditions: Any = value.get("variables") if isinstance(value, Map) else None
    for index, text in enumerate(conditions if isinstance(conditions, Seq) else ()):
        if isinstance(text, str) and not isinstance(text, Opaque):
            subject = f"`{key}:variables` of {quoted(job.name)}"
            _expression(subject, text, conditions.line_of(index), sink)


def _include_rules(pipeline: Pipeline) -> None:
    include = pipeline.body.get("include")
    for item in include if isinstance(include, Seq) else [include]:
        for rule, _ in rules_of(item.get("rules") if isinstance(item, Map) else None):
            _condition("include", rule, pipeline.sink)


def _duplicates(job: Job, sink: Sink) -> None:
    rules = [rule for rule, _ in job.rules()]
    if not rules:
        return
    line = job.line_of("rules")
    last = rules[-1]
    open_end = list(last) == ["when"] and last["when"] != "never"
    if open_end or _both_kinds(rules):
        sink.warning(
            "duplicate-pipelines",
            f"{quoted(job.name)} may run twice for one push: in a branch pipeline and in one of "
            "the merge request, since there are no `workflow:rules`",
            line,
            "add `workflow:rules` that take only one of the two",
        )


def _both_kinds(rules: list[Map]) -> bool:
    conditions = [_positive(rule) for rule in rules if rule.get("when") != "never"]
    merge = any("merge_request_event" in text or "$CI_MERGE_REQUEST" in text for text in conditions)
    branch = any(
        "$CI_COMMIT_BRANCH" in text and "merge_request_event" not in text for text in conditions
    )
    return merge and branch


def _positive(rule: Map) -> str:
    text: Any = rule.get("if")
    return text if isinstance(text, str) else ""
