"""Where a run stands: every change of it, its waits and its ends, written as they happen."""

from __future__ import annotations

import msgspec

from workers import gates, hooking
from workers.clients.gitlab_types import Project
from workers.runs import Run, State
from workers.store.deliveries import now_ms
from workers.wiring import Parts

MAX_ATTEMPTS = 3
"""Starts of a run that ended in a crash or a bug; then it is parked."""
GIVE_UP_MS = 24 * 3600 * 1000
"""How long a run waits for a GitLab that is away."""
LONGEST_WAIT_S = 900


class Standing:
    """A run as it is now, and the step it is in."""

    def __init__(self, parts: Parts, run: Run) -> None:
        self.parts = parts
        self.run = run
        self.step = "start"
        self.said = ""

    def change(self, message: str, state: State, **fields: object) -> None:
        """Write where the run stands. `message` is a line of progress; "" writes none."""
        self.step = _STEP[state]
        fields["state"] = state
        self.run = self.parts.runs.update(
            self.run.id, lambda run: msgspec.structs.replace(run, **fields), message
        )

    def say(self, message: str) -> None:
        """A line of progress that changes nothing; the same one is not said twice in a row."""
        if message != self.said:
            self.parts.runs.say(self.run, message)
        self.said = message

    def note_project(self, project: Project) -> None:
        """Names may have changed since the event; the webhook may be missing."""
        known = msgspec.structs.replace(self.run.project, path=project.path, url=project.web_url)
        self.change("", State.ANALYZING, project=known, reason=None, next_step=None)
        self.parts.ledger.note_project(project.id, {"path": project.path, "url": project.web_url})
        hooking.ensure(self.parts, project.id)

    def stop(self, stop: gates.Stop) -> Run:
        """The run ends, or waits, for a reason that is nobody's fault."""
        ledger, project = self.parts.ledger, self.run.project.id
        if stop.state is State.WAITING_FOR_PUSH:
            if stop.again_s:
                ledger.later(f"generate:{project}", now_ms() + int(stop.again_s * 1000))
            self.change(
                stop.reason, stop.state, reason=stop.reason, next_step=stop.next_step, attempts=0
            )
            self.decided("waiting", stop.reason, stop.next_step)
            return self.run
        if stop.lasting:
            ledger.note_project(project, {"settled": stop.reason, "settled_at": now_ms()})
        return self.end(stop.state, stop.reason, stop.next_step)

    def end(self, state: State, reason: str, next_step: str | None) -> Run:
        """An end state, with its reason and what a person can do."""
        self.change(reason, state, reason=reason, next_step=next_step)
        self.decided(str(state), reason, next_step or "")
        self.parts.dead.run_ended(self.run)
        return self.run

    def decided(self, decision: str, reason: str, next_step: str) -> None:
        """What the project page tells."""
        self.parts.ledger.note_project(
            self.run.project.id,
            {
                "decision": decision,
                "reason": reason,
                "next_step": next_step,
                "decided_at": now_ms(),
            },
        )

    def wait(self, reason: str, after: float, *, broken: bool = False) -> Run:
        """Try again later: nobody sleeps in a worker."""
        step = self.step
        if now_ms() - self.run.created_ms > GIVE_UP_MS:
            return self.end(State.ERROR, f"{step}: {reason}; given up after a day", "retrigger")
        if broken and self.run.attempts >= MAX_ATTEMPTS:
            return self.end(State.ERROR, f"{step}: {reason}", "see the log, then retrigger")
        pause = min(max(after, 1.0), LONGEST_WAIT_S)
        self.change(
            f"{step}: {reason}; tried again in {pause:.0f} s", self.run.state, reason=reason,
            attempts=self.run.attempts if broken else 0, next_step=_by_itself(pause),
        )  # fmt: skip
        project = self.run.project.id
        self.parts.ledger.later(f"generate:{project}", now_ms() + int(pause * 1000))
        self.decided("retry", reason, _by_itself(pause))
        return self.run


def _by_itself(pause: float) -> str:
    return f"tried again by itself in {pause:.0f} s"


_STEP: dict[State, str] = {
    State.QUEUED: "start", State.WAITING_FOR_PUSH: "analyze", State.ANALYZING: "analyze",
    State.GENERATING: "generate", State.VALIDATING: "validate", State.COMMITTING: "commit",
    State.AWAITING_PIPELINE: "confirm", State.SUCCEEDED: "end", State.FAILED: "end",
    State.SKIPPED: "end", State.UNCONFIRMED: "end", State.ERROR: "end",
}  # fmt: skip
