"""Plans: all that a pipeline will be, as data. Code renders them, policy judges them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from workers.detect.analysis import Analysis
from workers.errors import Misconfigured, Rejected
from workers.pipeline import candidates as finding
from workers.pipeline import conditions, dockerfile, resolve, slots
from workers.pipeline.images import Image, mirrored
from workers.pipeline.schema import (
    Docker,
    ImageRef,
    Job,
    Required,
    Server,
    ServerTemplate,
    Slot,
    Variable,
    Workflow,
)
from workers.pipeline.templates import Template

Builder = Literal["kaniko", "buildkit", "buildah", "docker"]
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?")
_REGISTRY = re.compile(r"\$CI_REGISTRY_IMAGE|[a-z0-9.-]+(?::[0-9]{1,5})?(?:/[a-z0-9._-]+)*")


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator's settings say to every pipeline. None: not configured.

    `image_registry` may be `$CI_REGISTRY_IMAGE`, GitLab's own registry. `mirror` is the host (and
    path) that proxies Docker Hub for jobs and base images alike.
    """

    backend_url: str = "http://localhost:8000"
    image_registry: str = "ai-nexus:5001/apm-repo/demo"
    sonar_host_url: str | None = None
    splunk_hec_url: str | None = None
    default_branch: str = "main"
    builder: Builder = "kaniko"
    mirror: str | None = None
    runner_tags: tuple[str, ...] = ()

    def values(self) -> dict[str, str]:
        """The texts that fill a template's `$[[ … ]]` of the site; "" where not configured.

        Raises Misconfigured when one would not be a plain address.
        """
        texts = {
            "backend_url": self.backend_url,
            "image_registry": self.image_registry,
            "sonar_host_url": self.sonar_host_url or "",
            "splunk_hec_url": self.splunk_hec_url or "",
            "base_registry": self.mirror or "docker.io",
        }
        for name, text in texts.items():
            pattern = _REGISTRY if name.endswith("registry") else _URL
            if text and not pattern.fullmatch(text):
                raise Misconfigured(f"{name.upper()}: {text!r} cannot stand in a pipeline")
        return texts

    def facts(self) -> dict[str, str]:
        """What conditions ask as `site.*`."""
        own = self.image_registry.startswith("$CI_REGISTRY_IMAGE")
        return {
            "builder": self.builder,
            "registry": "gitlab" if own else "other",
            "sonar": "true" if self.sonar_host_url else "",
            "splunk": "true" if self.splunk_hec_url else "",
        }


class RequiredVariable(msgspec.Struct, frozen=True, kw_only=True):
    """A CI variable that a person sets. Without it `used_by` are left out, or fail if `needed`."""

    name: str
    why: str
    used_by: tuple[str, ...]
    needed: bool
    secret: bool


class Node(msgspec.Struct, frozen=True):
    """One job of the stage graph. `needs` None: it waits for all earlier stages."""

    job: str
    stage: str
    needs: tuple[str, ...] | None
    advisory: bool


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A pipeline as data. Texts hold slots; `choices` and `site` fill them when rendered."""

    template: str
    template_version: str
    summary: str
    language: str | None
    framework: str | None
    ecosystem: str | None
    generator: str
    choices: dict[str, str]
    defaults: dict[str, str]
    kinds: dict[str, str]
    site: dict[str, str]
    builder: Builder
    workflow: Workflow
    default: Job
    variables: dict[str, Variable]
    jobs: dict[str, Job]
    comments: dict[str, str]
    dockerfile: str | None
    dockerignore: str | None
    images: tuple[str, ...]
    """Every reference of the table in force, versions still slots."""
    mirror: str | None
    required_variables: tuple[RequiredVariable, ...]
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """sha256 of the plan's canonical JSON, in hex."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    @property
    def fills(self) -> dict[str, str]:
        """The value of every slot."""
        return {**self.site, **self.choices}

    def stage_graph(self) -> tuple[Node, ...]:
        """Visible jobs in the order of the file, for the merge request's picture."""
        return tuple(
            Node(
                name,
                job.stage,
                None
                if job.needs is None
                else tuple(need if isinstance(need, str) else need.job for need in job.needs),
                job.allow_failure not in (None, False),
            )
            for name, job in self.jobs.items()
            if job.stage is not None
        )


def candidates(template: Template, analysis: Analysis) -> dict[str, tuple[str, ...]]:
    """Slot → the values it may have in this repository, best first. Slots with none are absent."""
    found = finding.of_all(_slots(template, analysis), template, analysis)
    return {name: values for name, values in found.items() if values}


def build(
    template: Template, analysis: Analysis, site: Site, choices: Mapping[str, str] | None = None
) -> Plan:
    """The plan of `template` for one repository.

    `choices` picks among `candidates`; what is not chosen takes the best. Raises Rejected for a
    choice that is not among its candidates, Misconfigured for a site that cannot be written.
    """
    declared = _slots(template, analysis)
    chosen = finding.choose(finding.of_all(declared, template, analysis), choices or {})
    fills = {**site.values(), **chosen}
    known = conditions.facts(analysis, site.facts(), chosen)
    body = resolve.with_variants(template.body, known)
    empty = frozenset(name for name, value in fills.items() if not value)
    docker, docker_notes = _docker(template, body, known, empty, analysis)
    known = {**known, "dockerfile": frozenset({docker.path} if docker.path else ())}
    jobs, comments, job_notes = _jobs(template, body, known, empty, analysis, site)
    return Plan(
        template=template.id,
        template_version=template.version,
        summary=template.summary,
        language=template.language,
        framework=template.framework,
        ecosystem=template.ecosystem or analysis.ecosystem,
        generator=f"devops-backend {_version()}",
        choices=chosen,
        defaults={name: slot.default for name, slot in declared.items()},
        kinds={name: slot.kind for name, slot in declared.items()},
        site=site.values(),
        builder=site.builder,
        workflow=msgspec.convert(body["workflow"], Workflow),
        default=_default(body["default"], site),
        variables=_variables(body, known, empty),
        jobs=jobs,
        comments=comments,
        dockerfile=docker.dockerfile,
        dockerignore=docker.dockerignore,
        images=tuple(sorted({image.reference for image in template.images.values()})),
        mirror=site.mirror,
        required_variables=_required(body, known, jobs),
        notes=(*docker_notes, *job_notes, *_notes(body, known, empty, fills)),
    )


def portable(plan: Plan) -> dict[str, str]:
    """The choices that hold no repository text: versions, named options, a template's defaults."""
    return {
        name: value
        for name, value in plan.choices.items()
        if value and (plan.kinds[name] in ("version", "choice") or value == plan.defaults[name])
    }


def usable(stored: Mapping[str, str], allowed: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """What of a stored plan's choices this repository's candidates still allow."""
    return {name: value for name, value in stored.items() if value in allowed.get(name, ())}


def _version() -> str:
    try:
        return importlib.metadata.version("devops-tools-backend")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def _slots(template: Template, analysis: Analysis) -> dict[str, Slot]:
    body = resolve.with_variants(template.body, conditions.facts(analysis, {}, {}))
    return msgspec.convert(body.get("slots", {}), dict[str, Slot])


class _Files(msgspec.Struct, frozen=True):
    path: str | None = None
    dockerfile: str | None = None
    dockerignore: str | None = None


def _docker(
    template: Template,
    body: Mapping[str, Any],
    known: conditions.Facts,
    empty: frozenset[str],
    analysis: Analysis,
) -> tuple[_Files, tuple[str, ...]]:
    """The Docker files to write, and the path of the Dockerfile that there will be."""
    if analysis.dockerfile:
        return _Files(analysis.dockerfile), ()
    raw = resolve.prune(body.get("docker", {}), known, frozenset())
    docker = msgspec.convert(raw or {}, Docker)
    if docker.dockerfile is None:
        return _Files(), ("No Dockerfile: nothing here says what an image would run.",)
    missing = [name for name in docker.requires if name in empty]
    if missing:
        words = " and ".join(name.replace("_", " ") for name in missing)
        note = f"No Dockerfile was written: the repository does not tell its {words}."
        return _Files(), (note,)
    ignore = template.texts[docker.dockerignore] if docker.dockerignore else None
    text = dockerfile.assemble(template.texts[docker.dockerfile], docker.entrypoint)
    text = _without_empty(text, empty)
    return _Files("Dockerfile", text, ignore), ()


def _without_empty(text: str, empty: frozenset[str]) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if empty.isdisjoint(slots.names(line)))


def _jobs(
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
        kept = resolve.prune(job, known, empty)
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


def _variables(
    body: Mapping[str, Any], known: conditions.Facts, empty: frozenset[str]
) -> dict[str, Variable]:
    """Those that have a value: an address that is not configured is not declared."""
    raw = resolve.prune(body["variables"], known, empty)
    return {name: msgspec.convert(row, Variable) for name, row in raw.items() if row.get("value")}


def _default(raw: Mapping[str, Any], site: Site) -> Job:
    default = msgspec.convert(raw, Job)
    return msgspec.structs.replace(default, tags=site.runner_tags or None)


def _required(
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


def _notes(
    body: Mapping[str, Any],
    known: conditions.Facts,
    empty: frozenset[str],
    fills: Mapping[str, str],
) -> tuple[str, ...]:
    kept = resolve.prune(list(body.get("notes", ())), known, empty) or []
    return tuple(slots.fill(str(note["note"]), fills) for note in kept)


__all__ = [
    "Node", "Plan", "Rejected", "RequiredVariable", "Site", "build", "candidates", "portable",
    "usable",
]  # fmt: skip
