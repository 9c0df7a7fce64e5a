"""One generated pipeline and merge request in full, for the README, so that it cannot rot."""

from __future__ import annotations

import re
from pathlib import Path

from tests.golden.stacks import NEXUS
from workers.clients.gitlab_ci_types import Job, PipelineState, Tests
from workers.detect import detect
from workers.detect.local import LocalSource
from workers.pipeline.plan import Plan, build
from workers.pipeline.render import render
from workers.pipeline.templates import Templates
from workers.steps import confirm, describe
from workers.steps.describe import Story
from workers.steps.origin import Origin

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PROGRAM = ROOT / "service" / "sandbox" / "samples" / "go-orders"
SHA = "4f0c1f2a9d6b" + "0" * 28
BEGIN = "<!-- one pipeline in full: written by `python -m tests.golden.update` -->"
END = "<!-- end of the pipeline in full -->"
SECONDS = {"compile": 21.0, "build_image": 64.0, "unit_tests": 38.0, "container_scan": 29.0}
OTHER_SECONDS = 17.0


def block() -> str:
    """What stands between the markers."""
    analysis = detect(LocalSource(PROGRAM))
    template, source = Templates.load().best(analysis.language, analysis.framework)
    plan = build(template, analysis, NEXUS)
    files = render(plan)
    state = _example(plan)
    found = confirm.verdict(
        state, {name: job.stage for name, job in plan.jobs.items() if job.stage}
    )
    story = Story(
        run_id="06611a2c6cccfa716767",
        source_sha=SHA,
        analysis=analysis,
        origin=Origin(source=source, id=template.id),
        files=tuple(files),
        steps=plan.stage_graph(),
        variables=plan.required_variables,
        notes=plan.notes,
        run_url="https://devops.example.com/runs/06611a2c6cccfa716767",
        pipeline=state,
        verdict=found,
    )
    shown = [
        (f"`{path}`", "yaml" if path.endswith("yml") else "", text) for path, text in files.items()
    ]
    title = describe.title(analysis)
    shown.append(
        (f"The merge request “{title}”, after its pipeline", "markdown", describe.text(story))
    )
    return "\n".join(
        f"{name}:\n\n````{kind}\n{text.rstrip()}\n````\n" for name, kind, text in shown
    )


def _example(plan: Plan) -> PipelineState:
    """A green pipeline; its figures are an example, and the README says so."""
    jobs = [
        Job(
            id=number,
            name=node.job,
            stage=node.stage,
            status="success",
            duration=SECONDS.get(node.job, OTHER_SECONDS),
            allow_failure=node.advisory,
        )
        for number, node in enumerate(plan.stage_graph(), start=1)
        if node.job in SECONDS or node.stage in ("sast", "learn")
    ]
    return PipelineState(
        id=118, status="success", sha=SHA, ref="devops-backend/ci-4f0c1f2a", duration=171.0,
        jobs=tuple(jobs), tests=Tests(6, 6), coverage=83.3,
    )  # fmt: skip


def rewritten(text: str) -> str:
    """`text` of the README with the block of today. Raises ValueError without the markers."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError("the README holds no markers for the pipeline in full")
    return pattern.sub(lambda _: f"{BEGIN}\n\n{block()}\n{END}", text)
