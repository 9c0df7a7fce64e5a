"""The shapes of a template file and of the jobs that come out of it.

Jobs are GitLab's own keywords, as many of them as our templates may use and no more: what is not
here (`include`, `trigger`, `environment`, `id_tokens`, `secrets` …) cannot be said in a template.
The order of the fields is the order in which they are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec

from workers.pipeline.slots import Kind

Stage = Literal[
    "compile", "build", "test", "sast", "quality", "security", "push", "notify", "learn"
]
STAGES: tuple[str, ...] = get_args(Stage)
When = Literal["on_success", "on_failure", "always", "never", "manual"]
Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
Semver = Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+\.\d+$")]


class _Value(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Base of the values below: unknown keys are an error, absent ones are not written."""


class ImageRef(_Value, frozen=True, kw_only=True):
    """`name` is a row of images.yaml in a template, a full reference in a plan."""

    name: str
    entrypoint: tuple[str, ...] | None = None


class Server(_Value, frozen=True, kw_only=True):
    """One entry of `services`."""

    name: str
    alias: str | None = None
    command: tuple[str, ...] | None = None
    variables: dict[str, str] | None = None


class Need(_Value, frozen=True, kw_only=True):
    job: str
    artifacts: bool | None = None
    optional: bool | None = None


class Rule(_Value, frozen=True, kw_only=True, rename={"if_": "if"}):
    if_: str | None = None
    exists: tuple[str, ...] | None = None
    changes: tuple[str, ...] | None = None
    when: When | None = None
    allow_failure: bool | None = None
    variables: dict[str, str] | None = None
    auto_cancel: dict[Literal["on_new_commit"], Literal["none", "interruptible"]] | None = None


class CacheKey(_Value, frozen=True, kw_only=True):
    prefix: str | None = None
    files: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=2)]
    """GitLab takes two files at most."""


class Cache(_Value, frozen=True, kw_only=True):
    key: CacheKey | str
    """A text where no file decides what is cached."""
    paths: tuple[str, ...]
    policy: str | None = None


class Coverage(_Value, frozen=True, kw_only=True):
    coverage_format: Literal["cobertura", "jacoco"]
    path: str


class Reports(_Value, frozen=True, kw_only=True):
    """Those that no GitLab tier withholds (doc/ci/yaml/artifacts_reports.md)."""

    junit: str | tuple[str, ...] | None = None
    coverage_report: Coverage | None = None
    codequality: str | None = None
    dotenv: str | None = None


class Artifacts(_Value, frozen=True, kw_only=True):
    name: str | None = None
    when: Literal["on_success", "on_failure", "always"] | None = None
    expire_in: str | None = None
    paths: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    reports: Reports | None = None


class Retry(_Value, frozen=True, kw_only=True):
    max: Literal[1, 2]
    when: tuple[Literal["runner_system_failure", "stuck_or_timeout_failure"], ...]
    """Infrastructure only: a retry of a failing test hides a flaky one."""


class Job(_Value, frozen=True, kw_only=True):
    """One job, or with a leading dot one that others extend."""

    extends: str | tuple[str, ...] | None = None
    """Several only in a plan for several apps; a template names one."""
    stage: Stage | None = None
    image: ImageRef | str | None = None
    services: tuple[Server, ...] | None = None
    tags: tuple[str, ...] | None = None
    variables: dict[str, str] | None = None
    needs: tuple[str | Need, ...] | None = None
    rules: tuple[Rule, ...] | None = None
    when: When | None = None
    cache: Cache | None = None
    before_script: tuple[str, ...] | None = None
    script: tuple[str, ...] | None = None
    after_script: tuple[str, ...] | None = None
    coverage: str | None = None
    artifacts: Artifacts | None = None
    allow_failure: bool | dict[Literal["exit_codes"], tuple[int, ...]] | None = None
    interruptible: bool | None = None
    retry: Retry | None = None
    timeout: str | None = None


class Workflow(_Value, frozen=True, kw_only=True):
    """`about` becomes the comment above it."""

    about: str | None = None
    name: str | None = None
    auto_cancel: dict[Literal["on_new_commit"], Literal["none", "interruptible"]] | None = None
    rules: tuple[Rule, ...]

    @property
    def keywords(self) -> Any:
        """What GitLab reads of it, as dictionaries and lists."""
        return msgspec.to_builtins(msgspec.structs.replace(self, about=None))


class Variable(_Value, frozen=True, kw_only=True):
    """A variable of the pipeline. `about` becomes the comment above it."""

    value: str
    about: str | None = None


class Required(_Value, frozen=True, kw_only=True):
    """A variable that a person sets in GitLab; the pipeline runs without it unless `needed`."""

    why: str
    used_by: tuple[str, ...]
    needed: bool = False
    secret: bool = False
    only_if: dict[str, Any] | None = None


class RequiredVariable(msgspec.Struct, frozen=True, kw_only=True):
    """A CI variable that a person sets. Without it `used_by` are left out, or fail if `needed`."""

    name: str
    why: str
    used_by: tuple[str, ...]
    needed: bool
    secret: bool


class Slot(_Value, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A place that the repository fills; see `slots` for the kinds."""

    kind: Kind
    from_: tuple[str, ...] = ()
    """Fields of the analysis to look in, best first: `version`, `commands.test`, `facts.module`."""
    image: str | None = None
    """For a version: the row of images.yaml that lists what is offered."""
    default: str = ""
    """Offered when the repository says nothing; empty leaves out the lines that hold the slot."""
    prefer: Literal["found", "default"] = "found"
    same: tuple[str, ...] = ()
    """Values that mean what the default does, and are not offered beside it."""
    options: tuple[str, ...] = ()
    """For a choice: the values there are."""
    about: str = ""


class ServerTemplate(_Value, frozen=True, kw_only=True):
    """A server that tests may need. `provides` are the job's variables that point to it."""

    image: str
    alias: str
    variables: dict[str, str] | None = None
    command: tuple[str, ...] | None = None
    provides: dict[str, str] = {}


class Docker(_Value, frozen=True, kw_only=True):
    """The Dockerfile that is written where a person wrote none."""

    omit: bool = False
    """None is written, whatever else stands here: a variant's last word."""
    dockerfile: str | None = None
    """A file of `dockerfiles/`."""
    dockerignore: str | None = None
    entrypoint: tuple[str, ...] = ()
    """Appended in exec form, after `EXPOSE` where the port is known."""
    requires: tuple[str, ...] = ()
    """Slots that must have a value; else no Dockerfile is written, and a note says why."""


class TemplateFile(_Value, frozen=True, kw_only=True):
    """A template as it stands in its file. What may extend another is judged once composed."""

    id: Id
    version: Semver
    summary: str
    extends: Id | None = None
    language: str | None = None
    framework: str | None = None
    ecosystem: str | None = None
    abstract: bool = False
    """Only there to be extended."""
    slots: dict[str, Any] = {}
    workflow: dict[str, Any] | None = None
    default: dict[str, Any] | None = None
    variables: dict[str, Any] = {}
    required: dict[str, Any] = {}
    servers: dict[str, Any] = {}
    docker: dict[str, Any] | None = None
    jobs: dict[str, dict[str, Any]] = {}
    notes: tuple[dict[str, Any], ...] = ()
    variants: tuple[dict[str, Any], ...] = ()


JOB_EXTRAS = frozenset({"about", "only_if", "otherwise", "found_servers"})
"""A template's own keys of a job: comment, condition, note when left out, servers of the tests."""

VARIANT_KEYS = frozenset({"only_if", "slots", "variables", "required", "docker", "jobs", "notes"})


def plain(value: Mapping[str, Any] | msgspec.Struct) -> Any:
    """`value` as dictionaries and lists, absent keys absent."""
    return msgspec.to_builtins(value)
