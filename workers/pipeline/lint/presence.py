"""Needs of jobs that rules may leave out of the pipeline that needs them.

GitLab then makes no pipeline at all: "'b' job needs 'a' job, but 'a' does not exist in the
pipeline" (doc/ci/yaml/needs.md, troubleshooting). Which rules hold is known only when it runs, so
this is a warning, and only where the job that needs is always there.
"""

from __future__ import annotations

from workers.pipeline.lint.findings import quoted
from workers.pipeline.lint.pipeline import Job, Pipeline, rules_of
from workers.pipeline.lint.tree import Map

_CONDITIONS = frozenset({"if", "changes", "exists"})


def check(pipeline: Pipeline) -> None:
    """Warn of each need that is not optional, though the needed job is."""
    workflow = pipeline.body.get("workflow")
    rules = rules_of(workflow.get("rules") if isinstance(workflow, Map) else None)
    all_cases = {str(rule.get("if")) for rule, _ in rules if rule.get("when") != "never"}
    for job in pipeline.jobs.values():
        if job.partial or not _always(job, all_cases):
            continue
        for need in job.needs():
            other = pipeline.find(need.name) if need.kind == "job" and need.name else None
            if other is None or need.optional or other.partial or _always(other, all_cases):
                continue
            message = f"{quoted(job.name)} is always there and needs {quoted(other.name)}, which "
            message += "its rules may leave out: GitLab then makes no pipeline"
            fix = "add `optional: true` to the need, or give both the same rules"
            pipeline.sink.warning("needs-may-miss", message, need.line, fix)


def _always(job: Job, all_cases: set[str]) -> bool:
    """Whether a job is in every pipeline, as far as its rules alone tell."""
    if job.has("only") or job.has("except"):
        return False
    if not job.has("rules"):
        return True
    rules = [rule for rule, _ in job.rules()]
    if any(not _CONDITIONS & set(rule) for rule in rules if rule.get("when") != "never"):
        return True
    # A job whose rules name every case of the workflow is there whenever a pipeline is.
    plain = {str(rule["if"]) for rule in rules if _CONDITIONS & set(rule) == {"if"}}
    return bool(all_cases) and all_cases <= plain
