"""From a plan to files. Pure: the same plan gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import yaml

from workers.pipeline import dockerfile, slots
from workers.pipeline.plan import Plan
from workers.pipeline.schema import STAGES, Job

CI_FILE = ".gitlab-ci.yml"
_WIDTH = 96


def render(plan: Plan) -> dict[str, str]:
    """Path → text: `.gitlab-ci.yml`, and `Dockerfile` and `.dockerignore` where planned."""
    return {CI_FILE: pipeline(plan), **dockerfile.render(plan)}


def pipeline(plan: Plan) -> str:
    """The text of `.gitlab-ci.yml`."""
    parts = [_header(plan), _block({"stages": list(STAGES)})]
    parts.append(_block({"workflow": msgspec.to_builtins(plan.workflow)}))
    parts.append(_variables(plan))
    parts.append(_block({"default": _keywords(plan.default)}))
    stage: str | None = None
    for name, job in plan.jobs.items():
        if job.stage not in (None, stage):
            stage = job.stage
            parts.append(_rule(str(stage)))
        parts.append(_comment(plan.comments.get(name, "")) + _block({name: _keywords(job)}))
    return slots.fill("\n".join(parts), plan.fills)


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
        text += "".join(f"  {line}\n" for line in _block({name: variable.value}).splitlines())
    return text


def _keywords(job: Job) -> dict[str, Any]:
    """The job's keywords in the order of its fields; empty `needs` is kept, it means "at once"."""
    keywords: dict[str, Any] = msgspec.to_builtins(job)
    return keywords


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


def _reads_as_text(value: str) -> bool:
    """Whether YAML reads the bare value as a text; "1.25" and "true" need quotes."""
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
