"""What must hold of a composed template, before any repository is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from workers.errors import Misconfigured
from workers.pipeline import conditions, resolve, slots
from workers.pipeline.images import Image
from workers.pipeline.schema import (
    JOB_EXTRAS,
    VARIANT_KEYS,
    Docker,
    Job,
    Required,
    ServerTemplate,
    Slot,
    TemplateFile,
    Variable,
    Workflow,
)

SITE_SLOTS = frozenset(
    {
        "backend_url",
        "image_registry",
        "sonar_host_url",
        "splunk_hec_url",
        "base_registry",
        "context",
        "project_key",
    }
)
_EXPECTED = frozenset({"compile", "unit_tests"})
"""Jobs that the base waits for, and that a language may have no use for."""

_PARTS: tuple[tuple[str, Any], ...] = (
    ("slots", dict[str, Slot]),
    ("variables", dict[str, Variable]),
    ("required", dict[str, Required]),
    ("servers", dict[str, ServerTemplate]),
    ("workflow", Workflow | None),
    ("default", Job | None),
    ("docker", Docker | None),
)


def check(
    file: str,
    body: Mapping[str, Any],
    images: Mapping[str, Image],
    texts: Mapping[str, str],
    inherited: int = 0,
) -> None:
    """Raises Misconfigured with the file, the key and the cause of the first flaw.

    The template is judged as it stands, and again with each of its variants laid on it;
    `inherited` says how many of those, the first, are not the file's own.
    """
    shapes = [("", {key: value for key, value in body.items() if key != "variants"})]
    for number, variant in enumerate(body.get("variants", ()), start=1):
        where = f"variants[{number - inherited}]: " if number > inherited else "what it extends: "
        _refuse_if(file, where, _variant_flaw(variant))
        shapes.append((where, resolve.lay(shapes[0][1], variant)))
    for condition in _conditions(body):
        _refuse_if(file, "", conditions.flaw(condition))
    _refuse_if(file, "", _slot_flaw(body, texts))
    for where, shape in shapes:
        _refuse_if(file, where, _part_flaw(shape))
        _refuse_if(file, where, _jobs_flaw(shape, images))
        _refuse_if(file, where, _docker_flaw(shape, texts))


def _refuse_if(file: str, where: str, cause: str | None) -> None:
    if cause:
        raise Misconfigured(f"{file}: {where}{cause}")


def _variant_flaw(variant: Any) -> str | None:
    if not isinstance(variant, Mapping) or "only_if" not in variant:
        return "should be a mapping with `only_if`"
    unknown = sorted(set(variant) - VARIANT_KEYS)
    if unknown:
        return f"{unknown[0]}: is no key of a variant"
    asked = [key for key in _fields(variant["only_if"]) if key.startswith(("slot.", "site."))]
    if asked and "slots" in variant:
        return f"only_if: {asked[0]} is not known yet where slots are chosen"
    return conditions.flaw(variant["only_if"])


def _fields(condition: Any) -> Iterator[str]:
    if isinstance(condition, Mapping):
        for key, value in condition.items():
            yield str(key)
            yield from _fields(value)
    elif isinstance(condition, list):
        for part in condition:
            yield from _fields(part)


def _conditions(node: Any) -> Iterator[Any]:
    if isinstance(node, Mapping):
        if "only_if" in node:
            yield node["only_if"]
        for value in node.values():
            yield from _conditions(value)
    elif isinstance(node, list):
        for item in node:
            yield from _conditions(item)


def _part_flaw(shape: Mapping[str, Any]) -> str | None:
    for key, kind in _PARTS:
        raw = shape.get(key)
        try:
            msgspec.convert(resolve.prune(raw, None) if raw is not None else _none(kind), kind)
        except msgspec.ValidationError as error:
            return f"{key}: {error}"
    heads = {key: value for key, value in shape.items() if key not in ("jobs", "notes")}
    unknown = sorted(set(heads) - set(TemplateFile.__struct_fields__))
    return f"{unknown[0]}: is no key of a template" if unknown else None


def _none(kind: Any) -> Any:
    return {} if kind not in (Workflow | None, Job | None, Docker | None) else None


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key != "only_if":
                yield from _texts(value)
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item)


def _slot_flaw(body: Mapping[str, Any], texts: Mapping[str, str]) -> str | None:
    parts = (body, *body.get("variants", ()))
    declared = {name for part in parts for name in part.get("slots", {})}
    clash = sorted(declared & SITE_SLOTS)
    if clash:
        return f"slots: {clash[0]}: is a name of the site's"
    names = {str(name) for part in parts for name in (part.get("docker") or {}).values()}
    files = [text for name, text in texts.items() if name in names]
    for text in (*_texts(body), *files):
        if "$[[" not in text:
            continue
        if text.count("$[[") != len(list(slots.names(text))):
            return f"{text.strip()[:60]!r}: a slot is written `$[[ name ]]`"
        for name in slots.names(text):
            if name not in declared | SITE_SLOTS:
                return f"{text.strip()[:60]!r}: there is no slot {name!r}"
    return None


def _jobs_flaw(shape: Mapping[str, Any], images: Mapping[str, Image]) -> str | None:
    jobs: dict[str, Job] = {}
    for name, raw in shape.get("jobs", {}).items():
        try:
            kept = {key: value for key, value in raw.items() if key not in JOB_EXTRAS}
            jobs[name] = msgspec.convert(resolve.prune(kept, None), Job)
        except (msgspec.ValidationError, AttributeError) as error:
            return f"jobs: {name}: {error}"
    for name, job in jobs.items():
        cause = _job_flaw(name, job, jobs, images)
        if cause:
            return f"jobs: {name}: {cause}"
        if _is_versioned(job, images) and "version" not in shape.get("slots", {}):
            return f"jobs: {name}: image: has versions, and there is no slot `version`"
    for name, slot in shape.get("slots", {}).items():
        if slot.get("image") is not None and slot["image"] not in images:
            return f"slots: {name}: image: {slot['image']!r} is not in images.yaml"
    return None


def _job_flaw(
    name: str, job: Job, jobs: Mapping[str, Job], images: Mapping[str, Image]
) -> str | None:
    if job.extends is not None and not isinstance(job.extends, str):
        return "extends: should be the name of one hidden job"
    parent = jobs.get(job.extends) if job.extends else None
    if job.extends and (parent is None or not job.extends.startswith(".")):
        return f"extends: there is no hidden job {job.extends!r}"
    if name.startswith("."):
        return _image_flaw(job, images)
    if job.stage is None:
        return "stage: is missing"
    if not job.script and not (parent and parent.script):
        return "script: is missing"
    if job.image is None and not (parent and parent.image):
        return "image: is missing"
    for need in job.needs or ():
        target = need if isinstance(need, str) else need.job
        if target not in jobs and target not in _EXPECTED:
            return f"needs: there is no job {target!r}"
    return _image_flaw(job, images)


def _is_versioned(job: Job, images: Mapping[str, Image]) -> bool:
    names = [server.name for server in job.services or ()]
    names += [job.image] if isinstance(job.image, str) else []
    return any(images[name].versions for name in names)


def _image_flaw(job: Job, images: Mapping[str, Image]) -> str | None:
    names = [job.image] if isinstance(job.image, str) else []
    names += [server.name for server in job.services or ()]
    if job.image is not None and not isinstance(job.image, str):
        return "image: should be a name of images.yaml"
    unknown = next((name for name in names if name not in images), None)
    return f"image: {unknown!r} is not in images.yaml" if unknown else None


def _docker_flaw(shape: Mapping[str, Any], texts: Mapping[str, str]) -> str | None:
    docker = shape.get("docker") or {}
    for key in ("dockerfile", "dockerignore"):
        if docker.get(key) is not None and docker[key] not in texts:
            return f"docker: {key}: there is no file dockerfiles/{docker[key]}"
    unknown = sorted(set(docker.get("requires", ())) - set(shape.get("slots", {})))
    return f"docker: requires: there is no slot {unknown[0]!r}" if unknown else None
