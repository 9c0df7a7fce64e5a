"""Reads a `.gitlab-ci.yml`: YAML with `!reference`, `extends`, and GitLab's first complaints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

GLOBAL = frozenset(
    ("stages", "variables", "workflow", "default", "include", "image", "services")
    + ("before_script", "after_script", "cache", "spec", "pages", "types")
)
STAGES = ["build", "test", "deploy"]
Map = dict[str, Any]


class ConfigError(Exception):
    """The file is not valid; `errors` are GitLab's sentences."""

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.errors = list(errors)


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
    stages = [".pre", *as_list(data.get("stages", STAGES)), ".post"]
    raw = {str(k): v for k, v in data.items() if k not in GLOBAL and isinstance(v, dict)}
    jobs = {name: _extended(name, raw, ()) for name in raw if not name.startswith(".")}
    default = data.get("default") if isinstance(data.get("default"), dict) else {}
    for job in jobs.values():
        if "script" not in job and isinstance(default, dict) and "script" in default:
            job["script"] = default["script"]
        if "tags" not in job and isinstance(default, dict) and "tags" in default:
            job["tags"] = default["tags"]
    workflow = data.get("workflow") if isinstance(data.get("workflow"), dict) else {}
    rules = as_list(workflow.get("rules")) if isinstance(workflow, dict) else []
    config = Config(stages, variables_of(data.get("variables")), rules, jobs)
    faults = _faults(config, data)
    if faults:
        raise ConfigError(*faults)
    return config


def _first_line(error: BaseException) -> str:
    return str(error).replace("\n", " ").strip()[:200]


def as_list(value: Any) -> list[Any]:
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
    for parent in as_list(raw[name].get("extends")):
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
    needs = (n if isinstance(n, dict) else {"job": n} for n in as_list(job["needs"]))
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
