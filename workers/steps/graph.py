"""The jobs of a pipeline in the merge request: a picture, and for several apps a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from workers.steps.markdown import code, flowchart, table

STAGES = ("compile", "build", "test", "sast", "quality", "security", "push", "notify", "learn")


LEGEND = (
    "An advisory job may fail without stopping the pipeline. A solid arrow is what a job waits for,"
    " a dotted one the order of the stages."
)


class Step(Protocol):
    """A job of the stage graph. `needs` None: it waits for all earlier stages."""

    @property
    def job(self) -> str: ...
    @property
    def stage(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...] | None: ...
    @property
    def advisory(self) -> bool: ...


class App(Protocol):
    """One of several apps; its jobs are `<name>:…`."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def template(self) -> str: ...
    @property
    def language(self) -> str | None: ...
    @property
    def framework(self) -> str | None: ...


class _Seen(msgspec.Struct, frozen=True):
    job: str
    stage: str
    needs: tuple[str, ...]
    advisory: bool


def graph(steps: Sequence[Step], apps: Sequence[App] = ()) -> str:
    """The section: jobs by stage and what needs what. Of several apps all are one picture."""
    if not steps:
        return ""
    seen = _together(steps, {app.name for app in apps})
    rank = {stage: place for place, stage in enumerate(STAGES)}
    stages = sorted({step.stage for step in seen}, key=lambda s: (rank.get(s, len(rank)), s))
    groups = [(stage, [_node(step) for step in seen if step.stage == stage]) for stage in stages]
    arrows = [(need, step.job) for step in seen for need in step.needs]
    parts = ["## The pipeline", _apps(steps, apps), LEGEND, flowchart(groups, arrows)]
    return "\n\n".join(part for part in parts if part)


def _node(step: _Seen) -> tuple[str, str]:
    return step.job, f"{step.job} (advisory)" if step.advisory else step.job


def _together(steps: Sequence[Step], apps: set[str]) -> list[_Seen]:
    """Each job once, whichever app has it; without apps, the jobs as they are."""

    def short(job: str) -> str:
        app, colon, own = job.partition(":")
        return own if colon and app in apps else job

    seen: dict[str, _Seen] = {}
    for step in steps:
        name = short(step.job)
        before = seen[name].needs if name in seen else ()
        needs = dict.fromkeys((*before, *(short(need) for need in step.needs or ())))
        seen[name] = _Seen(name, step.stage, tuple(needs), step.advisory)
    return list(seen.values())


def _apps(steps: Sequence[Step], apps: Sequence[App]) -> str:
    """Which apps there are, and what each gets."""
    if not apps:
        return ""
    rows = [
        (
            code(app.path),
            code(" ".join(word for word in (app.language, app.framework) if word) or "unknown"),
            code(app.template),
            code(f"{app.name}:"),
            ", ".join(
                f"{stage} {count}" for stage in STAGES if (count := _count(steps, app, stage))
            ),
        )
        for app in apps
    ]
    return (
        "Each app has jobs of its own. They run where its files, files that apps share or the"
        " pipeline itself changed, and always on the default branch.\n\n"
        + table(("App", "Stack", "Template", "Its jobs start with", "Jobs by stage"), rows)
        + "\n\nThe picture shows the jobs of all apps as one."
    )


def _count(steps: Sequence[Step], app: App, stage: str) -> int:
    return sum(step.stage == stage and step.job.startswith(f"{app.name}:") for step in steps)
