"""Settles runs by what GitLab says of their pipelines: by event, by poll where none is heard.

The newest state that GitLab's API tells wins: events may come before the commit call returned,
twice, in any order, or after a retry turned failed into success.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import structlog
from msgspec.structs import replace

from workers import hooking
from workers.clients.gitlab_ci_types import PipelineRow, PipelineState
from workers.conclude import conclude, end, pipeline_url
from workers.errors import BackendError, Denied, NotFound, Rejected, Retryable
from workers.runs import SETTLEABLE, Pipeline, Run, State
from workers.steps.learn import index_backlog
from workers.store.deliveries import now_ms
from workers.store.due import poll_of
from workers.store.ledger import swept
from workers.store.receiving import Heard
from workers.wiring import Parts

log = structlog.get_logger(__name__)


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
        parts.runs.update(active, lambda run: replace(run, state=State.SKIPPED, reason=reason))
        parts.ledger.not_later(poll_of(project, active))


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
        state = _heard(parts, run, final.pipeline)
        conclude(parts, run, state, "event", _mark(final.pipeline, final.status, final.at))
    elif newest is not None and final is None and run.state is State.AWAITING_PIPELINE:
        seen = Pipeline(newest.pipeline, newest.status, pipeline_url(run, newest.pipeline), "event")
        parts.runs.update(
            run.id,
            lambda now: replace(now, pipeline=seen) if now.pipeline != seen else None,
            f"pipeline {newest.pipeline} is {newest.status}",
        )


def _by_poll(parts: Parts, run_id: str, heard: dict[str, Heard]) -> None:
    """Look where no event was heard; after the limit look once more, then say so."""
    run = parts.runs.find(run_id)
    if run is None or run.commit is None or run.state is not State.AWAITING_PIPELINE:
        if run is not None:
            parts.ledger.not_later(poll_of(run.project.id, run.id))
        return
    settings, now = parts.settings, now_ms()
    parts = _lent(parts, run)
    limit = min(run.committed_ms, now) + int(settings.poll_limit_s * 1000)
    over = now >= limit
    if not over and (run.commit.sha in heard or f"{run.commit.sha}:final" in heard):
        # The hook works: no poll before the limit.
        parts.ledger.later(poll_of(run.project.id, run.id), limit)
        return
    if not over:
        parts.ledger.later(
            poll_of(run.project.id, run.id), min(limit, now + int(settings.poll_interval_s * 1000))
        )
        # Silence may mean that the hook is gone, disabled, or knows another secret.
        hooking.ensure(parts, run.project.id, again=run.pipeline is None)
    try:
        run, newest = _by_newest(parts, run, run.commit.sha)
        what = f"pipeline {newest.id} is {newest.status}" if newest else "GitLab made no pipeline"
    except BackendError as error:
        if not over:
            raise
        what = str(error)
    if over and run.state is State.AWAITING_PIPELINE:
        parts.ledger.not_later(poll_of(run.project.id, run.id))
        reason = f"no verdict within {settings.poll_limit_s:.0f} s"
        end(parts, run, State.UNCONFIRMED, f"{reason}: {what}", "a later event still settles it")


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
        run = conclude(parts, run, state, "poll", _mark(state.id, state.status, 0))
    return run, newest


def _lent(parts: Parts, run: Run) -> Parts:
    """With the token lent for this run. Once that is gone nobody can look: the run says so."""
    try:
        return parts.for_run(run)
    except Denied as gone:
        if run.state is State.AWAITING_PIPELINE:
            parts.ledger.not_later(poll_of(run.project.id, run.id))
            end(parts, run, State.UNCONFIRMED, str(gone), "see the pipeline in GitLab")
        raise


def _heard(parts: Parts, run: Run, pipeline: int) -> PipelineState:
    """The truth about a pipeline that an event told of. GitLab's event may come some seconds
    before its API knows the pipeline: then it is asked again, for as long as polls go on."""
    try:
        return _truth(parts, run, pipeline)
    except NotFound as early:
        if run.state is not State.AWAITING_PIPELINE:
            raise
        raise Retryable(str(early), parts.settings.poll_interval_s) from early


def _truth(parts: Parts, run: Run, pipeline: int) -> PipelineState:
    sha = run.commit.sha if run.commit else ""
    return parts.gitlab.pipeline(run.project.path, run.project.id, pipeline, sha)


def _mark(pipeline: int, status: str, at: int) -> str:
    return f"{pipeline}:{status}:{at}"
