"""Plans: all that a pipeline will be, as data. Code renders them, policy judges them."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections import defaultdict
from collections.abc import Mapping

import msgspec

from workers.detect.analysis import Analysis
from workers.errors import Rejected
from workers.pipeline import assemble, conditions, resolve, servers, slots, stated, subfolder
from workers.pipeline import candidates as finding
from workers.pipeline.schema import Job, RequiredVariable, Slot, Variable, Workflow
from workers.pipeline.site import Builder, Site
from workers.pipeline.templates import Template

PROJECT_KEY = "$CI_PROJECT_PATH_SLUG-$CI_PROJECT_ID"
"""What names the program at servers outside; one of several apps adds its own name."""

APP_DIR = "$APP_DIR"
"""How the jobs of several apps write an app's folder: a variable that each app sets."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One app of a plan for several: its jobs are `<name>:…`, its slots start with `prefix`."""

    name: str
    prefix: str
    path: str
    template: str
    template_version: str
    language: str | None
    framework: str | None
    ecosystem: str | None


class Node(msgspec.Struct, frozen=True):
    """One job of the stage graph. `needs` None: it waits for all earlier stages."""

    job: str
    stage: str
    needs: tuple[str, ...] | None
    advisory: bool


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    apps: tuple[Part, ...] = ()
    """The apps of a plan for several (see `several`); `template` and so on are the first one's."""

    @property
    def digest(self) -> str:
        """sha256 of the plan's canonical JSON, in hex."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    @property
    def fills(self) -> dict[str, str]:
        """The value of every slot."""
        return {**self.site, **self.choices}

    def ecosystem_of(self, slot: str) -> str | None:
        """The ecosystem whose grammar a slot's value must have."""
        owner = next((app for app in self.apps if slot.startswith(app.prefix)), None)
        return owner.ecosystem if owner else self.ecosystem

    def image_table(self) -> frozenset[str]:
        """The references of `images`, with the versions of this repository."""
        return frozenset(slots.fill(i, defaultdict(str, self.choices)) for i in self.images)

    def stage_graph(self) -> tuple[Node, ...]:
        """Visible jobs in the order of the file, for the merge request's picture."""
        return tuple(
            Node(
                name,
                job.stage,
                None
                if job.needs is None
                else tuple(need if isinstance(need, str) else need.job for need in job.needs),
                _advisory(job, self.jobs),
            )
            for name, job in self.jobs.items()
            if job.stage is not None and not name.startswith(".")
        )


def _advisory(job: Job, jobs: Mapping[str, Job]) -> bool:
    """Whether its failure, in some pipelines at least, stops nothing; as GitLab inherits it."""
    parents = (job.extends,) if isinstance(job.extends, str) else job.extends or ()
    told = [job.allow_failure, *(jobs[name].allow_failure for name in reversed(parents))]
    nearest = next((value for value in told if value is not None), None)
    return bool(nearest) or any(rule.allow_failure for rule in job.rules or ())


def candidates(template: Template, analysis: Analysis) -> dict[str, tuple[str, ...]]:
    """Slot → the values it may have in this repository, best first. Slots with none are absent."""
    analysis = subfolder.relative(analysis, subfolder.of(analysis))
    found = finding.of_all(_slots(template, analysis), template, analysis)
    return {name: values for name, values in found.items() if values}


def build(
    template: Template,
    analysis: Analysis,
    site: Site,
    choices: Mapping[str, str] | None = None,
    *,
    among: bool = False,
) -> Plan:
    """The plan of `template` for one repository, or `among` several apps of one (see `several`).

    `choices` picks among `candidates`; what is not chosen takes the best. Raises Rejected for a
    choice that is not among its candidates, Misconfigured for a site that cannot be written.
    """
    folder = subfolder.of(analysis)
    analysis = subfolder.relative(analysis, folder)
    declared = _slots(template, analysis)
    chosen = finding.choose(finding.of_all(declared, template, analysis), choices or {})
    place = APP_DIR if among else folder
    fills = {**site.values(), **_project(analysis, folder, place), **chosen}
    known = conditions.facts(analysis, site.facts(), chosen)
    ecosystem = template.ecosystem or analysis.ecosystem
    offered = stated.offers(analysis, ecosystem)
    template, server_notes = servers.pinned(template, analysis)
    body, known = stated.lay(template.body, known, offered)
    empty = frozenset(name for name, value in fills.items() if not value)
    docker, docker_notes = assemble.docker(template, body, known, empty, analysis, place)
    known = {**known, "dockerfile": frozenset({docker.path} if docker.path else ())}
    jobs, comments, job_notes = assemble.jobs(template, body, known, empty, analysis, site)
    return Plan(
        template=template.id,
        template_version=template.version,
        summary=template.summary,
        language=template.language,
        framework=template.framework,
        ecosystem=ecosystem,
        generator=f"devops-backend {_version()}",
        choices=chosen,
        defaults={name: slot.default for name, slot in declared.items()},
        kinds={name: slot.kind for name, slot in declared.items()},
        site={name: value for name, value in fills.items() if name not in chosen},
        builder=site.builder,
        workflow=msgspec.convert(body["workflow"], Workflow),
        default=assemble.default(body["default"], site),
        variables=assemble.variables(body, known, empty),
        jobs=subfolder.inside(jobs, folder, place),
        comments=comments,
        dockerfile=docker.dockerfile,
        dockerignore=docker.dockerignore,
        images=tuple(sorted({image.reference for image in template.images.values()})),
        mirror=site.mirror,
        required_variables=assemble.required(body, known, jobs),
        notes=(
            *_other_apps(analysis, folder),
            *_members_images(analysis),
            *docker_notes,
            *(job_notes + server_notes),
            *stated.notes(analysis, ecosystem, offered, jobs),
            *assemble.notes(body, known, empty, fills),
        ),
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


def _project(analysis: Analysis, folder: str, place: str) -> dict[str, str]:
    return {"context": _context(analysis, folder, place), "project_key": PROJECT_KEY}


def _context(analysis: Analysis, folder: str, place: str) -> str:
    """What an image is built from: the app's folder if its Dockerfile lies there, else the root."""
    own = folder and (analysis.dockerfile or "").startswith(f"{folder}/")
    return f"$CI_PROJECT_DIR/{place}" if own else "$CI_PROJECT_DIR"


def _other_apps(analysis: Analysis, folder: str) -> tuple[str, ...]:
    """A note where the repository holds apps that this pipeline does not build."""
    others = [app.path for app in analysis.apps if folder and app.path not in (folder, ".")]
    if not others:
        return ()
    return (f"The pipeline works in {folder}; {len(others)} other app(s) are not built yet.",)


def _members_images(analysis: Analysis) -> tuple[str, ...]:
    """A note where members of a workspace have Dockerfiles: a wrong context would fail."""
    files = analysis.facts.get("member_dockerfiles", "").replace(" ", ", ")
    why = "nothing tells whether the root or their own folder is what they are built from."
    return (f"No job builds {files}: {why}",) if files else ()


def _version() -> str:
    try:
        return importlib.metadata.version("devops-tools-backend")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def _slots(template: Template, analysis: Analysis) -> dict[str, Slot]:
    body = resolve.with_variants(template.body, conditions.facts(analysis, {}, {}))
    return stated.declared(msgspec.convert(body.get("slots", {}), dict[str, Slot]), analysis)


__all__ = [
    "Builder",
    "Node", "Part", "Plan", "Rejected", "RequiredVariable", "Site", "build", "candidates",
    "portable", "usable",
]  # fmt: skip
