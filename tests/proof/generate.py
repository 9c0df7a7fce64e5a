"""From a program's folder to its generated files, and what the offline judges say of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec

from workers.detect import LocalSource, detect
from workers.detect.analysis import Analysis
from workers.pipeline import lint, policy
from workers.pipeline.plan import Plan, Site
from workers.pipeline.render import render
from workers.pipeline.templates import Templates
from workers.steps.generate import generate as choose
from workers.steps.retrieve import from_templates

SITE = Site(backend_url="https://devops.example.com")


class Generated(msgspec.Struct, frozen=True):
    """What a run would commit. `problems` are errors of schema, semantics, policy and hadolint."""

    analysis: Analysis
    plan: Plan
    files: dict[str, str]
    problems: tuple[str, ...]


def generate(folder: Path, templates: Templates) -> Generated:
    """The steps of a run that write nothing: detect, choose, plan, render, judge."""
    analysis = detect(LocalSource(folder))
    plan = choose(analysis, from_templates(analysis, None, templates), SITE, None).plan
    files = render(plan)
    report = lint.check(files[".gitlab-ci.yml"])
    problems = [f"{found.code}: {found.message}" for found in report.errors]
    problems += policy.check(plan, files)
    problems += hadolint(files["Dockerfile"]) if "Dockerfile" in files else []
    return Generated(analysis, plan, files, tuple(problems))


def hadolint(dockerfile: str) -> list[str]:
    """Findings above info. The binary comes with the test requirements."""
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [program, "--format", "json", "--no-fail", "-"],
        input=dockerfile, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [
        f"{found['code']}: {found['message']}"
        for found in json.loads(done.stdout)
        if found["level"] in ("error", "warning")
    ]
