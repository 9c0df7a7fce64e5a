"""From a composed template to what one repository gets: variants, conditions, empty slots, jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from workers.pipeline import slots
from workers.pipeline.conditions import Facts, holds
from workers.pipeline.schema import JOB_EXTRAS, STAGES, Job, Server, ServerTemplate

T = TypeVar("T")
_GONE = object()
LAST = "filesystem_scan"
"""The base's own job of a stage that languages fill: it stands after theirs."""


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `under`: mappings merge key by key, null removes, all else replaces."""
    merged = dict(under)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def with_variants(body: Mapping[str, Any], known: Facts) -> dict[str, Any]:
    """The template with every variant whose condition holds laid on it, in the file's order."""
    merged = {key: value for key, value in body.items() if key != "variants"}
    for variant in body.get("variants", ()):
        if holds(variant.get("only_if"), known):
            merged = lay(merged, variant)
    return merged


def lay(body: Mapping[str, Any], variant: Mapping[str, Any]) -> dict[str, Any]:
    """`variant` merged over `body`; its notes are added to the others."""
    parts = {key: value for key, value in variant.items() if key not in ("only_if", "notes")}
    merged = merge(body, parts)
    merged["notes"] = [*body.get("notes", ()), *variant.get("notes", ())]
    return merged


def prune(node: Any, known: Facts | None, empty: frozenset[str] = frozenset()) -> Any:
    """`node` without the parts whose condition fails, and without texts that hold an empty slot.

    `known` None keeps every part: that is how a template is checked. `{only_if, run}` in a list
    becomes the text of `run`.
    """
    result = _prune(node, known, empty)
    return None if result is _GONE else result


def _prune(node: Any, known: Facts | None, empty: frozenset[str]) -> Any:
    if isinstance(node, str):
        return _GONE if not empty.isdisjoint(slots.names(node)) else node
    if isinstance(node, list):
        items = [kept for item in node if (kept := _prune(item, known, empty)) is not _GONE]
        return items if items or not node else _GONE
    if not isinstance(node, Mapping):
        return node
    if known is not None and not holds(node.get("only_if"), known):
        return _GONE
    rest = {
        key: kept
        for key, value in node.items()
        if key != "only_if" and (kept := _prune(value, known, empty)) is not _GONE
    }
    if "run" in node:
        return rest.get("run", _GONE) if set(rest) <= {"run"} else rest
    return rest


def jobs(raw: Mapping[str, Any]) -> dict[str, Job]:
    """Pruned jobs as typed ones, hidden ones first, then by stage in the template's order.

    A `needs` entry whose job is not there is dropped. Raises msgspec.ValidationError.
    """
    typed = {
        name: msgspec.convert({k: v for k, v in job.items() if k not in JOB_EXTRAS}, Job)
        for name, job in raw.items()
    }
    for name, job in typed.items():
        if job.needs is not None:
            kept = tuple(n for n in job.needs if (n if isinstance(n, str) else n.job) in typed)
            typed[name] = msgspec.structs.replace(job, needs=kept)
    return dict(sorted(typed.items(), key=lambda item: (_rank(item[1]), item[0] == LAST)))


def _rank(job: Job) -> int:
    """Hidden jobs of no stage stand first, those of a stage with the jobs that extend them."""
    return STAGES.index(job.stage) if job.stage else -1


def with_servers(job: Mapping[str, Any], found: Mapping[str, ServerTemplate]) -> dict[str, Any]:
    """`job` with the servers that the tests need, and the variables that point to them."""
    if not found:
        return dict(job)
    servers = [
        msgspec.to_builtins(
            Server(name=server.image, alias=server.alias, command=server.command,
                   variables=server.variables)
        )
        for server in found.values()
    ]  # fmt: skip
    provided = {k: v for server in found.values() for k, v in server.provides.items()}
    return {
        **job,
        "services": [*job.get("services", ()), *servers],
        "variables": {**provided, **job.get("variables", {})},
    }
