"""One run, from a project that has work to a commit that awaits its pipeline.

Every step may be carried out again: a worker that dies leaves the project dirty, and the next
one starts from GitLab's truth. Only `publish` writes, and GitLab refuses the second write.
"""

from __future__ import annotations

import msgspec
import structlog
from rq.timeouts import BaseTimeoutException

from workers import gates, preflighting
from workers.clients.gitlab import ApiSource
from workers.clients.gitlab_types import Project
from workers.detect.analysis import Analysis
from workers.errors import BackendError, Rejected, Retryable
from workers.pipeline.plan import Plan, Site
from workers.pipeline.render import render
from workers.runs import (
    Commit,
    File,
    Generation,
    GraphJob,
    MergeRequest,
    Reference,
    Run,
    State,
    Validation,
)
from workers.settings import AutoCommit
from workers.standing import MAX_ATTEMPTS, Standing
from workers.steps import describe
from workers.steps.analyze import analyze
from workers.steps.generate import Generated, generate
from workers.steps.origin import SOURCES
from workers.steps.publish import Intent, Published, Target, publish, standing
from workers.steps.retrieve import Reference as Retrieved
from workers.steps.retrieve import references
from workers.steps.validate import validate
from workers.store.deliveries import now_ms
from workers.store.due import poll_of
from workers.story import tell
from workers.wiring import Parts

log = structlog.get_logger(__name__)


def carry_out(parts: Parts, run: Run) -> Run:
    """Take a run as far as it goes now. Never raises BackendError: a run ends in a state.

    A fault that may pass leaves the run where it is, with the reason, and plans another try.
    """
    carrier = _Carrier(parts, run)
    try:
        return carrier.go()
    except BaseTimeoutException:
        raise
    except Retryable as error:
        return carrier.wait(str(error), error.after)
    except BackendError as error:
        return carrier.end(
            State.ERROR, f"{carrier.step}: {error}", "mend the cause, then retrigger"
        )
    except Exception:
        # A bug, ours or a library's: the run must still reach an end that a person can see.
        log.exception("a step of a run broke", run=run.id, step=carrier.step)
        return carrier.wait("an internal error; the service's log has it", 10, broken=True)


class _Carrier(Standing):
    """A run on its way: the steps, in order."""

    # -- the way

    def go(self) -> Run:
        """From the start, whatever an earlier attempt has reached."""
        self.parts = self.parts.for_run(self.run)
        if self.run.attempts >= MAX_ATTEMPTS:
            reason = f"parked: {MAX_ATTEMPTS} attempts broke off"
            return self.end(State.ERROR, reason, "see the service's log, then retrigger")
        self.change("reading the project", State.ANALYZING, attempts=self.run.attempts + 1)
        project = self.parts.gitlab.project(self.run.project.id)
        self.note_project(project)
        known = self.parts.ledger.project(project.id)
        stop = gates.of_opt_out(known, self.run) or gates.of_project(project)
        if stop and stop.state is State.WAITING_FOR_PUSH:
            # There is time now; between the first push and the merge request each call counts.
            preflighting.ensure(self.parts, project)
        return self.stop(stop) if stop else self.analyze(project)

    def analyze(self, project: Project) -> Run:
        """Read the repository at the head of its branch."""
        ref = self.run.options.branch or project.default_branch or "main"
        default = ref == (project.default_branch or "main")
        sha = self.parts.gitlab.head(project.id, ref, default=default)
        if sha is None:
            return self.end(State.ERROR, f"analyze: there is no branch {ref}", "push to it")
        source = ApiSource(self.parts.gitlab, project.id, project.path, sha)
        existing = frozenset(entry.path for entry in source.children("").entries)
        if stop := gates.of_files(existing):
            return self.stop(stop)
        analysis = analyze(source, self.say)
        self.parts.ledger.note_project(project.id, {"source_sha": sha})
        self.change(
            _found(analysis), State.ANALYZING, source_sha=sha,
            analysis=msgspec.to_builtins(analysis),
        )  # fmt: skip
        if stop := gates.of_analysis(analysis):
            return self.stop(stop)
        plan = self.generate(project, ref, analysis)
        return self.publish(project, ref, analysis, plan, existing)

    def generate(self, project: Project, ref: str, analysis: Analysis) -> Plan:
        """A plan whose files pass every check; raises Rejected where none does."""
        refused: list[str] = []
        self.change("choosing a reference pipeline", State.GENERATING)
        parts, site = self.parts, self.site(project, ref)
        for reference in references(
            analysis, parts.learned, parts.index, parts.templates, namespace=project.path
        ):
            model = None if self.run.options.use_template_only or refused else parts.model
            generated = generate(analysis, reference, site, model)
            files = render(generated.plan)
            self.keep(reference, generated, files)
            errors = self.validate(project, files)
            if not errors:
                return generated.plan
            refused.append(f"{reference.source} {reference.id}: {errors[0]}")
            log.warning("a plan was refused", run=self.run.id, errors=errors[:5])
        raise Rejected("no plan passes the checks: " + "; ".join(refused))

    def site(self, project: Project, ref: str) -> Site:
        """Settings, and what the instance shows. What stood in the way may have been mended."""
        asked = self.run.trigger.kind in ("retrigger", "workflow")
        seen = preflighting.ensure(self.parts, project, again=asked)
        if seen.blocked and not asked:
            seen = preflighting.ensure(self.parts, project, again=True)
        for finding in seen.blocked:
            self.say(f"before it can run here: {finding.text}")
        return self.parts.site(ref, seen)

    def validate(self, project: Project, files: dict[str, str]) -> tuple[str, ...]:
        """Errors of the offline check and of GitLab's own linter."""
        self.change("checking the files", State.VALIDATING)
        found = validate(files, lambda text: self.parts.gitlab.lint(project.id, text))
        kept = Validation(tuple(found.errors), tuple(found.warnings), found.linted_by)
        self.change("", State.VALIDATING, validation=kept)
        return kept.errors

    def publish(
        self, project: Project, ref: str, analysis: Analysis, plan: Plan, existing: frozenset[str]
    ) -> Run:
        """Commit and open the merge request, as far as the settings say."""
        mode = AutoCommit(self.run.options.auto_commit or self.parts.settings.auto_commit)
        if mode is AutoCommit.NONE:
            return self.end(State.SKIPPED, "generate only, as asked (auto_commit is none)", None)
        files = {file.path: file.content or "" for file in self.run.files}
        target = Target(
            project_id=project.id, target_branch=ref, source_sha=self.run.source_sha or "",
            existing=existing,
        )  # fmt: skip
        known = self.parts.ledger.project(project.id)
        repeats = gates.repeats(known, self.run, plan.digest)
        stop = gates.of_repeat(self.run) if repeats else None
        # Who asks again gets what stands there: no commit that GitLab would refuse, or count.
        there = standing(self.parts.gitlab, target, files) if repeats and not stop else None
        if there is None:
            stop = stop or gates.of_budget(self.parts.ledger, self.parts.budget, self.run)
        if stop:
            return self.stop(stop)
        kept = tuple(sorted(set(files) & existing))
        self.change("committing", State.COMMITTING, kept=kept)
        told = tell(self.parts, self.run)
        published = publish(
            self.parts.gitlab, target, files, run_id=self.run.id, intent=self.intend, mode=mode,
            title=describe.title(analysis), text=describe.text(told),
            improve=True, again=self.run.trigger.kind in gates.ASKED, there=there,
        )  # fmt: skip
        return self.published(project.id, published, plan.digest)

    def intend(self, intent: Intent) -> None:
        """What is about to be committed, written down before the call."""
        self.change("", State.COMMITTING, intent=f"{intent.branch} {intent.digest}")

    def published(self, project: int, published: Published, digest: str) -> Run:
        """The commit stands: from here GitLab's events move the run."""
        ledger, sha, opened = self.parts.ledger, published.sha, published.merge_request
        done = "committed" if published.changed else "found"
        self.parts.runs.remember_commit(project, sha, self.run.id)
        # A worker that dies from here on does not come back to this run: what makes others
        # move it on, and what keeps a second merge request away, is written before the state.
        committed = now_ms()
        poll_ms = int(self.parts.settings.poll_interval_s * 1000)
        ledger.later(poll_of(project, self.run.id), committed + poll_ms)
        state = opened.state if opened else ""
        ledger.note_project(
            project,
            {"merge_request": opened.iid if opened else "", "merge_request_state": state},
        )
        self.change(
            f"{done} {sha[:8]} on {published.branch}", State.AWAITING_PIPELINE, attempts=0,
            commit=Commit(sha, published.branch, published.url), committed_ms=committed,
            merge_request=MergeRequest(opened.iid, opened.url) if opened else None,
            reason=None, next_step="wait for GitLab's pipeline event",
        )  # fmt: skip
        # After it: an attempt that is made again would find that nothing changed.
        ledger.note_project(project, {"published": f"{self.run.source_sha} {digest}"})
        heard = ledger.heard(project)
        if sha in heard or f"{sha}:final" in heard:
            # The event was faster than the commit call's answer.
            ledger.mark(project, "record")
        self.parts.dead.run_ended(self.run)
        self.decided("committed", f"commit {sha[:8]} awaits its pipeline", "")
        return self.run

    # -- how it stands

    def keep(self, reference: Retrieved, generated: Generated, files: dict[str, str]) -> None:
        """What was generated, and from what."""
        plan = generated.plan
        if reference.degraded:
            self.say(f"degraded: {reference.degraded}")
        chosen = ", with the model's choices" if generated.by == "model" else ""
        self.change(
            f"made from {SOURCES[reference.source]} ({reference.id}){chosen}",
            State.GENERATING,
            reference=Reference(reference.source, reference.id, reference.confidence),
            generation=Generation(
                by=generated.by, model=generated.model, seconds=generated.seconds,
                tokens=generated.tokens, fallback_reason=generated.fallback_reason,
            ),
            plan=msgspec.to_builtins(plan),
            files=tuple(File(path, text) for path, text in files.items()),
            graph=tuple(
                GraphJob(node.job, node.stage, node.needs or ()) for node in plan.stage_graph()
            ),
        )  # fmt: skip


def _found(analysis: Analysis) -> str:
    if not analysis.language:
        return "found no language we know"
    tool = analysis.package_manager if analysis.package_manager != analysis.language else None
    more = ", ".join(filter(None, (analysis.framework, tool)))
    named = " ".join(filter(None, (analysis.language, analysis.version)))
    return f"found {named} ({more})" if more else f"found {named}"
