"""How a delivery is taken in: one script call, made without a client and sent by whoever has one.

Keys, all below `dob:`, beside those of the ledger (`{p}` a project id):

    seen:{key}          delivery id by content or by GitLab's own key, 24 h
    heard:{p}           newest pipeline event by sha, and newest final one by `sha:final`
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from workers import queues
from workers.events import Event
from workers.store.deliveries import DELIVERIES, DELIVERY_TTL_S, as_text, key, now_ms
from workers.store.scripts import Call, script

SEEN_TTL_S = 86400
STREAM_LENGTH = 100_000
FINAL = frozenset({"success", "failed", "canceled", "skipped"})
"""Final states of a GitLab pipeline (GitLab source: app/models/concerns/ci/has_status.rb)."""

_event_json = msgspec.json.Encoder().encode


class Receipt(msgspec.Struct, frozen=True):
    """What became of a delivery: `accepted`, `duplicate` or `ignored`, and its id in the ledger."""

    status: str
    delivery: str


class Heard(msgspec.Struct, frozen=True):
    """A pipeline event about one sha."""

    pipeline: int
    status: str
    at: int
    """Unix ms."""


def receive_call(event: Event, header_key: str = "") -> Call:
    """The one script call that takes a delivery in; the caller sends it (sync or async)."""
    project, queue, now = event.project_id, event.queue, now_ms()
    reason = event.ignored or ""
    seen = key("seen", "c", event.content_key)
    # A project's own: nobody can have another project's delivery taken for known.
    told = key("seen", "h", project, header_key[:128]) if header_key else seen
    field, heard = heard_of(event, now)
    return Call(
        script("receive"),
        (
            DELIVERIES, key("project", project), key("dirty", queue), key("triggers", project),
            seen, told, key("heard", project),
            queues.queue_key(queue), queues.QUEUE_SET,
        ),
        (
            _event_json(event), now, SEEN_TTL_S, STREAM_LENGTH, "" if reason else f"{queue}_wanted",
            event.kind, event.path, field, heard, project, reason, key("delivery", ""),
            DELIVERY_TTL_S, queues.JOB_PREFIX, f"{queue}-{project}-", event.after,
            *queues.job_fields(queue, project, queue),
        ),
    )  # fmt: skip


def heard_of(event: Event, now: int) -> tuple[str, bytes]:
    """Field and value of `heard:{p}`; empty where the event is not a pipeline's."""
    if event.kind != "pipeline":
        return "", b""
    field = event.sha + (":final" if event.pipeline_status in FINAL else "")
    return field, _event_json(Heard(event.pipeline_id, event.pipeline_status, now))


def receipt(answer: object) -> Receipt:
    """The receipt in a script's answer."""
    status, delivery = cast("Sequence[bytes | str]", answer)
    return Receipt(as_text(status), as_text(delivery))
