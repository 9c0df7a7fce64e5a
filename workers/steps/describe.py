"""The merge request's text: what was found, what was made of it, what it needs, how it went.

One living text, written anew from data each time and edited in place. Fixed sentences; every
string of the repository, of the model or of GitLab stands in code spans (see `markdown`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from workers.clients.gitlab_ci_types import PipelineState
from workers.detect.analysis import Analysis
from workers.settings import AGAIN_LABEL
from workers.steps.confirm import Verdict
from workers.steps.ending import outcome
from workers.steps.graph import App, Step, graph
from workers.steps.markdown import bullets, code, folded, label, plain, prose, table
from workers.steps.origin import Origin
from workers.steps.origin import section as came_from
from workers.steps.preflight import Preflight
from workers.steps.readiness import section as readiness

MAX_EVIDENCE = 25
MAX_LANGUAGES = 4
SURE = 0.8
"""Confidence below which the reader is asked to check what was found."""
MAX_JOBS = 8
"""Jobs that a cell names."""
MAX_TEXT = 100_000
"""Characters; GitLab takes 1,048,576, and no reader takes more than this."""


class Needed(Protocol):
    """A CI variable that a person sets."""

    @property
    def name(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def used_by(self) -> tuple[str, ...]: ...
    @property
    def needed(self) -> bool: ...
    @property
    def secret(self) -> bool: ...


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """All that the text tells. `pipeline` and `verdict` are None until there are any."""

    run_id: str
    source_sha: str
    analysis: Analysis
    origin: Origin
    files: tuple[str, ...]
    steps: Sequence[Step] = ()
    apps: Sequence[App] = ()
    """Each of several apps; empty for one."""
    variables: Sequence[Needed] = ()
    notes: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    run_url: str | None = None
    preflight: Preflight | None = None
    """What the instance showed before the commit; None where nothing was looked at."""
    pipeline: PipelineState | None = None
    verdict: Verdict | None = None


def title(analysis: Analysis) -> str:
    """`Add a CI pipeline (go, gin)`, without the prefix of a draft; languages of several apps."""
    words = [part.language for part in analysis.parts] or [analysis.language, analysis.framework]
    known = dict.fromkeys(label(word) for word in words if word)
    stack = ", ".join(word for word in list(known)[:MAX_LANGUAGES] if word)
    return f"Add a CI pipeline ({stack})" if stack else "Add a CI pipeline"


def text(story: Story) -> str:
    """The description, at most MAX_TEXT characters, safe to hand to GitLab."""
    sections = (
        _opening(story),
        outcome(story.pipeline, story.verdict, remembered=not story.apps),
        _ready(story),
        _questions(story.analysis),
        _found(story.analysis),
        graph(story.steps, story.apps),
        came_from(story.origin),
        _variables(story.variables, story.preflight),
        _left_out(story),
        _change(story),
    )
    whole = "\n\n".join(section for section in sections if section) + "\n"
    if len(whole) > MAX_TEXT:
        # The parts that grow with the repository give way; no span or fence is cut in half.
        whole = (
            "\n\n".join(
                (
                    _opening(story),
                    outcome(story.pipeline, story.verdict, remembered=not story.apps),
                    _change(story),
                )
            )
            + "\n"
        )
    return whole


def _opening(story: Story) -> str:
    *some, last = [code(path) for path in story.files] or ["nothing"]
    made = f"{', '.join(some)} and {last}" if some else last
    green = story.verdict is not None and story.verdict.outcome == "succeeded"
    stands = (
        "Its own pipeline is green: it waits for your review."
        if green
        else "It stays a draft until its own pipeline is green."
    )
    return (
        f"This project has no CI pipeline yet. This merge request adds one: {made}, made for commit"
        f" {code(story.source_sha[:12])}. Nothing else was touched, and nothing runs on the default"
        f" branch until you merge it. {stands}"
    )


def _ready(story: Story) -> str:
    """What is needed before it can run; nothing once it has run."""
    if story.verdict is not None and story.verdict.outcome == "succeeded":
        return ""
    builds = any(step.stage == "build" for step in story.steps)
    return readiness(story.preflight, builds_image=builds)


def _found(analysis: Analysis) -> str:
    facts = {
        "Language": analysis.language,
        "Version": analysis.version,
        "Framework": analysis.framework,
        "Package manager": analysis.package_manager,
        "Build": analysis.build_command,
        "Test": analysis.test_command,
        "Test tool": analysis.test_tool,
        "Entry point": analysis.entry_point,
        "Port": str(analysis.port) if analysis.port else None,
        "Monorepo": analysis.monorepo,
    }
    if analysis.parts:
        # What else was found is each app's own: its evidence tells.
        facts = {"Monorepo": analysis.monorepo, "Apps": str(len(analysis.parts))}
    rows = [(name, code(value)) for name, value in facts.items() if value]
    told = dict.fromkeys(e for one in analysis.parts or (analysis,) for e in one.evidence)
    shown = list(told)[:MAX_EVIDENCE]
    evidence = table(
        ("Claim", "File", "Line"),
        ((code(e.claim), code(e.file), str(e.line) if e.line > 0 else "—") for e in shown),
    )
    more = len(told) - len(shown)
    parts = [
        "## What was found",
        _sure(analysis.confidence),
        table(("What", "Value"), rows),
        folded("Evidence", f"{evidence}\n\nAnd {more} more." if more else evidence),
    ]
    return "\n\n".join(part for part in parts if part)


def _sure(confidence: float) -> str:
    """How far the findings are to be trusted."""
    check = "" if confidence >= SURE else ": please check that this is your project"
    return f"Confidence {confidence:.0%}{check}."


def _variables(variables: Sequence[Needed], seen: Preflight | None) -> str:
    if not variables:
        return ""
    present = {v.key for v in seen.variables or ()} if seen else set()
    rows = (
        (
            code(v.name),
            ("needed" if v.needed else "optional") + (", set" if v.name in present else ""),
            "masked, not protected" if v.secret else "plain",
            prose(v.why).replace("|", "¦"),
            _jobs(v.used_by),
        )
        for v in variables
    )
    return (
        "## What to configure\n\nUnder **Settings → CI/CD → Variables** of this project or its"
        " group. A job whose optional variable is missing is left out; it does not fail. This"
        " branch is not protected, so a protected variable would not reach it.\n\n"
        + table(("Variable", "Needed", "Kind", "Why", "Used by"), rows)
    )


def _jobs(names: tuple[str, ...]) -> str:
    more = len(names) - MAX_JOBS
    shown = " ".join(code(name) for name in names[:MAX_JOBS]) or "—"
    return f"{shown} and {more} more" if more > 0 else shown


def _left_out(story: Story) -> str:
    kept = [f"{code(path)} was there already and is left as it is." for path in story.kept]
    notes = [prose(text) for text in story.notes[:30]]
    warned = [f"GitLab's lint warns: {code(text)}" for text in story.warnings[:10]]
    items = [*kept, *notes, *warned]
    return "## What was left out, and why\n\n" + bullets(items) if items else ""


def _questions(analysis: Analysis) -> str:
    asked = [prose(question) for question in analysis.questions[:10]]
    if not asked:
        return ""
    return (
        "## Questions\n\nA file `.devops-backend.yml` on the default branch answers them, with"
        " `language`, `path`, `build_command`, `test_command` and the like: what it says wins over"
        f" what was found.\n\n{bullets(asked)}"
    )


def _change(story: Story) -> str:
    run = f"Run {code(story.run_id)}"
    run += f" at {code(plain(story.run_url))}." if story.run_url else "."
    return "## How to change or stop it\n\n" + bullets(
        (
            "Edit the files on this branch as you like: commits of yours are never overwritten.",
            f"To decline, close this merge request; the label {code(AGAIN_LABEL)} brings it back.",
            "A project whose default branch has a pipeline already is left alone.",
            f"{run} This text is kept up to date by the service; comments are not.",
        )
    )
