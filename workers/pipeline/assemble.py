"""The parts of a plan, each from the template's resolved body and what is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workers.detect.analysis import Analysis
from workers.pipeline import conditions, dockerfile, resolve, slots, subfolder
from workers.pipeline.images import Image, mirrored
from workers.pipeline.schema import (
    Docker,
    ImageRef,
    Job,
    Required,
    RequiredVariable,
    Server,
    ServerTemplate,
    Variable,
)
from workers.pipeline.site import Site
from workers.pipeline.templates import Template

NO_IMAGE = "No image is built, scanned or released"


class Files(msgspec.Struct, frozen=True):
    path: str | None = None
    dockerfile: str | None = None
    dockerignore: str | None = None


def docker(
    template: Template,
    body: Mapping[str, Any],
    known: conditions.Facts,
    empty: frozenset[str],
    analysis: Analysis,
    place: str,
) -> tuple[Files, tuple[str, ...]]:
    """The Docker files to write, and the path of the Dockerfile that there will be.

    An app in a folder of its own, `place`, gets them at the root, from where they are built, if
    nothing else is there; where there are several, `place` is a variable.
    """
    folder = subfolder.of(analysis)
    several = analysis.monorepo or any(app.path not in (folder, ".") for app in analysis.apps)
    if analysis.dockerfile:
        return Files(analysis.dockerfile), ()
    if folder and (several or place != folder):
        return Files(), (f"{NO_IMAGE}: {folder} has no Dockerfile; add one there.",)
    raw = resolve.prune(body.get("docker", {}), known, frozenset())
    docker = msgspec.convert(raw or {}, Docker)
    if docker.omit or docker.dockerfile is None:
        return Files(), (f"{NO_IMAGE}: no Dockerfile is there, and none of ours fits.",)
    missing = [name for name in docker.requires if name in empty]
    if missing:
        words = " and ".join(name.replace("_", " ") for name in missing)
        return Files(), (f"{NO_IMAGE}: for a Dockerfile the repository does not tell its {words}.",)
    ignore = template.texts[docker.dockerignore] if docker.dockerignore else None
    text = dockerfile.assemble(template.texts[docker.dockerfile], docker.entrypoint)
    text = _without_empty(text, empty)
    if folder:
        text = dockerfile.from_root(text, folder)
        ignore = dockerfile.ignored_from_root(ignore, folder) if ignore else None
    return Files("Dockerfile", text, ignore), ()


def _without_empty(text: str, empty: frozenset[str]) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if empty.isdisjoint(slots.names(line)))


def jobs(
    template: Template,
    body: Mapping[str, Any],
    known: conditions.Facts,
    empty: frozenset[str],
    analysis: Analysis,
    site: Site,
) -> tuple[dict[str, Job], dict[str, str], tuple[str, ...]]:
    """Typed jobs with references for images, their comments, and notes on those left out."""
    table = msgspec.convert(body.get("servers", {}), dict[str, ServerTemplate])
    found = {s.name: table[s.name] for s in analysis.services if s.name in table}
    raw: dict[str, Any] = {}
    notes = []
    for name, job in body["jobs"].items():
        kept = _without_idle_artifacts(resolve.prune(job, known, empty))
        if kept is None or not _has_script(name, kept, body["jobs"]):
            notes += [job["otherwise"]] if "otherwise" in job else []
        else:
            raw[name] = resolve.with_servers(kept, found) if job.get("found_servers") else kept
    notes += [
        f"The tests seem to need {service.name}, which no template starts: add it to the test job."
        for service in analysis.services
        if service.name not in table
    ]
    jobs = {
        name: _placed(job, template.images, site) for name, job in resolve.jobs(_used(raw)).items()
    }
    comments = {name: str(raw[name]["about"]) for name in jobs if "about" in raw[name]}
    return jobs, comments, tuple(notes)


def _without_idle_artifacts(job: Any) -> Any:
    """`job` without artifacts that would keep nothing, as their paths had no value here."""
    if job is None or not {"paths", "reports"}.isdisjoint(job.get("artifacts", {"paths"})):
        return job
    return {key: value for key, value in job.items() if key != "artifacts"}


def _has_script(name: str, job: Mapping[str, Any], jobs: Mapping[str, Any]) -> bool:
    parent = jobs.get(str(job.get("extends")), {})
    return name.startswith(".") or bool(job.get("script") or parent.get("script"))


def _used(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Without hidden jobs that nothing extends."""
    extended = {job.get("extends") for job in raw.values()}
    return {name: job for name, job in raw.items() if name[0] != "." or name in extended}


def _placed(job: Job, images: Mapping[str, Image], site: Site) -> Job:
    """`job` with image names of the table replaced by references."""
    changes: dict[str, Any] = {}
    if isinstance(job.image, str):
        row = images[job.image]
        reference = mirrored(row.reference, site.mirror)
        changes["image"] = (
            ImageRef(name=reference, entrypoint=row.entrypoint) if row.entrypoint else reference
        )
    if job.services:
        changes["services"] = tuple(_server(server, images, site) for server in job.services)
    return msgspec.structs.replace(job, **changes)


def _server(server: Server, images: Mapping[str, Image], site: Site) -> Server:
    reference = mirrored(images[server.name].reference, site.mirror)
    return msgspec.structs.replace(server, name=reference)


def variables(
    body: Mapping[str, Any], known: conditions.Facts, empty: frozenset[str]
) -> dict[str, Variable]:
    """Those that have a value: an address that is not configured is not declared."""
    raw = resolve.prune(body["variables"], known, empty)
    return {name: msgspec.convert(row, Variable) for name, row in raw.items() if row.get("value")}


def default(raw: Mapping[str, Any], site: Site) -> Job:
    default = msgspec.convert(raw, Job)
    return msgspec.structs.replace(default, tags=site.runner_tags or None)


def required(
    body: Mapping[str, Any], known: conditions.Facts, jobs: Mapping[str, Job]
) -> tuple[RequiredVariable, ...]:
    raw = resolve.prune(body.get("required", {}), known) or {}
    rows = []
    for name, row in msgspec.convert(raw, dict[str, Required]).items():
        used_by = tuple(job for job in row.used_by if job in jobs)
        if used_by:
            rows.append(
                RequiredVariable(
                    name=name, why=row.why, used_by=used_by, needed=row.needed, secret=row.secret
                )
            )
    return tuple(rows)


def notes(
    body: Mapping[str, Any],
    known: conditions.Facts,
    empty: frozenset[str],
    fills: Mapping[str, str],
) -> tuple[str, ...]:
    kept = resolve.prune(list(body.get("notes", ())), known, empty) or []
    return tuple(slots.fill(str(note["note"]), fills) for note in kept)
