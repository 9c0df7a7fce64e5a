"""A run: one attempt to give a project a pipeline, as the contract shows it."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, cast

import msgspec


class State(StrEnum):
    """Where a run is. The contract's names."""

    QUEUED = "queued"
    WAITING_FOR_PUSH = "waiting_for_push"
    ANALYZING = "analyzing"
    GENERATING = "generating"
    VALIDATING = "validating"
    COMMITTING = "committing"
    AWAITING_PIPELINE = "awaiting_pipeline"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNCONFIRMED = "unconfirmed"
    ERROR = "error"


END = frozenset(
    {State.SUCCEEDED, State.FAILED, State.SKIPPED, State.UNCONFIRMED, State.ERROR}
)  # fmt: skip
"""Where nothing more happens by itself; a later pipeline event may still move what has a commit."""
SETTLEABLE = frozenset({State.AWAITING_PIPELINE, State.SUCCEEDED, State.FAILED, State.UNCONFIRMED})

TriggerKind = Literal["project_created", "push", "retrigger", "workflow"]


class Project(msgspec.Struct, frozen=True):
    """The project a run is for, as GitLab names it."""

    id: int
    path: str = ""
    url: str = ""


class RunTrigger(msgspec.Struct, frozen=True):
    """What made the run, and the delivery that told of it."""

    kind: TriggerKind
    delivery: str | None = None


class Options(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the caller asked for. None means the setting decides."""

    force: bool = False
    use_template_only: bool = False
    auto_commit: str | None = None
    branch: str | None = None
    lent: str = ""
    """Handle of the token that the caller lent (`lent.Lent`); the token itself is never here."""


class Reference(msgspec.Struct, frozen=True):
    """Where the plan came from. `confidence` (0 to 1) is a learned record's, else None."""

    source: Literal["learned", "template", "language_template", "builtin"]
    id: str
    confidence: float | None = None


class Generation(msgspec.Struct, frozen=True):
    """Who filled the plan. `seconds` and `tokens` are the model's."""

    by: Literal["model", "reference"]
    model: str | None = None
    seconds: float | None = None
    tokens: int | None = None
    fallback_reason: str | None = None


class Validation(msgspec.Struct, frozen=True):
    """What the checks said; `linted_by` is `gitlab` where its own linter had the last word."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    linted_by: str = "schema"


class File(msgspec.Struct, frozen=True):
    """One generated file. `content` is left out of listings."""

    path: str
    content: str | None = None


class Commit(msgspec.Struct, frozen=True):
    """Our commit."""

    sha: str
    branch: str
    url: str = ""


class MergeRequest(msgspec.Struct, frozen=True):
    """Our merge request."""

    iid: int
    url: str = ""


class Pipeline(msgspec.Struct, frozen=True):
    """The pipeline that GitLab ran for our commit."""

    id: int
    status: str
    url: str = ""
    confirmed_by: Literal["event", "poll"] | None = None


class GraphJob(msgspec.Struct, frozen=True):
    """A job of the generated pipeline, for the stage graph."""

    name: str
    stage: str
    needs: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run, as JSON of the contract, plus what resuming it needs. Times are RFC 3339, UTC."""

    id: str
    project: Project
    trigger: RunTrigger
    state: State = State.QUEUED
    reason: str | None = None
    analysis: dict[str, Any] | None = None
    reference: Reference | None = None
    generation: Generation | None = None
    validation: Validation | None = None
    files: tuple[File, ...] = ()
    commit: Commit | None = None
    merge_request: MergeRequest | None = None
    pipeline: Pipeline | None = None
    learned: dict[str, Any] | None = None
    created_at: str
    updated_at: str
    # -- beyond the contract
    options: Options = Options()
    source_sha: str | None = None
    graph: tuple[GraphJob, ...] = ()
    next_step: str | None = None
    version: int = 0
    """How often it was written; the compare-and-swap of `RunStore.update`."""
    attempts: int = 0
    plan: dict[str, Any] | None = None
    """The plan whole, to learn from and to tell of when its pipeline has ended."""
    intent: str | None = None
    """Digest of what was about to be committed, written before the call."""
    committed_ms: int = 0
    kept: tuple[str, ...] = ()
    """Files that a person wrote and that were left as they are."""
    settled_by: str | None = None
    """`pipeline:status` of the last verdict that was taken in."""

    @property
    def active(self) -> bool:
        """Whether it still moves by itself."""
        return self.state not in END

    @property
    def created_ms(self) -> int:
        """Unix ms; the id begins with the microseconds."""
        return int(self.id[:14], 16) // 1000

    @property
    def updated_ms(self) -> int:
        """Unix ms of the last write."""
        return int(datetime.fromisoformat(self.updated_at).timestamp() * 1000)


INTERNAL = ("version", "attempts", "plan", "intent", "committed_ms", "kept", "settled_by")


def shown_analysis(analysis: Any) -> dict[str, Any]:
    """An analysis as the API and the command line show it: a claim of a whole file has no line."""
    shown: dict[str, Any] = msgspec.to_builtins(analysis)
    for evidence in shown.get("evidence", ()):
        evidence["line"] = evidence["line"] or None
    return shown


def public(run: Run, *, contents: bool = True) -> dict[str, Any]:
    """The run as the API shows it; `contents=False` leaves out the files' text."""
    shown = cast("dict[str, Any]", msgspec.to_builtins(run))
    for name in INTERNAL:
        del shown[name]
    if shown["analysis"]:
        shown["analysis"] = shown_analysis(shown["analysis"])
    if not contents:
        shown["files"] = [{"path": file.path} for file in run.files]
    return shown


class Progress(msgspec.Struct, frozen=True):
    """One line of a run's progress. `id` is the stream's, for `Last-Event-ID`."""

    state: str
    message: str
    at: str
    id: str = ""


def timestamp() -> str:
    """Now, RFC 3339 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso(unix_ms: float) -> str:
    """Unix milliseconds as RFC 3339 in UTC."""
    at = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_run(
    project: Project, kind: TriggerKind, delivery: str | None = None, options: Options | None = None
) -> Run:
    """A queued run with an id that sorts by time."""
    now = timestamp()
    return Run(
        id=f"{time.time_ns() // 1000:014x}{secrets.token_hex(3)}", project=project,
        trigger=RunTrigger(kind, delivery), options=options or Options(),
        created_at=now, updated_at=now,
    )  # fmt: skip
