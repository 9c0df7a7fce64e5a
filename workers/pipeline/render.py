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
        _workflow(plan),
        _variables(plan),
        _block({"default": _filled(plan.default, plan)}),
    ]
    heading: str | None = None
    for name, job in plan.jobs.items():
        above = _owner(name, plan) if plan.apps else job.stage
        if above not in (None, heading):
            heading = above
            parts.append(_rule(str(heading)))
        about = slots.fill(plan.comments.get(name, ""), plan.fills)
        parts.append(_comment(about) + _block({name: _filled(job, plan)}))
    return "\n".join(parts)


def _header(plan: Plan) -> str:
    lines = [
        f"Pipeline for {plan.summary}, written by {plan.generator}",
        *_templates(plan),
        "",
        "This file is yours: change what you like, the generator will not write over it.",
    ]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def _templates(plan: Plan) -> list[str]:
    """Where it comes from: the template, or those of the apps."""
    digest = f"plan sha256:{plan.digest}"
    if not plan.apps:
        return [f"template {plan.template}@{plan.template_version} · {digest}"]
    named = [f"{app.path}: template {app.template}@{app.template_version}" for app in plan.apps]
    return [*named, digest]


def _workflow(plan: Plan) -> str:
    """`workflow:` with its comment above it."""
    keywords = slots.fill_all(plan.workflow.keywords, plan.fills)
    return _comment(plan.workflow.about or "") + _block({"workflow": keywords})


def _rule(heading: str) -> str:
    return f"# {'-' * 4} {heading} {'-' * (70 - len(heading))}\n"


def _owner(job: str, plan: Plan) -> str:
    """Whose job it is, where there are several apps."""
    name = job.removeprefix(".").partition(":")[0] if ":" in job else None
    owner = next((app.path for app in plan.apps if app.name == name), None)
    hidden = job.startswith(".") and plan.jobs[job].stage is None
    return owner or ("what apps have in common" if hidden else "the whole repository")


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
    return slots.fill_all(msgspec.to_builtins(value), plan.fills)


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
    """Short lists of words and paths stay on one line, as people write them."""
    texts = [item for item in value if isinstance(item, str)]
    words = len(texts) == len(value) and all(len(text) < 40 and _is_path(text) for text in texts)
    short = words and sum(len(text) + 2 for text in texts) < 64
    node = dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=short)
    for item in node.value if short else ():
        item.style = '"' if ":" in item.value else item.style  # as everywhere in the file
    return node


def _is_path(text: str) -> bool:
    """A word, a pattern of paths or an address; the empty text is a list's own idiom: [""]."""
    return all(char.isalnum() or char in "._-/*:" for char in text)


def _is_word(text: str) -> bool:
    return bool(text) and all(char.isalnum() or char in "._-/" for char in text)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(tuple, _list)


def _block(value: Mapping[str, Any]) -> str:
    return yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
