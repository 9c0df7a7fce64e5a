"""What stands around a program: pipelines of others, servers, task runners, own statements."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.detect.trees import analysed
from workers.detect.analysis import Service
from workers.detect.commands import purpose_of, safe

APP: dict[str, str | bytes] = {"requirements.txt": "flask\n", "app.py": "", "test_app.py": ""}


@pytest.mark.parametrize(
    ("command", "is_safe"),
    [
        ("pytest -q tests", True),
        ("./mvnw -B verify", True),
        ("npm run test:unit", True),
        ("pytest && curl evil", False),
        ("pytest $(id)", False),
        ("make test; id", False),
        ("curl https://x | sh", False),
        ("pytest > /dev/null", False),
        ("python -c 'unclosed", False),
        ("make " + "x" * 200, False),
    ],
)
def test_only_plain_commands_are_taken_over(command: str, is_safe: bool) -> None:
    """One known tool with plain words; nothing that a shell would expand, chain or redirect."""
    assert safe(command) is is_safe


@pytest.mark.parametrize(
    ("command", "purpose"),
    [
        ("go test ./...", "test"),
        ("golangci-lint run", "lint"),
        ("npm run build", "build"),
        ("./gradlew check", "test"),
        ("ls", None),
    ],
)
def test_purposes(command: str, purpose: str | None) -> None:
    """A command is told by the tool it calls."""
    assert purpose_of(command) == purpose


def test_commands_of_other_pipelines_are_candidates_with_their_line(tmp_path: Path) -> None:
    """Travis' script lines come after the ecosystem's own command, each with file and line."""
    travis = "language: python\nservices:\n  - redis-server\nscript:\n  - pytest -x --cov\n"
    found = analysed(tmp_path, {**APP, ".travis.yml": travis})
    assert found.commands["test"] == ("pytest", "pytest -x --cov")
    evidence = {(e.claim, e.file, e.line) for e in found.evidence}
    assert ("test_command=pytest -x --cov", ".travis.yml", 5) in evidence
    assert found.services == (Service("redis"),)
    assert found.ci_files == (".travis.yml",)


def test_jenkins_and_actions(tmp_path: Path) -> None:
    """Shell steps of a Jenkinsfile and of a workflow are read; what is commented out is not."""
    jenkins = "stage('t') { steps {\n  // sh 'tox -e old'\n  sh 'tox -e py312'\n} }\n"
    actions = (
        "jobs:\n  t:\n    services:\n      db:\n        image: postgres:16\n"
        "    steps:\n      - run: |\n          nox -s tests\n"
    )
    files = {**APP, "Jenkinsfile": jenkins, ".github/workflows/ci.yml": actions}
    found = analysed(tmp_path, files)
    assert "tox -e py312" in found.commands["test"]
    assert "tox -e old" not in found.commands["test"]
    assert "nox -s tests" in found.commands["test"]
    assert found.services == (Service("postgres", "16"),)


def test_servers_of_a_compose_file(tmp_path: Path) -> None:
    """Known servers by image, variables by their default; programs of one's own are none."""
    compose = (
        "services:\n  app:\n    build: .\n    ports: ['8080:5000']\n"
        "  db:\n    image: docker.io/library/postgres:${PG:-15}-alpine\n"
        "  q:\n    image: registry.example.org:5000/x/rabbitmq@sha256:00\n"
        "  own:\n    image: example/own:1\n"
    )
    found = analysed(tmp_path, {**APP, "docker-compose.yml": compose})
    assert found.services == (Service("postgres", "15"), Service("rabbitmq"))
    assert found.port == 5000


def test_task_runners(tmp_path: Path) -> None:
    """Targets of Make and just are candidates; assignments and rules of make are none."""
    make = "TEST := x\n.PHONY: test\ntest: deps\n\tpytest\nbuild:\n\tpython -m build\n"
    just = "lint:\n  ruff check\n"
    found = analysed(tmp_path, {**APP, "Makefile": make, "justfile": just})
    assert "make test" in found.commands["test"]
    assert found.build_command == "make build"
    assert found.commands["lint"] == ("just lint",)


def test_a_repository_states_its_own_facts(tmp_path: Path) -> None:
    """What it states wins, is evidence, and settles every doubt."""
    own = "language: python\nversion: 3.12\ntest_command: make check\nservices: ['redis:7']\n"
    files = {**APP, "package.json": '{"dependencies": {"express": "4"}}', "i.js": ""}
    found = analysed(tmp_path, {**files, ".devops-backend.yml": own})
    assert (found.language, found.version, found.test_command) == ("python", "3.12", "make check")
    assert found.commands["test"][0] == "make check"
    assert found.services == (Service("redis", "7"),)
    assert found.confidence > 0.95
    assert not found.questions


def test_the_stated_folder_is_the_program(tmp_path: Path) -> None:
    """`path` chooses among several programs."""
    files: dict[str, str | bytes] = {
        "api/go.mod": "module x\n\ngo 1.22\n",
        "api/main.go": "",
        "web/package.json": '{"dependencies": {"next": "14"}}',
        "web/app/page.js": "",
    }
    assert analysed(tmp_path / "a", files).monorepo == "services"
    found = analysed(tmp_path / "b", {**files, ".devops-backend.yml": "path: api\n"})
    assert (found.language, found.monorepo, found.facts["path"]) == ("go", None, "api")


@pytest.mark.parametrize(
    "own",
    [
        "language: [python]\n",
        "test_command: |\n  a\n  b\n",
        "port: 0\n",
        "unknown: 1\n",
        "path: ../x\n",
        "{",
    ],
)
def test_statements_that_break_the_schema_are_not_believed(tmp_path: Path, own: str) -> None:
    """The fault is named in the evidence, and nothing of the file is used."""
    found = analysed(tmp_path, {**APP, ".devops-backend.yml": own})
    assert (found.language, found.framework) == ("python", "flask")
    assert any(e.file == ".devops-backend.yml" for e in found.evidence)


def test_features_hold_nothing_of_the_repository(tmp_path: Path) -> None:
    """Private names and addresses never become features; known tools do."""
    files: dict[str, str | bytes] = {
        "requirements.txt": "flask\nacme-secret-lib\npytest\n",
        "app.py": "",
    }
    words = analysed(tmp_path, files).features
    assert "framework:flask" in words
    assert not any("acme" in word for word in words)
    assert list(words) == sorted(words)
