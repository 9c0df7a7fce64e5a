"""GitLab's deliveries as small frozen events. No I/O: headers and bytes in, an event out.

Shapes: GitLab's docs, "System hooks" and "Webhook events". Every delivery of a system hook has
`X-Gitlab-Event: System Hook` and is told apart by `event_name`, else by `object_kind`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from workers.settings import AGAIN_LABEL

BRANCH_PREFIX = "devops-backend/"
"""All our branches start so; a push to one is our own echo."""

ZERO_SHA = "0" * 40

Kind = Literal[
    "project_created", "project_destroyed", "project_renamed", "project_transferred",
    "push", "repository_updated", "pipeline", "merge_request",
]  # fmt: skip
Queue = Literal["generate", "record"]


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """One parsed delivery: what happened to which project. Everything else was dropped."""

    kind: Kind
    project_id: int
    path: str = ""
    ref: str = ""
    """Branch name, without `refs/heads/`; for a repository update the branches, space-separated."""
    before: str = ""
    after: str = ""
    user_id: int = 0
    pipeline_id: int = 0
    pipeline_status: str = ""
    pipeline_source: str = ""
    sha: str = ""
    finished_at: str = ""
    iid: int = 0
    """Of one of our merge requests; `ref` is its branch."""
    action: str = ""
    """open, close, reopen, merge, update …"""

    @property
    def queue(self) -> Queue:
        """The RQ queue whose work this event is."""
        return "record" if self.kind == "pipeline" else "generate"

    @property
    def content_key(self) -> str:
        """Equal for deliveries that say the same thing, whichever hook sent them (32 hex)."""
        parts = (
            self.kind, self.project_id, self.path if self.kind.startswith("project_") else "",
            self.ref, self.before, self.after,
            self.pipeline_id, self.pipeline_status, self.finished_at,
            *((self.iid, self.action) if self.kind == "merge_request" else ()),
        )  # fmt: skip
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]

    @property
    def ignored(self) -> str | None:
        """Why this event is no work, judged by itself alone; None where it may be."""
        if self.kind in ("push", "repository_updated") and self.after == ZERO_SHA:
            return "a branch was deleted"
        if self.kind == "push" and self.ref.startswith(BRANCH_PREFIX):
            return "our own branch"
        if self.kind == "repository_updated":
            refs = self.ref.split()
            if not refs:
                return "no branch changed"
            if all(ref.startswith(BRANCH_PREFIX) for ref in refs):
                return "our own branch"
        return None


class Unwanted(msgspec.Struct, frozen=True):
    """A delivery that is no event of ours; `reason` is told to the sender and counted."""

    reason: str


class _Project(msgspec.Struct):
    id: int | None = None
    path_with_namespace: str | None = None


class _Change(msgspec.Struct):
    ref: str = ""
    before: str = ""
    after: str = ""


class _Wire(msgspec.Struct):
    """The few fields we look at, of any kind of delivery."""

    event_name: str | None = None
    object_kind: str | None = None
    project_id: int | None = None
    path_with_namespace: str | None = None
    ref: str | None = None
    before: str | None = None
    after: str | None = None
    user_id: int | None = None
    project: _Project | None = None
    # Read later, by kind: their shapes differ between kinds of deliveries.
    changes: msgspec.Raw = msgspec.Raw(b"null")
    object_attributes: msgspec.Raw = msgspec.Raw(b"null")


class _Pipeline(msgspec.Struct):
    id: int
    status: str
    sha: str
    ref: str = ""
    source: str | None = None
    finished_at: str | None = None


class _Label(msgspec.Struct):
    title: str = ""


class _MergeRequest(msgspec.Struct):
    iid: int
    source_branch: str = ""
    action: str | None = None
    updated_at: str | None = None
    labels: list[_Label] | None = None


_decode = msgspec.json.Decoder(_Wire).decode
_decode_merge_request = msgspec.json.Decoder(_MergeRequest).decode
_decode_pipeline = msgspec.json.Decoder(_Pipeline).decode
_decode_changes = msgspec.json.Decoder(list[_Change] | None).decode

MAX_ID = 2**53


def _text(value: str | None, limit: int = 512) -> str:
    """Capped, and safe to encode: a lone surrogate in JSON would break later writes."""
    return (value or "")[:limit].encode("utf-8", "replace").decode()


def _branch(ref: str | None) -> str:
    return _text(ref).removeprefix("refs/heads/")


def _id(wire: _Wire) -> int:
    found = wire.project_id or (wire.project.id if wire.project else None) or 0
    return found if 0 < found < MAX_ID else 0


def _path(wire: _Wire) -> str:
    nested = wire.project.path_with_namespace if wire.project else None
    return _text(wire.path_with_namespace or nested)


def _project_event(kind: Kind) -> Callable[[_Wire], Event | Unwanted]:
    def parse(wire: _Wire) -> Event:
        return Event(kind, _id(wire), _path(wire))

    return parse


def _push(wire: _Wire) -> Event | Unwanted:
    if (wire.ref or "").startswith("refs/tags/"):
        return Unwanted("a tag, not a branch")
    return Event(
        "push", _id(wire), _path(wire), ref=_branch(wire.ref), before=_text(wire.before, 64),
        after=_text(wire.after, 64), user_id=wire.user_id or 0,
    )  # fmt: skip


def _repository_update(wire: _Wire) -> Event | Unwanted:
    changes = _decode_changes(wire.changes) or []
    branches = [change for change in changes if change.ref.startswith("refs/heads/")]
    if not branches:
        return Unwanted("no branch changed")
    # One push may touch many branches; their names and newest commits identify the delivery.
    return Event(
        "repository_updated", _id(wire), _path(wire),
        ref=_text(" ".join(sorted(_branch(change.ref) for change in branches)[:20]), 2048),
        before=_text(branches[0].before, 64), after=_text(branches[-1].after, 64),
        user_id=wire.user_id or 0,
    )  # fmt: skip


def _pipeline(wire: _Wire) -> Event | Unwanted:
    pipeline = _decode_pipeline(wire.object_attributes)
    if pipeline.source == "parent_pipeline":
        return Unwanted("a child pipeline")
    return Event(
        "pipeline", _id(wire), _path(wire), ref=_branch(pipeline.ref),
        pipeline_id=pipeline.id if 0 < pipeline.id < MAX_ID else 0,
        pipeline_status=_text(pipeline.status, 64), pipeline_source=_text(pipeline.source, 64),
        sha=_text(pipeline.sha, 64), finished_at=_text(pipeline.finished_at, 64),
    )  # fmt: skip


def _merge_request(wire: _Wire) -> Event | Unwanted:
    found = _decode_merge_request(wire.object_attributes)
    if not found.source_branch.startswith(BRANCH_PREFIX):
        return Unwanted("a merge request of other people")
    asked = any(label.title == AGAIN_LABEL for label in found.labels or ())
    if not asked and found.action not in ("close", "reopen", "merge"):
        return Unwanted("a change of our merge request that decides nothing")
    return Event(
        "merge_request", _id(wire), _path(wire), ref=_text(found.source_branch),
        after=_text(found.updated_at, 64), iid=found.iid if 0 < found.iid < MAX_ID else 0,
        action=_text(found.action, 64),
    )  # fmt: skip


PARSERS: Mapping[str, Callable[[_Wire], Event | Unwanted]] = {
    "project_create": _project_event("project_created"),
    "project_destroy": _project_event("project_destroyed"),
    "project_rename": _project_event("project_renamed"),
    "project_transfer": _project_event("project_transferred"),
    "push": _push,
    "repository_update": _repository_update,
    "pipeline": _pipeline,
    "merge_request": _merge_request,
}
"""By `event_name`, else `object_kind`. What is not here is unwanted."""


def parse(body: bytes) -> Event | Unwanted:
    """The event in a delivery's raw body. Never raises: what cannot be read is `Unwanted`.

    GitLab may send anything (custom webhook templates replace the body), so a body that is not
    understood is a fact to count, not an error to answer 4xx with.
    """
    try:
        wire = _decode(body)
        kind = wire.event_name or wire.object_kind or ""
        parser = PARSERS.get(kind)
        if parser is None:
            return Unwanted(f"{_text(kind, 40) or 'this kind'} is no event of interest")
        event = parser(wire)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Unwanted(f"the body is not what GitLab sends ({_text(str(error), 120)})")
    if isinstance(event, Event) and not event.project_id:
        return Unwanted("no project id")
    return event
