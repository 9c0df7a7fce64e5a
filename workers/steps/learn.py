"""What a finished pipeline teaches: its outcome to Redis, and a proven plan to Chroma.

Stored is a template, the choices that hold no repository text, and words of our own tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import msgspec

from workers.clients.chroma import Index
from workers.detect.analysis import Analysis
from workers.errors import NotFound, Retryable
from workers.pipeline.plan import Plan, portable
from workers.pipeline.slots import accepts
from workers.steps.confirm import Verdict
from workers.steps.features import features
from workers.steps.retrieve import learned_item
from workers.store.learned import LearnedStore
from workers.store.learned_records import LearnedPipeline, Outcome, Provenance


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """What a run keeps of its plan to learn from once the pipeline ends; free of repository text.

    `files` maps paths to the SHA-256 (hex) of what was committed.
    """

    language: str
    framework: str | None
    package_manager: str | None
    version: str | None
    template: str
    template_version: str
    choices: dict[str, str]
    plan_digest: str
    features: tuple[str, ...]
    files: dict[str, str]


class Learned(msgspec.Struct, frozen=True):
    """What became of it: the record's id, whether this changed it, and what stayed behind."""

    id: str
    recorded: bool
    degraded: str | None = None


def lesson(plan: Plan, analysis: Analysis, files: Mapping[str, str]) -> Lesson | None:
    """What can be learned from `plan`, committed as `files` (path to text); None where the
    language is unknown, and for several apps: how their pipeline ends says nothing of one stack
    alone."""
    if analysis.language is None or plan.apps:
        return None
    version = analysis.version or ""
    return Lesson(
        language=analysis.language,
        framework=analysis.framework,
        package_manager=analysis.package_manager,
        version=version if accepts("version", version, None) else None,
        template=plan.template,
        template_version=plan.template_version,
        choices=portable(plan),
        plan_digest=plan.digest,
        features=features(analysis),
        files={path: sha256(text.encode()).hexdigest() for path, text in files.items()},
    )


def learn(
    store: LearnedStore,
    index: Index | None,
    lesson: Lesson,
    verdict: Verdict,
    *,
    project_id: int,
    namespace: str,
    run: str,
    pipeline: int,
    at: float,
) -> Learned:
    """Note how `pipeline` ended at `at` (unix seconds, as GitLab says), once.

    A success without proof is kept, and proves nothing; a pipeline that ended for reasons of its
    own (canceled, a broken runner) leaves no trace. Redis first; what Chroma does not take now
    stays in the backlog for `index_backlog`.
    """
    record = LearnedPipeline(
        language=lesson.language,
        framework=lesson.framework,
        package_manager=lesson.package_manager,
        version=lesson.version,
        template=lesson.template,
        template_version=lesson.template_version,
        choices=lesson.choices,
        plan_digest=lesson.plan_digest,
        features=lesson.features,
        provenance=Provenance(
            project_id=project_id,
            namespace=namespace,
            run=run,
            pipeline=pipeline,
            files=lesson.files,
        ),
    )
    outcome = _outcome(verdict)
    recorded = outcome is not None and store.record_outcome(record, pipeline, outcome, at)
    try:
        if index is not None:
            index_backlog(store, index)
    except Retryable as error:
        return Learned(record.id, recorded, str(error))
    return Learned(record.id, recorded)


def _outcome(verdict: Verdict) -> Outcome | None:
    if verdict.outcome == "succeeded":
        return "succeeded" if verdict.proven else "unproven"
    return "failed" if verdict.outcome == "failed" else None


def index_backlog(store: LearnedStore, index: Index, limit: int = 100) -> int:
    """Bring Chroma in step for at most `limit` records; how many were looked at. Raises Retryable.

    Should a record change meanwhile, its entry is stale and nothing worse: Redis decides.
    """
    ids = store.unindexed(limit)
    records = {id: _record(store, id) for id in ids}
    items = [learned_item(store, r) for r in records.values() if r is not None and r.successes]
    kept = {item.id for item in items}
    if items:
        index.upsert("successful_pipelines", items)
    index.delete("successful_pipelines", [id for id in ids if id not in kept])
    store.indexed(ids)
    return len(ids)


def _record(store: LearnedStore, id: str) -> LearnedPipeline | None:
    try:
        return store.show(id)
    except NotFound:
        return None
