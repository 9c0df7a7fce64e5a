"""What the merge request tells, gathered from a run as it is kept."""

from __future__ import annotations

import msgspec

from workers import preflighting
from workers.clients.gitlab_ci_types import PipelineState
from workers.detect.analysis import Analysis
from workers.errors import NotFound
from workers.pipeline.plan import Plan
from workers.runs import Run
from workers.steps.confirm import Verdict
from workers.steps.describe import Story
from workers.steps.origin import Origin
from workers.store.learned import LearnedStore
from workers.wiring import Parts


def analysis_of(run: Run) -> Analysis:
    """The analysis that the run keeps."""
    return msgspec.convert(run.analysis or {}, Analysis)


def plan_of(run: Run) -> Plan | None:
    """The plan that the run keeps; None before there is one."""
    return msgspec.convert(run.plan, Plan) if run.plan is not None else None


def tell(
    parts: Parts,
    run: Run,
    state: PipelineState | None = None,
    verdict: Verdict | None = None,
) -> Story:
    """The story of a run with what the instance showed. Raises ValueError without a plan."""
    if state is not None and verdict is not None and verdict.outcome == "succeeded":
        state = _with_images(parts, run, state)
    told = story(run, parts.learned, parts.settings.devops_backend_url, state, verdict)
    # Secrets that are not set leave jobs out; the other optional ones only say more.
    required = {v.name: v.needed for v in told.variables if v.needed or v.secret}
    seen = preflighting.known(parts, run.project.id, required)
    return msgspec.structs.replace(told, preflight=seen)


def _with_images(parts: Parts, run: Run, state: PipelineState) -> PipelineState:
    """`state` with the sizes of what it built, where GitLab's own registry has them."""
    plan = plan_of(run)
    own = plan is not None and plan.site.get("image_registry", "").startswith("$CI_REGISTRY_IMAGE")
    if not own or not any(j.stage == "build" and j.status == "success" for j in state.jobs):
        return state
    images = parts.gitlab.images(run.project.id, state.sha)
    return msgspec.structs.replace(state, images=images)


def story(
    run: Run,
    learned: LearnedStore,
    backend_url: str,
    state: PipelineState | None = None,
    verdict: Verdict | None = None,
) -> Story:
    """All that the text is made from. Raises ValueError for a run without a plan."""
    plan = plan_of(run)
    if plan is None:
        raise ValueError(f"run {run.id} has no plan to tell of")
    return Story(
        run_id=run.id,
        source_sha=run.source_sha or "",
        analysis=analysis_of(run),
        origin=_origin(run, learned),
        files=tuple(file.path for file in run.files if file.path not in run.kept),
        steps=plan.stage_graph(),
        apps=plan.apps,
        variables=plan.required_variables,
        notes=plan.notes,
        kept=run.kept,
        warnings=run.validation.warnings if run.validation else (),
        run_url=f"{backend_url}/runs/{run.id}",
        pipeline=state,
        verdict=verdict,
    )


def _origin(run: Run, learned: LearnedStore) -> Origin:
    reference, generation = run.reference, run.generation
    if reference is None or generation is None:
        return Origin(source="builtin")
    successes = failures = 0
    if reference.source == "learned":
        try:
            record = learned.show(reference.id, run.project.path)
            successes, failures = record.successes, record.failures
        except NotFound:
            # Forgotten meanwhile: the plan stands, its record does not.
            successes = failures = 0
    return Origin(
        source=reference.source,
        id=reference.id,
        confidence=reference.confidence,
        successes=successes,
        failures=failures,
        by_model=generation.model if generation.by == "model" else None,
        fallback=generation.fallback_reason,
    )
