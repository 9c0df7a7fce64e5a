"""Stages, `needs`, `dependencies` and `on_stop`: what one job says of another.

The rules follow lib/gitlab/ci/yaml_processor.rb (stage, need, dependency, circle, on_stop) and
the limits of doc/administration/instance_limits.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from workers.pipeline.lint import copies
from workers.pipeline.lint.circles import rings
from workers.pipeline.lint.findings import chain, listed, quoted
from workers.pipeline.lint.pipeline import POST, PRE, Job, Need, Pipeline
from workers.pipeline.lint.tree import Map, Opaque, Seq

MAX_NEEDS: Final = 50
MAX_CROSS_NEEDS: Final = 5


def check(pipeline: Pipeline) -> None:
    """Record every fault in how the jobs lean on each other."""
    graph = _Graph(pipeline)
    for job in pipeline.jobs.values():
        if pipeline.sink.full:
            return
        graph.stage(job)
        graph.needs(job)
        graph.dependencies(job)
        graph.artifact_source(job)
        graph.on_stop(job)
    graph.circles()
    _edges_only(pipeline)


class _Graph:
    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.sink = pipeline.sink
        self.jobs = pipeline.jobs

    def stage(self, job: Job) -> None:
        if isinstance(job.keys.get("stage"), Seq):
            message = f"the `stage` of {quoted(job.name)} is a list"
            self.sink.error("bad-stage", message, job.line_of("stage"), "name one stage")
        stages, stage = self.pipeline.stages, job.stage
        if stages is None or stage is None or stage in stages:
            return
        known = stages[1:-1]
        line = job.line_of("stage")
        if job.has("stage"):
            message = f"{quoted(job.name)} is in the stage {quoted(stage)}, which is not declared"
            fix = self.sink.suggest(stage, known, f"add it to `stages:` ({listed(known)})")
        else:
            message = f"{quoted(job.name)} has no stage, and the default `test` is not declared"
            fix = f"give it a `stage:` ({listed(known)})"
        self.sink.error("unknown-stage", message, line, fix)

    def needs(self, job: Job) -> None:
        needs = job.needs()
        self._kinds(job, needs)
        self._needs_of(job, needs, job.line_of("needs"))
        for rule, line in job.rules():
            if rule.get("needs") is not None:
                self._needs_of(job, job.needs(rule["needs"]), rule.line_of("needs") or line)

    def _needs_of(self, job: Job, needs: list[Need], line: int) -> None:
        mine = [need for need in needs if need.kind == "job"]
        made = sum(copies.count(need, self.jobs.get(need.name or "")) for need in mine)
        if made > MAX_NEEDS:
            counted = " (each copy that `parallel` makes counts)" if made > len(mine) else ""
            message = f"{quoted(job.name)} needs {made} jobs{counted}; GitLab allows {MAX_NEEDS}"
            self.sink.error("too-many-needs", message, line, "need fewer jobs, or use stages")
        seen: set[str] = set()
        for need in mine:
            if need.name is None:
                continue
            if need.name in seen and need.matrix is None:
                self._duplicate(job, need)
            seen.add(need.name)
            self._target(job, need.name, "need", need.line, need.optional)
            other = self.jobs.get(need.name)
            if other is not None:
                copies.check(job, need, other, self.sink)

    def _duplicate(self, job: Job, need: Need) -> None:
        message = f"{quoted(job.name)} needs {quoted(need.name)} twice"
        self.sink.error("duplicate-needs", message, need.line, "remove one of them")

    def _kinds(self, job: Job, needs: list[Need]) -> None:
        crossing = [need for need in needs if need.kind == "cross"]
        mirrored = [need for need in needs if need.kind == "bridge"]
        if len(mirrored) > 1:
            message = f"{quoted(job.name)} mirrors {len(mirrored)} pipelines; only one is allowed"
            self.sink.error("bad-needs", message, mirrored[1].line, "keep one `pipeline`")
        line = job.line_of("needs")
        if len(crossing) > MAX_CROSS_NEEDS:
            message = f"{quoted(job.name)} needs {len(crossing)} jobs of other pipelines"
            self.sink.error("too-many-needs", message, line, f"at most {MAX_CROSS_NEEDS}")
        if job.runs and mirrored:
            message = f"{quoted(job.name)} has commands, so `needs:pipeline` must name a `job`"
            self.sink.error("bad-needs", message, mirrored[0].line, "add `job:`")
        if job.is_trigger and crossing:
            message = f"{quoted(job.name)} triggers a pipeline and cannot need another project's"
            self.sink.error("bad-needs", message, crossing[0].line, "need jobs of this file")

    def _target(self, job: Job, name: str, kind: str, line: int, optional: bool) -> None:
        code = "unknown-needs" if kind == "need" else "unknown-dependency"
        verb = "needs" if kind == "need" else "depends on"
        other = self.pipeline.find(name)
        if other is None:
            if optional:
                return
            message = f"{quoted(job.name)} {verb} {quoted(name)}, which is not defined"
            if f".{name}" in self.pipeline.body or name.startswith("."):
                message = f"{quoted(job.name)} {verb} {quoted(name)}, which is no visible job"
            fix = self.sink.suggest(name, self.jobs, f"define the job, or remove the {kind}")
            self.pipeline.missing(code, message, line, fix)
            return
        mine, theirs = self.pipeline.order(job.stage), self.pipeline.order(other.stage)
        if mine is not None and theirs is not None and theirs > mine:
            self.sink.error(
                f"later-{kind}s" if kind == "need" else "later-dependency",
                f"{quoted(job.name)} (stage {quoted(job.stage)}) {verb} {quoted(name)}, "
                f"which runs later (stage {quoted(other.stage)})",
                line,
                "move one of the jobs to another stage",
            )

    def dependencies(self, job: Job) -> None:
        value = job.keys.get("dependencies")
        if not isinstance(value, Seq):
            return
        needs = job.needs()
        needed = {need.name for need in needs if need.kind == "job"}
        for index, name in enumerate(value):
            if not isinstance(name, str) or isinstance(name, Opaque):
                continue
            line = value.line_of(index)
            self._target(job, name, "dependency", line, optional=False)
            self._same_stage(job, name, line)
            if needs and name not in needed and not any(n.kind == "unknown" for n in needs):
                message = f"{quoted(job.name)} depends on {quoted(name)} but does not need it"
                self.sink.error("dependency-not-needed", message, line, "add it to `needs:`")

    def _same_stage(self, job: Job, name: str, line: int) -> None:
        """GitLab accepts it, but without a need both start at once."""
        other = self.jobs.get(name)
        if other is not None and other.stage == job.stage is not None and not job.has("needs"):
            message = f"{quoted(job.name)} depends on {quoted(name)}, which runs in the same stage"
            fix = "add `needs:`, or move one of the jobs to another stage"
            self.sink.warning("same-stage-dependency", message, line, fix)

    def artifact_source(self, job: Job) -> None:
        trigger = job.keys.get("trigger")
        include = trigger.get("include") if isinstance(trigger, Map) else None
        for item in include if isinstance(include, Seq) else ():
            name = item.get("job") if isinstance(item, Map) else None
            if isinstance(name, str) and not isinstance(name, Opaque):
                self._target(job, name, "dependency", item.line_of("job"), optional=False)

    def on_stop(self, job: Job) -> None:
        environment: Any = job.keys.get("environment")
        target = environment.get("on_stop") if isinstance(environment, Map) else None
        if not isinstance(target, str) or isinstance(target, Opaque):
            return
        line = environment.line_of("on_stop")
        other = self.jobs.get(target)
        subject = f"`on_stop` of {quoted(job.name)}"
        if other is None:
            fix = self.sink.suggest(target, self.jobs, "define the job that stops it")
            message = f"{subject} names {quoted(target)}, which is not defined"
            self.pipeline.missing("unknown-on-stop", message, line, fix)
            return
        fault = _stop_fault(other, environment.get("name"))
        if fault and not other.partial:
            message = f"{subject} names {quoted(target)}, which {fault[0]}"
            self.sink.error("bad-on-stop", message, line, fault[1])

    def circles(self) -> None:
        """Each circle of needs once, at its first job; a circle through a rule may not come up."""
        found = rings(self._edges(lambda job: job.needs()))
        for ring in found:
            self._circle(ring, self.sink.error, "goes in a circle")
        if found:
            return
        for ring in rings(self._edges(_all_needs)):
            self._circle(ring, self.sink.warning, "may go in a circle, by a rule")

    def _edges(self, needs_of: Callable[[Job], list[Need]]) -> dict[str, list[str]]:
        named = {
            name: [n.name for n in needs_of(job) if n.kind == "job" and n.name in self.jobs]
            for name, job in self.jobs.items()
        }
        return {name: [n for n in needed if n is not None] for name, needed in named.items()}

    def _circle(self, ring: list[str], say: Callable[[str, str, int, str], None], how: str) -> None:
        first = min(ring, key=lambda name: self.jobs[name].line)
        start = ring.index(first)
        shown = [*ring[start:], *ring[:start], first]
        message = f"`needs` {how}: {chain(shown)}"
        fix = "remove one need of the circle"
        say("needs-cycle", message, self.jobs[first].line_of("needs"), fix)


def _all_needs(job: Job) -> list[Need]:
    """The needs of a job with those of its rules."""
    ruled = [job.needs(rule["needs"]) for rule, _ in job.rules() if rule.get("needs") is not None]
    return [*job.needs(), *(need for needs in ruled for need in needs)]


def _stop_fault(job: Job, name: Any) -> tuple[str, str] | None:
    environment = job.keys.get("environment")
    if environment is None:
        return "has no environment", "give it the same `environment:name` and `action: stop`"
    action = environment.get("action") if isinstance(environment, Map) else None
    theirs = environment.get("name") if isinstance(environment, Map) else environment
    if theirs != name and not isinstance(theirs, Opaque) and not isinstance(name, Opaque):
        return f"stops another environment, {quoted(theirs)}", f"use the name {quoted(name)}"
    if action != "stop":
        return "does not have `action: stop`", "add `action: stop` to its `environment:`"
    return None


def _edges_only(pipeline: Pipeline) -> None:
    """GitLab makes no pipeline of jobs in `.pre` and `.post` alone (doc/ci/yaml, `stage: .pre`)."""
    stages = {job.stage for job in pipeline.jobs.values()}
    if stages and stages <= {PRE, POST} and not pipeline.lenient:
        first = min(pipeline.jobs.values(), key=lambda job: job.line)
        message = "every job is in `.pre` or `.post`; GitLab needs a job in another stage"
        pipeline.sink.error("only-edge-stages", message, first.line_of("stage"), "add such a job")
