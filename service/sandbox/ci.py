"""Reads a `.gitlab-ci.yml` and decides which jobs a pipeline gets. Runs nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from service.sandbox.expressions import BadExpression, holds

GLOBAL = frozenset(
    ("stages", "variables", "workflow", "default", "include", "image", "services")
    + ("before_script", "after_script", "cache", "spec", "pages", "types")
)
STAGES = ["build", "test", "deploy"]
FILTERED = "Pipeline filtered out by workflow rules."
NO_JOBS = (
    "Pipeline will not run for the selected trigger. The rules configuration prevented any jobs"
    " from being added to the pipeline."
)
Map = dict[str, Any]


class ConfigError(Exception):
    """The file is not valid; `errors` are GitLab's sentences."""

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.errors = list(errors)


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


class Config(msgspec.Struct):
    """A parsed file: stages with GitLab's own first and last, jobs with `extends` merged."""

    stages: list[str]
    variables: dict[str, str]
    workflow: list[Map]
    jobs: dict[str, Map]


class _Reference(msgspec.Struct):
    path: list[str]


class _Loader(yaml.SafeLoader):
    """Safe YAML plus GitLab's `!reference [job, key]`."""


def _reference(loader: yaml.SafeLoader, node: yaml.Node) -> _Reference:
    if not isinstance(node, yaml.SequenceNode):
        raise yaml.constructor.ConstructorError(None, None, "!reference needs a list", None)
    return _Reference([str(part) for part in loader.construct_sequence(node)])


_Loader.add_constructor("!reference", _reference)


def parse(text: str) -> Config:
    """The configuration. Raises `ConfigError` with every fault found."""
    try:
        data = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with one more tag
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"Invalid configuration format: {_first_line(error)}") from error
    if not isinstance(data, dict):
        raise ConfigError("Invalid configuration format")
    data = _resolve(data, data, 0)
    stages = [".pre", *_list(data.get("stages", STAGES)), ".post"]
    raw = {str(k): v for k, v in data.items() if k not in GLOBAL and isinstance(v, dict)}
    jobs = {name: _extended(name, raw, ()) for name in raw if not name.startswith(".")}
    default = data.get("default") if isinstance(data.get("default"), dict) else {}
    for job in jobs.values():
        if "script" not in job and isinstance(default, dict) and "script" in default:
            job["script"] = default["script"]
    workflow = data.get("workflow") if isinstance(data.get("workflow"), dict) else {}
    rules = _list(workflow.get("rules")) if isinstance(workflow, dict) else []
    config = Config(stages, variables_of(data.get("variables")), rules, jobs)
    faults = _faults(config, data)
    if faults:
        raise ConfigError(*faults)
    return config


def _first_line(error: BaseException) -> str:
    return str(error).replace("\n", " ").strip()[:200]


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _resolve(value: Any, root: Map, depth: int) -> Any:
    """Replaces `!reference` by what it names; lists in lists are flattened, as GitLab does."""
    if depth > 20:
        raise ConfigError("!reference is nested too deeply")
    if isinstance(value, _Reference):
        target: Any = root
        for part in value.path:
            if not isinstance(target, dict) or part not in target:
                raise ConfigError(f"!reference {value.path} could not be found")
            target = target[part]
        return _resolve(target, root, depth + 1)
    if isinstance(value, dict):
        return {key: _resolve(inner, root, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        flat: list[Any] = []
        for inner in value:
            found = _resolve(inner, root, depth + 1)
            flat.extend(
                found if isinstance(inner, _Reference) and isinstance(found, list) else [found]
            )
        return flat
    return value


def _extended(name: str, raw: Mapping[str, Map], seen: tuple[str, ...]) -> Map:
    """A job with its `extends` merged: maps deeply, everything else replaced."""
    if name in seen:
        raise ConfigError(f"{seen[0]}: circular dependency detected in `extends`")
    merged: Map = {}
    for parent in _list(raw[name].get("extends")):
        if parent not in raw:
            raise ConfigError(f"{name}: unknown keys in `extends` ({parent})")
        merged = _merge(merged, _extended(str(parent), raw, (*seen, name)))
    return _merge(merged, {k: v for k, v in raw[name].items() if k != "extends"})


def _merge(base: Map, over: Map) -> Map:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged


def variables_of(value: Any) -> dict[str, str]:
    """A `variables:` block as text; the long form counts by its `value`."""
    found: dict[str, str] = {}
    for key, item in value.items() if isinstance(value, dict) else ():
        plain = item.get("value", "") if isinstance(item, dict) else item
        found[str(key)] = "" if plain is None else str(plain)
    return found


def needs_of(job: Map) -> list[tuple[str, bool]] | None:
    """Names a job needs with whether each is optional; None where it follows the stages."""
    if "needs" not in job:
        return None
    needs = (n if isinstance(n, dict) else {"job": n} for n in _list(job["needs"]))
    return [(str(n["job"]), bool(n.get("optional"))) for n in needs if "job" in n]


def _faults(config: Config, data: Map) -> list[str]:
    faults = []
    if not config.jobs:
        faults.append("jobs config should contain at least one visible job")
    for name, value in data.items():
        if name not in GLOBAL and not str(name).startswith(".") and not isinstance(value, dict):
            faults.append(f"root config contains unknown keys: {name}")
    for name, job in config.jobs.items():
        if not any(key in job for key in ("script", "trigger", "run")):
            faults.append(
                f"jobs:{name} config should implement the script:, run:, or trigger: keyword"
            )
        stage = job.get("stage", "test")
        if stage not in config.stages:
            known = ", ".join(config.stages)
            faults.append(
                f"{name} job: chosen stage {stage} does not exist; available stages are {known}"
            )
        for need, optional in needs_of(job) or ():
            if need not in config.jobs and not optional:
                faults.append(f"{name} job: undefined need: {need}")
    return faults


def plan(config: Config, variables: Mapping[str, str]) -> tuple[list[PlannedJob], dict[str, str]]:
    """The jobs that rules let in, and the workflow's variables.

    Raises `FilteredOut`, and `ConfigError` for a need that rules left out.
    """
    known = {**config.variables, **variables}
    if config.workflow:
        rule = matching(config.workflow, known)
        if rule is None or rule.get("when") == "never":
            raise FilteredOut(FILTERED)
        known |= variables_of(rule.get("variables"))
    merge_request = known.get("CI_PIPELINE_SOURCE") == "merge_request_event"
    jobs = []
    for name, job in config.jobs.items():
        # Without rules anywhere GitLab's default is branches and tags, never merge requests.
        if not config.workflow and "rules" not in job and merge_request:
            continue
        planned = _planned(name, job, known)
        if planned is not None:
            jobs.append(planned)
    if not any(job.stage not in (".pre", ".post") for job in jobs):
        raise FilteredOut(NO_JOBS)
    _check_needs(config, jobs)
    order = config.stages.index
    return sorted(jobs, key=lambda job: order(job.stage)), known


def _planned(name: str, job: Map, known: Mapping[str, str]) -> PlannedJob | None:
    when = str(job.get("when", "on_success"))
    allow: Any = job.get("allow_failure", when == "manual")
    if "rules" in job:
        rule = matching(_list(job["rules"]), {**known, **variables_of(job.get("variables"))})
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
        script=[str(line) for line in _list(job.get("script"))],
        needs=None if needs is None else [need for need, _ in needs],
        when=when,
        allow_failure=bool(allow),
        junit=isinstance(reports, dict) and "junit" in reports,
    )


def matching(rules: list[Map], variables: Mapping[str, str]) -> Map | None:
    """The first rule that holds; `exists` and `changes` count as held, for simplicity."""
    for rule in rules:
        if not isinstance(rule, dict):
            raise ConfigError("rules config should be a hash")
        try:
            if "if" not in rule or holds(str(rule["if"]), variables):
                return rule
        except BadExpression as error:
            raise ConfigError(f"rules:rule if invalid expression syntax: {rule['if']}") from error
    return None


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
