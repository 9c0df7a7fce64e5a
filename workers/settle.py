"""Settles runs by what GitLab says of their pipelines: by event, by poll where none is heard.

The newest state that GitLab's API tells wins: events may come before the commit call returned,
twice, in any order, or after a retry turned failed into success.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Literal

import msgspec
import structlog

from workers import hooking
from workers.audit import acting
from workers.clients.gitlab_types import PipelineRow, PipelineState
from workers.deliveries import now_ms
from workers.errors import Denied, NotFound, Rejected, Retryable
from workers.ledger import Heard, swept
from workers.runs import SETTLEABLE, Pipeline, Run, State
from workers.steps import describe, ending
from workers.steps.confirm import Verdict, verdict
from workers.steps.learn import index_backlog, learn, lesson
from workers.steps.publish import mark_ready
from workers.story import analysis_of, plan_of, tell
from workers.wiring import Parts

log = structlog.get_logger(__name__)

By = Literal["event", "poll"]


def settle_project(parts: Parts, project: int) -> None:
    """Take in everything heard about a project's pipelines, and poll where that is due."""
    heard = parts.ledger.heard(project)
    commits = parts.runs.by_commit(project)
    for sha in sorted({name.removesuffix(":final") for name in heard} & commits.keys()):
        _guarded(parts, project, partial(_by_event, parts, commits[sha], sha, heard))
    for name in parts.ledger.polls(project):
        run_id = name.removeprefix(swept(""))
        look = _by_poll if name == run_id else _by_sweep
        _guarded(parts, project, partial(look, parts, run_id, heard))
        parts.ledger.polled(project, name)
    _note_deliveries(parts, project, commits)
    catch_up(parts)


def _note_deliveries(parts: Parts, project: int, commits: dict[str, str]) -> None:
    """What became of the pipeline events since: the run they were about, or none of ours."""
    for row in parts.ledger.deliveries(project=project, limit=30):
        event = row.event
        if event.kind != "pipeline" or row.verdict != "accepted":
            continue
        run = commits.get(event.sha, "")
        reason = f"pipeline {event.pipeline_id} is {event.pipeline_status}"
        if not run:
            reason = "a pipeline of no commit of ours"
        parts.ledger.note([row.id], "run" if run else "ignored", reason, run)


def catch_up(parts: Parts) -> None:
    """Bring Chroma in step with what was learned or forgotten while it was away."""
    if parts.index is None or not parts.learned.unindexed(1):
        return
    try:
        index_backlog(parts.learned, parts.index)
    except Retryable as error:
        log.warning("Chroma is behind", reason=str(error))


def project_destroyed(parts: Parts, project: int) -> None:
    """End what can no longer end by itself; what is known of it stays for a month."""
    parts.ledger.forget_later(project)
    parts.dead.drop(f"generate-{project}")
    parts.dead.drop(f"record-{project}")
    active = parts.ledger.project(project).get("active")
    if active:
        reason = "the project was deleted"
        parts.runs.update(
            active, lambda run: msgspec.structs.replace(run, state=State.SKIPPED, reason=reason)
        )
        parts.ledger.not_later(f"poll:{project}:{active}")


def _guarded(parts: Parts, project: int, act: Callable[[], object]) -> None:
    """A GitLab that is away is asked again later; a refusal is logged and changes nothing."""
    try:
        act()
    except Retryable as error:
        log.warning("a verdict has to wait", project=project, reason=str(error))
        parts.ledger.later(f"record:{project}", now_ms() + int(max(error.after, 1.0) * 1000))
    except Rejected as error:
        log.warning("a verdict was refused", project=project, reason=str(error))


def _by_event(parts: Parts, run_id: str, sha: str, heard: dict[str, Heard]) -> None:
    run = parts.runs.find(run_id)
    if run is None or run.state not in SETTLEABLE:
        return
    final, newest = heard.get(f"{sha}:final"), heard.get(sha)
    parts = _lent(parts, run)
    if final is not None and run.settled_by != _mark(final.pipeline, final.status, final.at):
        state = _truth(parts, run, final.pipeline)
        _settle(parts, run, state, "event", _mark(final.pipeline, final.status, final.at))
    elif newest is not None and final is None and run.state is State.AWAITING_PIPELINE:
        seen = Pipeline(
            newest.pipeline, newest.status, _pipeline_url(run, newest.pipeline), "event"
        )
        parts.runs.update(
            run.id,
            lambda now: _replace(now, pipeline=seen) if now.pipeline != seen else None,
            f"pipeline {newest.pipeline} is {newest.status}",
        )


def _by_poll(parts: Parts, run_id: str, heard: dict[str, Heard]) -> None:
    """Look where no event was heard; after the limit look once more, then say so."""
    run = parts.runs.find(run_id)
    if run is None or run.commit is None or run.state is not State.AWAITING_PIPELINE:
        if run is not None:
            parts.ledger.not_later(_poll(run))
        return
    settings, now = parts.settings, now_ms()
    parts = _lent(parts, run)
    limit = min(run.committed_ms, now) + int(settings.poll_limit_s * 1000)
    over = now >= limit
    if not over and (run.commit.sha in heard or f"{run.commit.sha}:final" in heard):
        # The hook works: no poll before the limit.
        parts.ledger.later(_poll(run), limit)
        return
    if not over:
        parts.ledger.later(_poll(run), min(limit, now + int(settings.poll_interval_s * 1000)))
        # Silence may mean that the hook is gone, disabled, or knows another secret.
        hooking.ensure(parts, run.project.id, again=run.pipeline is None)
    run, newest = _by_newest(parts, run, run.commit.sha)
    if over and run.state is State.AWAITING_PIPELINE:
        parts.ledger.not_later(_poll(run))
        reason = f"no verdict within {settings.poll_limit_s:.0f} s"
        what = f"pipeline {newest.id} is {newest.status}" if newest else "GitLab made no pipeline"
        _end(parts, run, State.UNCONFIRMED, f"{reason}: {what}", "a later event still settles it")


def _by_sweep(parts: Parts, run_id: str, _: dict[str, Heard]) -> None:
    """A sweep saw the end of a pipeline that no event told of."""
    run = parts.runs.find(run_id)
    if run is not None and run.commit is not None and run.state in SETTLEABLE:
        _by_newest(parts, run, run.commit.sha)


def _by_newest(parts: Parts, run: Run, sha: str) -> tuple[Run, PipelineRow | None]:
    """The run as the newest pipeline of its commit leaves it, and that pipeline."""
    rows = parts.gitlab.pipelines(run.project.id, sha)
    newest = max(rows, key=lambda row: row.id, default=None)
    if newest is not None:
        state = _truth(parts, run, newest.id)
        run = _settle(parts, run, state, "poll", _mark(state.id, state.status, 0))
    return run, newest


def _lent(parts: Parts, run: Run) -> Parts:
    """With the token lent for this run. Once that is gone nobody can look: the run says so."""
    try:
        return parts.for_run(run)
    except Denied as gone:
        if run.state is State.AWAITING_PIPELINE:
            parts.ledger.not_later(_poll(run))
            _end(parts, run, State.UNCONFIRMED, str(gone), "see the pipeline in GitLab")
        raise


def _settle(parts: Parts, run: Run, state: PipelineState, by: By, mark: str) -> Run:
    """The run as this state of its pipeline leaves it; each part may be done again."""
    plan = plan_of(run)
    jobs = {node.job: node.stage for node in plan.stage_graph()} if plan else {}
    found = verdict(state, jobs)
    pipeline = Pipeline(state.id, state.status, state.url or _pipeline_url(run, state.id), by)
    if not found.final:
        return parts.runs.update(
            run.id,
            lambda now: _replace(now, pipeline=pipeline) if now.pipeline != pipeline else None,
            f"pipeline {state.id} is {state.status}",
        )
    if run.pipeline is not None and run.pipeline.id > state.id and run.state is State.SUCCEEDED:
        # An older pipeline of the same commit says nothing new.
        return parts.runs.update(run.id, lambda now: _replace(now, settled_by=mark), "")
    learned = _learn(parts, run, state, found)
    with acting(why=f"pipeline {state.id} is {state.status}", run=run.id):
        _tell(parts, run, state, found)
    to, reason, next_step = _outcome(found)
    run = _end(
        parts, run, to, reason, next_step, pipeline=pipeline, learned=learned, settled_by=mark
    )
    parts.ledger.not_later(_poll(run))
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
    """Its proven success or its own failure, once: a branch's and a merge request's pipeline of
    the same commit are one outcome, of which the newest verdict stands."""
    plan = plan_of(run)
    files = {file.path: file.content or "" for file in run.files}
    taught = lesson(plan, analysis_of(run), files) if plan is not None else None
    if taught is None or not found.counts:
        return run.learned
    counted = int((run.learned or {}).get("pipeline", state.id))
    known = learn(
        parts.learned,
        parts.index,
        taught,
        found,
        project_id=run.project.id,
        namespace=run.project.path.partition("/")[0],
        run=run.id,
        pipeline=counted,
        at=datetime.now(UTC).timestamp(),
    )
    if known.degraded:
        log.warning("Chroma is behind", reason=known.degraded)
    outcome = "succeeded" if found.proven else "failed"
    return {
        "id": known.id, "outcome": outcome, "pipeline": counted, "degraded": known.degraded,
    }  # fmt: skip


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
            mark_ready(parts.gitlab, project, iid, title, text)
        else:
            parts.gitlab.update_merge_request(project, iid, text=text)
            if found.outcome == "failed" and run.state is not State.FAILED:
                # An edited description tells nobody; a comment does.
                parts.gitlab.note(project, iid, ending.note(state, found))
    except NotFound:
        log.warning("the merge request is gone", project=project, merge_request=iid)


def _truth(parts: Parts, run: Run, pipeline: int) -> PipelineState:
    return parts.gitlab.pipeline(run.project.path, run.project.id, pipeline)


def _end(
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
        lambda now: _replace(now, state=state, reason=reason, next_step=next_step, **fields),
        reason or "the pipeline is green",
    )


def _replace(run: Run, **fields: object) -> Run:
    return msgspec.structs.replace(run, **fields)


def _mark(pipeline: int, status: str, at: int) -> str:
    return f"{pipeline}:{status}:{at}"


def _poll(run: Run) -> str:
    return f"poll:{run.project.id}:{run.id}"


def _pipeline_url(run: Run, pipeline: int) -> str:
    return f"{run.project.url}/-/pipelines/{pipeline}" if run.project.url else ""
