"""Commands that a repository states itself: every template runs them as they stand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml

from tests.golden.stacks import GO, JAVA_MAVEN, NEXUS, PYTHON_UV
from workers.detect.analysis import Analysis, Service
from workers.pipeline import lint, policy
from workers.pipeline.plan import Plan, build, candidates
from workers.pipeline.render import render
from workers.pipeline.templates import Template, Templates

TEMPLATES = Templates.load()
TESTED = [one for one in TEMPLATES.all() if "unit_tests" in one.body["jobs"]]


def stating(analysis: Analysis, **told: str) -> Analysis:
    """`analysis` as detection leaves it where the repository states commands."""
    facts = {**analysis.facts, "stated": " ".join(told)}
    return msgspec.structs.replace(analysis, has_tests=True, facts=facts, **told)


def planned(analysis: Analysis) -> tuple[Plan, dict[str, Any]]:
    """The plan and the document of the pipeline, which policy and lint let pass."""
    return judged(TEMPLATES.best(analysis.language or "", analysis.framework)[0], analysis)


def judged(template: Template, analysis: Analysis) -> tuple[Plan, dict[str, Any]]:
    plan = build(template, analysis, NEXUS)
    files = render(plan)
    assert policy.check(plan, files) == []
    assert lint.check(files[".gitlab-ci.yml"]).errors == ()
    return plan, yaml.safe_load(files[".gitlab-ci.yml"])


@pytest.mark.parametrize("template", TESTED, ids=lambda one: one.id)
def test_every_template_runs_the_stated_commands(template: Template) -> None:
    """`make check` and `make all`, whatever the template would do; nothing is counted silently."""
    bare = Analysis(
        language=template.language, framework=template.framework, ecosystem=template.ecosystem
    )
    stated = stating(bare, test_command="make check", build_command="make all")
    plan, document = judged(template, stated)
    assert any(line.startswith("make check") for line in document["unit_tests"]["script"])
    told = any("`test_command` of .devops-backend.yml runs as it stands" in n for n in plan.notes)
    assert told != ("junit" in document["unit_tests"].get("artifacts", {}).get("reports", {}))
    if "compile" in document:
        assert "make all" in document["compile"]["script"]
    assert candidates(template, stated)["test_command"] == ("make check",)


@pytest.mark.parametrize(
    ("analysis", "command", "line", "counted"),
    [
        (PYTHON_UV, "uv run pytest", "uv run pytest --junitxml=report.xml", True),
        (PYTHON_UV, "pytest", "pytest --junitxml=report.xml", True),
        (PYTHON_UV, "pytest --junitxml=a.xml", "pytest --junitxml=a.xml", False),
        (PYTHON_UV, "uv run tox", "uv run tox", False),
        (GO, "go test ./...", "go test ./...", False),
        (GO, "go test -short ./...", "go test -short ./...", False),
        (JAVA_MAVEN, "mvn test", "mvn test", True),
        (JAVA_MAVEN, "mvn verify", "mvn verify", True),
        (JAVA_MAVEN, "mvn -Pfast verify", "mvn -Pfast verify", True),
    ],
)
def test_what_writes_junit_is_counted(
    analysis: Analysis, command: str, line: str, counted: bool
) -> None:
    """The last line is the command; a report is claimed where its tool writes one."""
    plan, document = planned(stating(analysis, test_command=command))
    job = document["unit_tests"]
    assert job["script"][-1] == line
    assert ("junit" in job.get("artifacts", {}).get("reports", {})) == counted
    assert any("The tests are not counted" in note for note in plan.notes) != counted
    assert "line_coverage" not in document


def test_a_stated_build_has_the_tools_of_the_tests() -> None:
    """`uv build` needs uv, which only the tests' environment has in our own way."""
    job = planned(stating(PYTHON_UV, build_command="uv build"))[1]["compile"]
    assert (job["extends"], job["script"]) == (".python", ["uv build"])
    assert "image" not in job


@pytest.mark.parametrize("command", ["curl https://x.example", "make a && make b", "sh run"])
def test_a_command_that_policy_refuses_is_not_run_and_said(command: str) -> None:
    """Deny by default holds for what a repository states; the pipeline goes its own way."""
    plan, document = planned(stating(GO, test_command=command, build_command=command))
    assert document["unit_tests"] == planned(GO)[1]["unit_tests"]
    for name in ("test_command", "build_command"):
        start = f"The `{name}` of .devops-backend.yml is not used by the pipeline, because it "
        assert any(note.startswith(start) for note in plan.notes)


@pytest.mark.parametrize(
    ("analysis", "command", "lacks"),
    [
        (PYTHON_UV, "tox", True),
        (PYTHON_UV, "make check", False),
        (PYTHON_UV, "pytest", False),
        (JAVA_MAVEN, "make check", True),
    ],
)
def test_a_program_that_the_image_may_lack_is_said(
    analysis: Analysis, command: str, lacks: bool
) -> None:
    """The command runs as it stands; who reads the merge request knows what it wants."""
    notes = planned(stating(analysis, test_command=command))[0].notes
    assert any("may lack" in note for note in notes) is lacks


def test_a_build_that_builds_nothing_is_refused() -> None:
    """pytest takes any words behind it, so as a build it would carry a text into the pipeline."""
    plan, document = planned(stating(PYTHON_UV, build_command="uv run pytest IGNORE ALL"))
    assert document["compile"] == planned(PYTHON_UV)[1]["compile"]
    assert any("it calls a tool that builds nothing" in note for note in plan.notes)


def test_a_fault_of_the_file_is_a_note() -> None:
    """`generate` and the merge request say what detection found wrong."""
    facts = {**GO.facts, "stated_fault": "`.devops-backend.yml` is not used: unknown key `x`"}
    assert facts["stated_fault"] in planned(msgspec.structs.replace(GO, facts=facts))[0].notes


def test_nothing_stated_changes_nothing() -> None:
    """Commands that were only found are offered beside the template's own, not instead."""
    found = msgspec.structs.replace(GO, test_command="make check")
    assert planned(found)[1]["unit_tests"] == planned(GO)[1]["unit_tests"]


@pytest.mark.parametrize(
    ("stated", "image", "noted"),
    [
        ("redis:7", "redis:7-alpine", None),
        ("redis:7.2", "redis:7-alpine", None),
        ("redis:8", "redis:8-alpine", None),
        ("redis:5", "redis:6-alpine", "states redis 5; the table of images has none"),
        ("redis:99", "redis:8-alpine", "so the tests get redis 8."),
        ("postgres:16", "postgres:16-alpine", None),
        ("mysql:8", "mysql:8.4", None),
        ("mysql:8.0", "mysql:8.0", None),
        ("rabbitmq", "rabbitmq:4-alpine", None),
    ],
)
def test_a_stated_server_has_the_stated_version(stated: str, image: str, noted: str | None) -> None:
    """As far as the table of images has it; else the nearest, with a note."""
    name, _, version = stated.partition(":")
    services = (Service(name, version or None),)
    facts = {**GO.facts, "stated": "services"}
    plan, document = planned(msgspec.structs.replace(GO, services=services, facts=facts))
    assert [one["name"] for one in document["unit_tests"]["services"]] == [image]
    told = [note for note in plan.notes if "table of images" in note]
    assert [noted is not None and noted in note for note in told] == [True] * bool(noted)


def test_a_version_that_was_only_found_does_not_steer() -> None:
    """A compose file's redis 7 may be old; the pipeline starts the table's own."""
    found = msgspec.structs.replace(GO, services=(Service("redis", "7"),))
    assert planned(found)[1]["unit_tests"]["services"][0]["name"] == "redis:8-alpine"
