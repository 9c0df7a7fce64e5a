"""What is learned, as values: a plan, how the pipelines made from it ended, and whose they were.

A record is a template and the choices that were made in it, never text of a repository. Whose
pipelines proved it decides to whom it is offered: to its own top-level group, and to all others
only once enough groups have proven it. Then each other group is one voice, however many pipelines
it ran, so that nobody alone makes or breaks a record for others.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from typing import Literal

import msgspec

from workers.confidence import lower_bound, weight

Outcome = Literal["succeeded", "failed", "unproven"]
"""`unproven` is green without evidence: nothing ran, or failures were masked."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record comes from, so that everything of one origin can be found and revoked."""

    project_id: int
    namespace: str
    run: str
    pipeline: int
    files: Mapping[str, str] = {}
    """Path to the SHA-256 (hex) of what was committed."""


class LearnedPipeline(msgspec.Struct, frozen=True, kw_only=True):
    """A template with choices, and how the pipelines made from it ended.

    Times are unix seconds. `confidence` is 0 to 1: what share of pipelines would succeed, at
    least. `created_at`, `last_used` and what follows are derived from the outcomes.
    """

    language: str
    framework: str | None
    package_manager: str | None = None
    version: str | None = None
    template: str
    template_version: str
    choices: Mapping[str, str] = {}
    plan_digest: str = ""
    features: tuple[str, ...] = ()
    provenance: Provenance
    id: str = ""
    created_at: float = 0.0
    last_used: float = 0.0
    successes: int = 0
    failures: int = 0
    confidence: float = 0.0
    proven: bool = False
    """At least one success with evidence, and not mostly failures since."""
    confirmed_by: int = 0
    """Top-level groups in which it succeeded, and more often than not."""
    shared: bool = False
    """Enough groups confirm it: it is offered to all."""

    def __post_init__(self) -> None:
        if not self.id:
            made = record_id(self.language, self.framework, self.template, self.choices)
            msgspec.structs.force_setattr(self, "id", made)


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """How one pipeline ended, at `at` (unix seconds), and whose it was."""

    outcome: Outcome
    at: float
    namespace: str = ""
    """Its top-level group, in lower case."""
    project: int = 0


class Voice(msgspec.Struct, frozen=True, array_like=True):
    """What one top-level group's pipelines say. Weights are `confidence.weight`'s sums."""

    succeeded: int = 0
    failed: int = 0
    succeeded_weight: float = 0.0
    failed_weight: float = 0.0

    @property
    def confirms(self) -> bool:
        """More failures than successes of late is no better start than the plain template."""
        return self.succeeded > 0 and self.succeeded_weight >= self.failed_weight


class Kept(msgspec.Struct, frozen=True):
    """A record as Redis holds it; everything but the plan is a sum over its outcomes."""

    plan: LearnedPipeline
    created_at: float
    last_used: float
    voices: dict[str, Voice]

    @property
    def confirmed_by(self) -> int:
        """How many named groups confirm it."""
        return sum(voice.confirms for name, voice in self.voices.items() if name)

    @property
    def succeeded(self) -> bool:
        """Whether any pipeline did."""
        return any(voice.succeeded for voice in self.voices.values())


class Page(msgspec.Struct, frozen=True):
    """Some records, and the cursor of the next ones; None at the end."""

    items: tuple[LearnedPipeline, ...]
    next: str | None


class Exported(msgspec.Struct, frozen=True):
    """One line of an export: a record and its outcomes by pipeline id."""

    record: LearnedPipeline
    outcomes: Mapping[str, Counted]


def record_id(
    language: str, framework: str | None, template: str, choices: Mapping[str, str]
) -> str:
    """The same for the same plan: `python-fastapi-` and 16 hexadecimal digits."""
    content = [language, framework, template, sorted(choices.items())]
    digest = hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]
    return f"{slug(language)}-{slug(framework or 'none')}-{digest}"


def top_level(path: str) -> str:
    """The top-level group of a group's or project's path, in lower case as GitLab compares it."""
    return path.strip("/").partition("/")[0].lower()


def tally(plan: LearnedPipeline, outcomes: Mapping[str, Counted]) -> Kept:
    """A record from its plan and all its outcomes, at least one."""
    voices: dict[str, Voice] = {}
    for one in outcomes.values():
        voices[one.namespace] = _add(voices.get(one.namespace, Voice()), one, 1)
    times = [one.at for one in outcomes.values()]
    return Kept(plan, min(times), max(times), voices)


def told(kept: Kept, plan: LearnedPipeline, before: Counted | None, one: Counted) -> Kept:
    """A record after one more outcome, which may take the place of an earlier one."""
    voices = dict(kept.voices)
    if before is not None:
        voices[before.namespace] = _add(voices.get(before.namespace, Voice()), before, -1)
    voices[one.namespace] = _add(voices.get(one.namespace, Voice()), one, 1)
    return Kept(plan, min(kept.created_at, one.at), max(kept.last_used, one.at), voices)


def _add(voice: Voice, one: Counted, times: int) -> Voice:
    """An outcome put in, or with -1 taken out."""
    more = times * weight(one.at)
    if one.outcome == "succeeded":
        return msgspec.structs.replace(
            voice,
            succeeded=voice.succeeded + times,
            succeeded_weight=max(0.0, voice.succeeded_weight + more),
        )
    if one.outcome == "failed":
        return msgspec.structs.replace(
            voice,
            failed=voice.failed + times,
            failed_weight=max(0.0, voice.failed_weight + more),
        )
    return voice


def whole(kept: Kept, quorum: int) -> LearnedPipeline:
    """The record as an operator sees it: all outcomes of all groups, each counted in full."""
    return _seen(kept, quorum, list(kept.voices.values()))


def offered(kept: Kept, quorum: int, namespace: str) -> LearnedPipeline | None:
    """The record as a project of that top-level group may use it; None where it may not."""
    own = kept.voices.get(namespace) if namespace else None
    if kept.confirmed_by >= quorum:
        others = [_one_voice(voice) for name, voice in kept.voices.items() if name != namespace]
        return _seen(kept, quorum, [*others, own] if own else others)
    return _seen(kept, quorum, [own]) if own is not None and own.succeeded else None


def _seen(kept: Kept, quorum: int, voices: list[Voice]) -> LearnedPipeline:
    successes, failures = sum(v.succeeded for v in voices), sum(v.failed for v in voices)
    good, bad = sum(v.succeeded_weight for v in voices), sum(v.failed_weight for v in voices)
    now = weight(time.time())
    return msgspec.structs.replace(
        kept.plan,
        created_at=kept.created_at,
        last_used=kept.last_used,
        successes=successes,
        failures=failures,
        confidence=round(lower_bound(good / now, bad / now), 4),
        proven=successes > 0 and good >= bad,
        confirmed_by=kept.confirmed_by,
        shared=kept.confirmed_by >= quorum,
    )


def _one_voice(voice: Voice) -> Voice:
    """A group's outcomes weighing together as one of today at most."""
    total, one = voice.succeeded_weight + voice.failed_weight, weight(time.time())
    share = min(1.0, one / total) if total else 1.0
    return msgspec.structs.replace(
        voice,
        succeeded_weight=voice.succeeded_weight * share,
        failed_weight=voice.failed_weight * share,
    )


def bare(record: LearnedPipeline) -> LearnedPipeline:
    """The record's plan, without what is derived from its outcomes."""
    return msgspec.structs.replace(
        record, id="", created_at=0.0, last_used=0.0, successes=0, failures=0, confidence=0.0,
        proven=False, confirmed_by=0, shared=False,
    )  # fmt: skip


def overlap(wanted: frozenset[str], features: tuple[str, ...]) -> float:
    """Jaccard's index of two sets of features, 0 to 1."""
    have = frozenset(features)
    return len(wanted & have) / len(wanted | have) if wanted | have else 0.0


def slug(word: str) -> str:
    """Lower-case letters, digits and hyphens of a word."""
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") or "none"
