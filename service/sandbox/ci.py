"""Decides which jobs of a `.gitlab-ci.yml` a pipeline gets. Runs nothing."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from service.sandbox.ci_config import Config, ConfigError, Map, as_list, needs_of, variables_of
from service.sandbox.expressions import BadExpression, holds

FILTERED = "Pipeline filtered out by workflow rules."
NO_JOBS = (
    "Pipeline will not run for the selected trigger. The rules configuration prevented any jobs"
    " from being added to the pipeline."
)


class FilteredOut(Exception):
    """Rules leave nothing to run: GitLab makes no pipeline and sends no event."""


class PlannedJob(msgspec.Struct):
    """A job as it will be created."""

    name: str
    stage: str
    script: list[str]
    needs: list[str] | None
    when: str
    allow_failure: bool
    junit: bool
    coverage: bool
    tags: list[str]


def plan(config: Config, variables: Mapping[str, str], files: Iterable[str]) -> list[PlannedJob]:
    """The jobs that rules let in, in the order of their stages; `files` are paths of the tree.

    Raises `FilteredOut`, and `ConfigError` for a need that rules left out.
    """
    paths = tuple(files)
    known = {**config.variables, **variables}
    if config.workflow:
        rule = matching(config.workflow, known, paths)
        if rule is None or rule.get("when") == "never":
            raise FilteredOut(FILTERED)
        known |= variables_of(rule.get("variables"))
    merge_request = known.get("CI_PIPELINE_SOURCE") == "merge_request_event"
    jobs = []
    for name, job in config.jobs.items():
        # Without rules anywhere GitLab's default is branches and tags, never merge requests.
        if not config.workflow and "rules" not in job and merge_request:
            continue
        planned = _planned(name, job, known, paths)
        if planned is not None:
            jobs.append(planned)
    if not any(job.stage not in (".pre", ".post") for job in jobs):
        raise FilteredOut(NO_JOBS)
    _check_needs(config, jobs)
    order = config.stages.index
    return sorted(jobs, key=lambda job: order(job.stage))


def _planned(
    name: str, job: Map, known: Mapping[str, str], files: tuple[str, ...]
) -> PlannedJob | None:
    when = str(job.get("when", "on_success"))
    allow: Any = job.get("allow_failure", when == "manual")
    if "rules" in job:
        rule = matching(
            as_list(job["rules"]), {**known, **variables_of(job.get("variables"))}, files
        )
        if rule is None:
            return None
        when = str(rule.get("when", when))
        allow = rule.get("allow_failure", job.get("allow_failure", False))
    if when == "never":
        return None
    needs = needs_of(job)
    artifacts = job.get("artifacts")
    reports = artifacts.get("reports") if isinstance(artifacts, dict) else None
    return PlannedJob(
        name=name,
        stage=str(job.get("stage", "test")),
        script=[str(line) for line in as_list(job.get("script"))],
        needs=None if needs is None else [need for need, _ in needs],
        when=when,
        allow_failure=bool(allow),
        junit=isinstance(reports, dict) and "junit" in reports,
        coverage=bool(job.get("coverage")),
        tags=[str(tag) for tag in as_list(job.get("tags"))],
    )


def matching(rules: list[Map], variables: Mapping[str, str], files: tuple[str, ...]) -> Map | None:
    """The first rule that holds. `changes` counts as held, as on the first push of a branch."""
    for rule in rules:
        if not isinstance(rule, dict):
            raise ConfigError("rules config should be a hash")
        try:
            fits = "if" not in rule or holds(str(rule["if"]), variables)
        except BadExpression as error:
            text = f"rules:rule if invalid expression syntax: {rule['if']}"
            raise ConfigError(text) from error
        if fits and _exists(rule.get("exists"), files):
            return rule
    return None


def _exists(wanted: Any, files: tuple[str, ...]) -> bool:
    """Whether a rule's `exists` holds: any of its globs meets a file. None asks for nothing."""
    if wanted is None:
        return True
    globs = [
        str(glob) for glob in as_list(wanted.get("paths") if isinstance(wanted, dict) else wanted)
    ]
    flat = [glob.replace("**/", "*") for glob in globs]
    return any(fnmatch.fnmatchcase(path, glob) for glob in (*globs, *flat) for path in files)


def _check_needs(config: Config, jobs: list[PlannedJob]) -> None:
    names = {job.name for job in jobs}
    for job in jobs:
        optional = dict(needs_of(config.jobs[job.name]) or ())
        for need in job.needs or ():
            if need not in names and not optional.get(need):
                raise ConfigError(
                    f"'{job.name}' job needs '{need}' job, but '{need}' does not exist in the"
                    " pipeline. This might be because of the only, except, or rules keywords."
                    " To need a job that sometimes does not exist in the pipeline, use"
                    " needs:optional."
                )
        if job.needs is not None:
            job.needs = [need for need in job.needs if need in names]


SKIP = re.compile(r"\[(?:ci[ _-]skip|skip[ _-]ci)\]", re.IGNORECASE)


def skipped(message: str) -> bool:
    """Whether a commit message asks GitLab to skip its pipeline."""
    return SKIP.search(message) is not None
