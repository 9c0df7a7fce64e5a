"""Commands that a repository states in `.devops-backend.yml`: they run as they stand.

A template that has a place for the command keeps its own way round it. Any other gets the command
as the whole script of the job, and no report that the command may not write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workers.detect.analysis import Analysis
from workers.pipeline import commands, conditions, resolve, slots
from workers.pipeline.schema import Job, Slot

JOBS: Mapping[str, str] = {"test_command": "unit_tests", "build_command": "compile"}
"""The job that runs each command; the command is the slot of the same name."""

_WAYS: Mapping[str, tuple[re.Pattern[str], str, tuple[str, ...]]] = {
    "pytest": (
        re.compile(r"(?:(?:poetry|uv|pdm|pipenv|hatch) run )?(?:python3? -m )?pytest(?: .*)?"),
        " --junitxml=report.xml",
        ("report.xml",),
    ),
    "maven": (
        re.compile(r"(?:mvn|\./mvnw) (?:.* )?(?:test|package|verify)(?: .*)?"),
        "",
        ("**/target/surefire-reports/TEST-*.xml", "**/target/failsafe-reports/TEST-*.xml"),
    ),
    "gradle": (
        re.compile(r"(?:gradle|\./gradlew) (?:.* )?(?:test|check|build)(?: .*)?"),
        "",
        ("**/build/test-results/test/TEST-*.xml",),
    ),
}
"""Tools that write JUnit with every command of theirs: what is added to it, and the files."""


_NO_BUILD = re.compile(
    r"(?:(?:poetry|uv|pdm|pipenv|hatch) run )?(?:python3? -m )?"
    r"(?:pytest|unittest|tox|nox|mypy|ruff|flake8|pylint|pyflakes|coverage)(?: .*)?"
)
"""Tools that take any words behind them and build nothing."""


_LACKED = frozenset({"tox", "nox", "just", "task", "mage", "make"})
"""Programs that a command may call and an image of a language does not bring, but for make in:"""
_WITH_MAKE = re.compile(
    r"(?:^|/)(?:buildpack-deps|elixir|erlang|gcc|golang|haskell|node|perl|php|python|ruby|rust):(?!.*slim)"
)


def offers(analysis: Analysis, ecosystem: str | None) -> dict[str, str]:
    """Slot → the stated command, as its grammar writes it, where policy lets it run."""
    return {
        name: command
        for name, command in _told(analysis).items()
        if _refusal(name, command, ecosystem) is None
    }


def declared(known: Mapping[str, Slot], analysis: Analysis) -> dict[str, Slot]:
    """`known` and a slot for each stated command that the template has none for."""
    return {**{name: Slot(kind="command") for name in _told(analysis)}, **known}


def lay(
    body: Mapping[str, Any], known: conditions.Facts, offered: Mapping[str, str]
) -> tuple[dict[str, Any], conditions.Facts]:
    """The template with its variants and the stated commands, and what its conditions see."""
    way = _way(offered.get("test_command", ""))
    known = {**known, "facts.stated_tests": frozenset({way} if way else ())} if offered else known
    made = resolve.with_variants(body, known)
    unheard = [name for name, text in offered.items() if not _runs(made, name, text, known)]
    if unheard:
        # no variant may take the command for the one that it replaces by a way of its own
        known = {**known, **{f"slot.{name}": frozenset({"stated"}) for name in unheard}}
        made = resolve.with_variants(body, known)
    jobs = dict(made["jobs"])
    for name in offered:
        job = jobs.get(JOBS[name]) or body["jobs"].get(JOBS[name])
        if job and name in unheard and not _runs(made, name, offered[name], known):
            jobs[JOBS[name]] = job = _alone(name, job, jobs.get("unit_tests", {}))
        if job and name == "test_command" and way:
            jobs[JOBS[name]] = _counted(job, offered[name], way)
    return {**made, "jobs": jobs}, known


def notes(
    analysis: Analysis, ecosystem: str | None, offered: Mapping[str, str], jobs: Mapping[str, Job]
) -> tuple[str, ...]:
    """What became of the statements, where that is not plain: refused, without a job, uncounted."""
    said = [analysis.facts["stated_fault"]] if "stated_fault" in analysis.facts else []
    for name, command in _told(analysis).items():
        what = f"`{name}` of .devops-backend.yml"
        if name not in offered:
            cause = _refusal(name, command, ecosystem)
            said.append(f"The {what} is not used by the pipeline, because it {cause}.")
        elif JOBS[name] not in jobs:
            said.append(f"The {what} is not used: this pipeline has no job {JOBS[name]}.")
        else:
            said += _lacking(what, command, _image(jobs[JOBS[name]], jobs))
            if name == "test_command" and not _reports(jobs[JOBS[name]]):
                said.append(
                    f"The tests are not counted: the {what} runs as it stands, without JUnit."
                )
    return tuple(said)


def _lacking(what: str, command: str, image: str) -> list[str]:
    tool = command.partition(" ")[0]
    if tool not in _LACKED or (tool == "make" and _WITH_MAKE.search(image)):
        return []
    return [f"The {what} calls {tool}, which {image} may lack: a line before it has to install it."]


def _image(job: Job, jobs: Mapping[str, Job]) -> str:
    """The job's image, its own or the one that it inherits; "" where there is none."""
    if job.image is None and isinstance(job.extends, str):
        return _image(jobs[job.extends], jobs)
    return job.image if isinstance(job.image, str) else job.image.name if job.image else ""


def _refusal(name: str, command: str, ecosystem: str | None) -> str | None:
    """Why policy does not let the stated command run as `name`, or None."""
    if name == "build_command" and _NO_BUILD.fullmatch(command):
        return "calls a tool that builds nothing"
    cause = commands.refusal(command, ecosystem)
    if cause is None and len(command) > slots.MAX_LENGTH:
        return "is too long"
    return cause


def _told(analysis: Analysis) -> dict[str, str]:
    words = analysis.facts.get("stated", "").split()
    told = {"test_command": analysis.test_command, "build_command": analysis.build_command}
    return {name: slots.normalize("command", text) for name, text in told.items()
            if text and name in words}  # fmt: skip


def _way(command: str) -> str | None:
    if "--junit" in command:
        return None
    return next((name for name, row in _WAYS.items() if row[0].fullmatch(command)), None)


def _runs(body: Mapping[str, Any], name: str, command: str, known: conditions.Facts) -> bool:
    """Whether the job's script holds the command, in its slot or as it is."""
    job = resolve.prune(body["jobs"].get(JOBS[name]) or {}, known) or {}
    return any(name in slots.names(line) or line == command for line in job.get("script", ()))


def _alone(name: str, job: Mapping[str, Any], tests: Mapping[str, Any]) -> dict[str, Any]:
    """`job` with the command as its script, in the environment that the tests have."""
    dropped = {"only_if", "otherwise", "about", "script"}
    dropped |= {"coverage", "artifacts"} if name == "test_command" else set()
    if "extends" not in job and "extends" in tests:
        job = {"extends": tests["extends"], **job}
        dropped.add("image")
    kept = {key: value for key, value in job.items() if key not in dropped}
    return {**kept, "script": [f"$[[ {name} ]]"]}


def _counted(job: Mapping[str, Any], command: str, way: str) -> dict[str, Any]:
    """`job` with the report that the command's tool writes, where the job has none."""
    token = "$[[ test_command ]]"
    if job.get("script", [None])[-1] != token or "artifacts" in job:
        return dict(job)
    _, options, files = _WAYS[way]
    shown = list(files)
    artifacts = {"when": "always", "expire_in": "1 week", "paths": shown,
                 "reports": {"junit": shown if len(shown) > 1 else shown[0]}}  # fmt: skip
    return {**job, "script": [*job["script"][:-1], f"{token}{options}"], "artifacts": artifacts}


def _reports(job: Job) -> bool:
    return bool(job.artifacts and job.artifacts.reports and job.artifacts.reports.junit)
