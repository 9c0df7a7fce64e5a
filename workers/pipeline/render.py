"""From a plan to files. Pure: the same plan gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import yaml

from workers.pipeline import slots
from workers.pipeline.plan import Plan
from workers.pipeline.schema import STAGES

CI_FILE = ".gitlab-ci.yml"
DOCKERFILE = "Dockerfile"
DOCKERIGNORE = ".dockerignore"
_WIDTH = 96


def render(plan: Plan) -> dict[str, str]:
    """Path → text: `.gitlab-ci.yml`, and `Dockerfile` and `.dockerignore` where planned."""
    return {CI_FILE: pipeline(plan), **_docker(plan)}


def _docker(plan: Plan) -> dict[str, str]:
    """Empty where the plan has no Dockerfile. A person's own is not touched."""
    if plan.dockerfile is None:
        return {}
    files = {DOCKERFILE: slots.fill(plan.dockerfile, plan.fills)}
    if plan.dockerignore is not None:
        files[DOCKERIGNORE] = plan.dockerignore
    return files


def pipeline(plan: Plan) -> str:
    """The text of `.gitlab-ci.yml`."""
    parts = [
        _header(plan),
        _block({"stages": list(STAGES)}),
        _block({"workflow": _filled(plan.workflow, plan)}),
        _variables(plan),
        _block({"default": _filled(plan.default, plan)}),
    ]
    stage: str | None = None
    for name, job in plan.jobs.items():
        if job.stage not in (None, stage):
            stage = job.stage
            parts.append(_rule(str(stage)))
        about = slots.fill(plan.comments.get(name, ""), plan.fills)
        parts.append(_comment(about) + _block({name: _filled(job, plan)}))
    return "\n".join(parts)


def _header(plan: Plan) -> str:
    lines = [
        f"Pipeline for {plan.summary}, written by {plan.generator}",
        f"template {plan.template}@{plan.template_version} · plan sha256:{plan.digest}",
        "",
        "This file is yours: change what you like, the generator will not write over it.",
    ]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _rule(stage: str) -> str:
    return f"# {'-' * 4} {stage} {'-' * (70 - len(stage))}\n"


def _comment(text: str) -> str:
    """`text` as comment lines of at most 96 columns."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + len(word) + 3 <= _WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "".join(f"# {line}\n" for line in lines)


def _variables(plan: Plan) -> str:
    """`variables:` with each group's comment above it."""
    text = "variables:\n"
    for name, variable in plan.variables.items():
        for line in _comment(variable.about or "").splitlines():
            text += f"  {line}\n"
        value = slots.fill(variable.value, plan.fills)
        text += "".join(f"  {line}\n" for line in _block({name: value}).splitlines())
    return text


def _filled(value: msgspec.Struct, plan: Plan) -> Any:
    """The keywords of `value` in the order of its fields, with every slot filled.

    Filled before it is written, so that a version that would read as a number gets its quotes.
    """
    return _fill(msgspec.to_builtins(value), plan.fills)


def _fill(node: Any, fills: Mapping[str, str]) -> Any:
    if isinstance(node, str):
        return slots.fill(node, fills)
    if isinstance(node, dict):
        return {key: _fill(value, fills) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_fill(item, fills) for item in node]
    return node


class _Dumper(yaml.SafeDumper):
    """Block style, indented lists, no aliases, literal blocks for scripts, no folding."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    if "\n" in value:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|")
    style = None if _reads_as_text(value) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


@lru_cache(8192)
def _reads_as_text(value: str) -> bool:
    """Whether YAML reads the bare value as a text; "1.25", "true" and "*.xml" need quotes.

    What holds quotes or backslashes itself is left to the library, which then takes single ones.
    """
    if value.startswith(("*", "@", "%")) and '"' not in value and "\\" not in value:
        return False
    if not value:
        return False
    loaded: object = yaml.safe_load(f"[{value}]") if _is_word(value) else [value]
    return loaded == [value]


def _list(dumper: yaml.SafeDumper, value: Sequence[Any]) -> yaml.SequenceNode:
    """Short lists of plain words stay on one line, as people write them."""
    words = all(isinstance(item, str) and len(item) < 30 and _is_word(item) for item in value)
    short = words and sum(len(item) + 2 for item in value if isinstance(item, str)) < 60
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=short)


def _is_word(text: str) -> bool:
    return bool(text) and all(char.isalnum() or char in "._-/" for char in text)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(tuple, _list)


def _block(value: Mapping[str, Any]) -> str:
    return yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
