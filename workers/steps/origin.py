"""Where a plan came from, its record, and who chose, in words for the merge request."""

from __future__ import annotations

import msgspec

from workers.steps.generate import NO_MODEL, NOTHING_OPEN
from workers.steps.markdown import code, prose


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the plan came from, and its record so far. `source` is one of the contract's four."""

    source: str
    id: str = ""
    confidence: float | None = None
    successes: int = 0
    failures: int = 0
    by_model: str | None = None
    """The model that chose among the candidates, None where the reference did."""
    fallback: str | None = None
    """Why the model was not followed."""


SOURCES = {
    "learned": "a pipeline that was learned from projects of the same stack",
    "template": "the template for this language and framework",
    "language_template": "the template for this language",
    "builtin": "the built-in default, for want of anything nearer",
}
"""How a reference is told of, by its source (contract: `reference.source`)."""


ALONE = {
    NOTHING_OPEN: "No model took part: the repository left nothing open.",
    NO_MODEL: "No model took part: none is in use.",
}
"""How it is told that no model was asked, by `generation.fallback_reason`."""


def section(origin: Origin) -> str:
    """The section of the description."""
    lines = [f"It comes from {SOURCES.get(origin.source, 'a reference')} ({code(origin.id)})."]
    ran = origin.successes + origin.failures
    trust = f" (confidence {origin.confidence:.0%})" if origin.confidence is not None else ""
    lines.append(
        f"Its record: {origin.successes} of {ran} pipelines went green{trust}."
        if ran
        else "It had no record before: this is its first run as it stands here."
    )
    if origin.by_model:
        lines.append(f"The model {code(origin.by_model)} chose among what the repository offers.")
    if origin.fallback:
        known = ALONE.get(origin.fallback)
        lines.append(known or f"No model was followed: {prose(origin.fallback).rstrip('.')}.")
    return "## Where it came from\n\n" + " ".join(lines)
