"""What a pipeline's state makes of its run: what is learned, what its merge request says, its end.

Each part may be done again: the run's own end is written last of all.
"""

from __future__ import annotations

import time
from typing import Literal, cast

import structlog
from msgspec.structs import replace

from workers.clients.gitlab_ci_types import PipelineState
from workers.errors import NotFound
from workers.runs import Pipeline, Run, State
from workers.steps import describe, ending
from workers.steps.confirm import Verdict, verdict
from workers.steps.learn import learn, lesson
from workers.steps.merge_request import mark_ready
from workers.store.audit import acting
from workers.store.deliveries import now_ms
from workers.store.due import poll_of
from workers.story import analysis_of, plan_of, tell
from workers.wiring import Parts

log = structlog.get_logger(__name__)

LOOKED_THROUGH = 20
"""Runs of a project, newest first, that may have been about the same commit."""
By = Literal["event", "poll"]


def conclude(parts: Parts, run: Run, state: PipelineState, by: By, mark: str) -> Run:
    """The run as this state of its pipeline leaves it; each part may be done again."""
    plan = plan_of(run)
    jobs = {node.job: node.stage for node in plan.stage_graph()} if plan else {}
    found = verdict(state, jobs)
    pipeline = Pipeline(state.id, state.status, state.url or pipeline_url(run, state.id), by)
    if not found.final:
        return parts.runs.update(
            run.id,
            lambda now: replace(now, pipeline=pipeline) if now.pipeline != pipeline else None,
            f"pipeline {state.id} is {state.status}",
        )
    if run.pipeline is not None and run.pipeline.id > state.id and run.state is State.SUCCEEDED:
        # An older pipeline of the same commit says nothing new.
        return parts.runs.update(run.id, lambda now: replace(now, settled_by=mark), "")
    learned = _learn(parts, run, state, found)
    with acting(why=f"pipeline {state.id} is {state.status}", run=run.id):
        _tell(parts, run, state, found)
    to, reason, next_step = _outcome(found)
    run = end(
        parts, run, to, reason, next_step, pipeline=pipeline, learned=learned, settled_by=mark
    )
    parts.ledger.not_later(poll_of(run.project.id, run.id))
    return run


def _outcome(found: Verdict) -> tuple[State, str | None, str]:
    """The run's state, its reason, and what comes next."""
    said = "; ".join(found.reasons)
    if found.outcome == "succeeded":
        return State.SUCCEEDED, said or None, "review and merge the merge request"
    if found.outcome == "failed":
        return (
            State.FAILED,
            said or "the pipeline failed",
            "see the failed jobs; retry or retrigger",
        )
    next_step = "a retry in GitLab settles it; or retrigger"
    return State.UNCONFIRMED, said or f"the pipeline was {found.outcome}", next_step


def _learn(
    parts: Parts, run: Run, state: PipelineState, found: Verdict
) -> dict[str, object] | None:
    """Its proven success or its own failure, once: all pipelines of one commit are one outcome, of
    which the newest verdict stands."""
    plan = plan_of(run)
    files = {file.path: file.content or "" for file in run.files}
    taught = lesson(plan, analysis_of(run), files) if plan is not None else None
    if taught is None or not found.counts:
        return run.learned
    counted = _counted(parts, run, state.id)
    known = learn(
        parts.learned,
        parts.index,
        taught,
        found,
        project_id=run.project.id,
        namespace=run.project.path.partition("/")[0],
        run=run.id,
        pipeline=counted,
        at=time.time(),
    )
    if known.degraded:
        log.warning("Chroma is behind", reason=known.degraded)
    outcome = "succeeded" if found.proven else "failed"
    return {
        "id": known.id, "outcome": outcome, "pipeline": counted, "degraded": known.degraded,
    }  # fmt: skip


def _counted(parts: Parts, run: Run, pipeline: int) -> int:
    """The pipeline under which this commit's outcome is counted: the first, whichever run asked; a
    re-trigger that found nothing new to commit tells nothing new."""
    sha = run.commit.sha if run.commit else ""
    for one in (run, *parts.runs.page(project=run.project.id, limit=LOOKED_THROUGH)):
        if one.learned and one.commit and one.commit.sha == sha:
            return int(cast("int", one.learned["pipeline"]))
    return pipeline


def _tell(parts: Parts, run: Run, state: PipelineState, found: Verdict) -> None:
    """The merge request says how it went; no draft any more once it is green."""
    if run.merge_request is None or run.plan is None:
        return
    analysis = analysis_of(run)
    told = tell(parts, run, state, found)
    title, text, project = describe.title(analysis), describe.text(told), run.project.id
    iid = run.merge_request.iid
    try:
        if found.outcome == "succeeded":
            branch = run.commit.branch if run.commit else ""
            mark_ready(parts.gitlab, project, iid, title, text, branch=branch)
        else:
            parts.gitlab.update_merge_request(project, iid, text=text)
            if found.outcome == "failed" and run.state is not State.FAILED:
                # An edited description tells nobody; a comment does.
                parts.gitlab.note(project, iid, ending.note(state, found))
    except NotFound:
        log.warning("the merge request is gone", project=project, merge_request=iid)


def end(
    parts: Parts, run: Run, state: State, reason: str | None, next_step: str, **fields: object
) -> Run:
    """The end, in one write and as the last of all: a worker that dies before it does it again."""
    parts.ledger.note_project(
        run.project.id,
        {
            "decision": str(state),
            "reason": reason or "the pipeline is green",
            "next_step": next_step,
            "decided_at": now_ms(),
        },
    )
    return parts.runs.update(
        run.id,
        lambda now: replace(now, state=state, reason=reason, next_step=next_step, **fields),
        reason or "the pipeline is green",
    )


def pipeline_url(run: Run, pipeline: int) -> str:
    """Where GitLab shows it; "" where the project's own address is unknown."""
    return f"{run.project.url}/-/pipelines/{pipeline}" if run.project.url else ""
