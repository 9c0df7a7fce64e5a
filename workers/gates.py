"""Reasons why a project gets no pipeline now: each with what would change it."""

from __future__ import annotations

import msgspec

from workers.clients.gitlab_types import Project
from workers.detect.analysis import Analysis
from workers.errors import Retryable
from workers.runs import Run, State
from workers.settings import AGAIN_LABEL
from workers.store.budget import Budget
from workers.store.ledger import Ledger

CI_FILE = ".gitlab-ci.yml"
ASKED = ("retrigger", "workflow")
"""Runs that a person asked for: these find their commit again where nothing changed."""
COMMITS_A_DAY = 3
ASKED_COMMITS_A_DAY = 20
BUDGET_SPENT = (
    "the budget of commits to all projects is spent (COMMITS_PER_HOUR); find out why, then reset it"
    " (devops-backend budget reset)"
)
BUDGET_LOOK_S = 120.0
IMPORT_LOOK_S = 30.0
"""Nothing announces the end of an import, so it is looked at again."""


class Stop(msgspec.Struct, frozen=True):
    """The run stops here. `lasting` reasons hold for later events too, until a retrigger."""

    state: State
    reason: str
    next_step: str
    lasting: bool = False
    again_s: float = 0.0


def of_project(project: Project) -> Stop | None:
    """What GitLab says of the project itself."""
    if project.archived:
        return Stop(State.SKIPPED, "the project is archived", "unarchive it, then retrigger", True)
    if not project.ci_enabled:
        return Stop(
            State.SKIPPED, "CI/CD is switched off for the project",
            "Settings → General → Visibility → CI/CD, then retrigger", True,
        )  # fmt: skip
    if project.ci_config_path and project.ci_config_path != CI_FILE:
        return Stop(
            State.SKIPPED, "the project's CI configuration is kept elsewhere; ours would be inert",
            "Settings → CI/CD → General pipelines → CI/CD configuration file", True,
        )  # fmt: skip
    if project.importing:
        return Stop(
            State.WAITING_FOR_PUSH, "an import is running; nothing announces its end",
            "it is looked at again by itself", again_s=IMPORT_LOOK_S,
        )  # fmt: skip
    if project.empty_repo:
        return Stop(
            State.WAITING_FOR_PUSH, "the repository is empty", "push something, or retrigger",
        )  # fmt: skip
    return None


def of_opt_out(known: dict[str, str], run: Run) -> Stop | None:
    """What people said to the merge request of an earlier run. Who asks takes that back."""
    if run.trigger.kind in ASKED or not known.get("opted_out"):
        return None
    reason = f"opted out: {known['opted_out']}"
    return Stop(State.SKIPPED, reason, f"label it {AGAIN_LABEL}, or re-trigger the project")


def of_files(root: frozenset[str]) -> Stop | None:
    """What stands in the repository's root already."""
    if CI_FILE in root:
        return Stop(
            State.SKIPPED, f"has a pipeline already: {CI_FILE}",
            "delete the file and retrigger to have one generated", True,
        )  # fmt: skip
    return None


def of_analysis(analysis: Analysis) -> Stop | None:
    """What the repository turned out to be."""
    if analysis.nothing_to_build:
        return Stop(
            State.SKIPPED, f"nothing to build: {analysis.nothing_to_build}",
            "the next push is looked at again",
        )  # fmt: skip
    return None


def of_budget(ledger: Ledger, budget: Budget, run: Run) -> Stop | None:
    """The last loop guards, whatever made the run: few commits per project and day, and so many to
    all in an hour. Only what is about to be committed counts.

    Raises Retryable while the budget of all is spent; a person ends that.
    """
    asked = run.trigger.kind in ASKED
    limit = ASKED_COMMITS_A_DAY if asked else COMMITS_A_DAY
    if ledger.spend(run.project.id, run.id) > limit:
        return Stop(
            State.ERROR, f"commit: the budget of {limit} commits a day for this project is spent",
            "find out what pushes again and again; retrigger tomorrow",
        )  # fmt: skip
    if not budget.spend(run.id):
        raise Retryable(BUDGET_SPENT, BUDGET_LOOK_S)
    return None


def repeats(known: dict[str, str], run: Run, digest: str) -> bool:
    """Whether the same inputs gave a commit before."""
    return known.get("published") == f"{run.source_sha} {digest}"


def of_repeat(run: Run) -> Stop | None:
    """The same inputs again: a loop guard, and nothing to tell anyone who did not ask."""
    if run.trigger.kind in ASKED:
        return None
    return Stop(
        State.SKIPPED, "nothing changed since the last pipeline we made", "retrigger to see it"
    )
