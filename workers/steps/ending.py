"""How the pipeline went, in words for the merge request."""

from __future__ import annotations

from workers.clients.gitlab_ci_types import Job, PipelineState
from workers.steps.confirm import Verdict
from workers.steps.markdown import bullets, code, megabytes, prose, seconds, table


def outcome(state: PipelineState | None, found: Verdict | None, *, remembered: bool = True) -> str:
    """The section of the description; "" while there is nothing to tell. A proven plan for several
    apps is not `remembered`: it says nothing of one stack alone."""
    if state is None or found is None or not found.final:
        return ""
    jobs = table(("Stage", "Job", "Result", "Duration"), (_row(job) for job in state.jobs[:60]))
    reasons = bullets(prose(reason) for reason in found.reasons[:10])
    parts = ["## How it went", _ending(state, found, remembered), reasons, jobs]
    return "\n\n".join(part for part in parts if part)


def note(state: PipelineState, verdict: Verdict) -> str:
    """A comment for an end that asks somebody to act; the description holds the rest."""
    said = bullets(prose(reason) for reason in verdict.reasons[:10])
    return f"{_ending(state, verdict)}\n\n{said}".rstrip() + "\n"


def _ending(state: PipelineState, found: Verdict, remembered: bool = True) -> str:
    said = {
        "succeeded": "is green",
        "failed": "failed",
        "canceled": "was canceled",
        "skipped": "was skipped",
        "infrastructure": "failed for reasons that are not the pipeline's own",
        "running": "goes on",
    }[found.outcome]
    line = f"Pipeline {code(str(state.id))} {said}"
    line += f" after {seconds(state.duration)}." if state.duration else "."
    tests = state.tests
    if tests is not None:
        bad = tests.failed + tests.error
        line += f" Of {tests.total} tests {tests.success} passed, {bad} failed,"
        line += f" {tests.skipped} were skipped."
    if state.coverage is not None:
        line += f" Coverage {state.coverage:.1f} %."
    if state.images:
        sizes = ", ".join(f"{code(image.path)} {megabytes(image.size)}" for image in state.images)
        line += f" Image size: {sizes}."
    if found.outcome == "succeeded":
        kept = ", so the next project of this kind may start from it." if remembered else "."
        line += (
            f" Its jobs really ran and tested{kept}"
            if found.proven
            else " That proves little, so no other project starts from it:"
        )
    return line


def _row(job: Job) -> tuple[str, str, str, str]:
    result = job.status + (" (advisory)" if job.allow_failure else "")
    if job.failure_reason:
        result += f": {job.failure_reason}"
    return code(job.stage), code(job.name), code(result), seconds(job.duration)
