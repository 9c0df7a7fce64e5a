"""Several ecosystems in one repository: which one is the program, and how many there are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.detect.trees import analysed

BUNDLER = {"devDependencies": {"webpack": "5"}, "scripts": {"build": "webpack"}}
Files = dict[str, str | bytes]


def node(**package: Any) -> Files:
    return {"package.json": json.dumps(package)}


def scripts(folder: str, count: int = 9) -> Files:
    return {f"{folder}/f{number}.js": "" for number in range(count)}


CONFLICTS: dict[str, tuple[str, Files]] = {
    "bundled theme": ("php", {**node(**BUNDLER), "index.php": "", **scripts("src")}),
    "bundled web application": (
        "java",
        {
            **node(**BUNDLER),
            "pom.xml": "<project/>",
            "src/main/java/A.java": "",
            **scripts("src/main/webapp"),
        },
    ),
    "bundled assets of a server in Go": (
        "go",
        {**node(**BUNDLER), "go.mod": "module x\n", "main.go": "", **scripts("assets")},
    ),
    "pages before a server": (
        "python",
        {
            **node(dependencies={"react": "18"}),
            "requirements.txt": "Django\n",
            "manage.py": "",
            **scripts("frontend"),
        },
    ),
    "a helper beside a bot": (
        "node",
        {
            **node(dependencies={"discord.js": "14"}, scripts={"start": "node index.js"}),
            "index.js": "",
            "requirements.txt": "requests\n",
            "tools/a.py": "",
            **scripts("src"),
        },
    ),
    "a library published twice": (
        "node",
        {
            **node(name="x", main="a.js", files=["dist"]),
            "composer.json": '{"name": "x/x"}',
            **scripts("src"),
        },
    ),
    "tools for a library of another language": (
        "go",
        {
            **node(devDependencies={"prettier": "3", "husky": "9"}),
            "go.mod": "module x\n",
            "a.go": "",
        },
    ),
    "pages with tools": ("static", {**node(devDependencies={"prettier": "3"}), "index.html": ""}),
    "pages beside a program": (
        "node",
        {**node(dependencies={"serve": "14"}, scripts={"start": "serve"}), "index.html": ""},
    ),
    "extension in C": (
        "python",
        {
            "setup.py": "from setuptools import *\nsetup(ext_modules=[Extension()])\n",
            "pkg/__init__.py": "",
            "src/a.c": "",
            "src/b.c": "",
            "Makefile": "all:\n\tpython setup.py build\n",
        },
    ),
    "container around a script": ("shell", {"Dockerfile": "FROM alpine\n", "start.sh": ""}),
    "infrastructure beside a service": (
        "node",
        {
            "app/package.json": '{"dependencies": {"express": "4"}}',
            "app/index.js": "",
            "terraform/main.tf": "",
            "terraform/vpc.tf": "",
        },
    ),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_the_program_is_found(name: str, tmp_path: Path) -> None:
    """What is built and started decides, not what has the most files or the first manifest."""
    expected, files = CONFLICTS[name]
    assert analysed(tmp_path, files).ecosystem == expected


SINGLE: dict[str, Files] = {
    "examples are no members": {
        **node(name="x", workspaces=["example", "docs"]),
        "index.js": "",
        "example/package.json": "{}",
        "docs/package.json": "{}",
    },
    "a workspace file with settings only": {
        **node(name="x"),
        "index.js": "",
        "pnpm-workspace.yaml": "onlyBuiltDependencies: [esbuild]\n",
    },
    "a task runner for one package": {**node(name="x"), "turbo.json": "{}", "index.js": ""},
    "one Gradle module": {
        "settings.gradle": "include 'app'\n",
        "app/build.gradle": "",
        "app/src/main/java/A.java": "",
        "buildSrc/build.gradle": "",
    },
    "a solution with one program": {
        "A.sln": "",
        "src/A/A.csproj": "<Project/>",
        "tests/A.Tests/A.Tests.csproj": "<Project/>",
        "samples/S/S.csproj": "<Project/>",
    },
    "tools in their own module": {
        "go.mod": "module x\n",
        "main.go": "",
        "tools/go.mod": "module t\n",
        "examples/a/go.mod": "module a\n",
    },
    "a service and its browser tests": {
        "app/requirements.txt": "flask\n",
        "app/app.py": "",
        "e2e/package.json": '{"devDependencies": {"cypress": "1"}}',
    },
}


@pytest.mark.parametrize("name", SINGLE)
def test_no_false_alarm(name: str, tmp_path: Path) -> None:
    """One program is no monorepo, whatever stands around it."""
    assert analysed(tmp_path, SINGLE[name]).monorepo is None


def test_close_rivals_are_a_question(tmp_path: Path) -> None:
    """Where two could be the program, confidence falls and a person is asked."""
    files: Files = {
        **node(dependencies={"express": "4"}, scripts={"start": "node a.js"}),
        "a.js": "",
        "requirements.txt": "flask\n",
        "b.py": "",
    }
    found = analysed(tmp_path, files)
    assert found.confidence < 0.8
    assert any("could be the program" in question for question in found.questions)


def test_broken_manifest_is_named_and_ends_nothing(tmp_path: Path) -> None:
    """The language is still known; the fault is evidence, a question and a doubt."""
    found = analysed(tmp_path, {"package.json": '{"dependencies": {', "index.js": ""})
    assert found.ecosystem == "node"
    assert found.confidence < 0.7
    assert any(e.file == "package.json" and "JSON" in e.claim for e in found.evidence)
    assert any("package.json" in question for question in found.questions)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "empty"),
        ({"README.md": "", "docs/a.md": "", "x.png": ""}, "documentation"),
        ({"data.csv": "", "README.md": "", "x.json": ""}, "data"),
        ({".editorconfig": ""}, "settings"),
        ({"README.md": "", "examples/a/main.go": ""}, "examples"),
    ],
)
def test_nothing_to_build_has_its_reason(tmp_path: Path, files: Files, reason: str) -> None:
    """Nothing is an answer, for sure and with its cause."""
    found = analysed(tmp_path, files)
    assert found.nothing_to_build is not None
    assert reason in found.nothing_to_build
    assert found.language is None
    assert found.confidence > 0.8


def test_services_side_by_side(tmp_path: Path) -> None:
    """Each program is analysed as if it were alone, so that each can be built."""
    files: Files = {
        "backend/requirements.txt": "fastapi\n",
        "backend/main.py": "",
        "backend/tests/test_main.py": "",
        "backend/Dockerfile": "FROM python\nEXPOSE 9000\n",
        "frontend/package.json": '{"dependencies": {"next": "14"}}',
        "libs/common.json": "",
        "docs/index.md": "",
        "Makefile": "test:\n\tmake -C backend\n",
        "frontend/app/page.tsx": "",
        "frontend/tsconfig.json": "{}",
    }
    found = analysed(tmp_path, files)
    assert found.monorepo == "services"
    assert [(a.path, a.language, a.framework) for a in found.apps] == [
        ("backend", "python", "fastapi"),
        ("frontend", "typescript", "nextjs"),
    ]
    back, front = found.parts
    assert (back.language, back.facts["path"], back.has_tests) == ("python", "backend", True)
    assert (back.dockerfile, back.port) == ("backend/Dockerfile", 9000)
    assert (front.language, front.framework, front.facts["path"]) == (
        "typescript", "nextjs", "frontend",
    )  # fmt: skip
    assert front.dockerfile is None
    assert "test" not in front.commands, "the root's Makefile is not the frontend's"
    assert found.shared == ("libs/", "Makefile")
    assert not found.questions


def test_a_stated_fact_is_of_one_program(tmp_path: Path) -> None:
    """What `.devops-backend.yml` states belongs to the main program, so it stands alone."""
    files: Files = {
        "backend/requirements.txt": "fastapi\n",
        "backend/main.py": "",
        "frontend/package.json": '{"dependencies": {"next": "14"}}',
        "frontend/app/page.tsx": "",
        ".devops-backend.yml": "port: 9000\n",
    }
    found = analysed(tmp_path, files)
    assert (found.port, found.parts) == (9000, ())


def test_many_programs_are_all_read(tmp_path: Path) -> None:
    """The limit on files read grows with the programs that stand side by side."""
    files: Files = {}
    for number in range(12):
        files[f"services/s{number:02}/go.mod"] = f"module s{number}\n\ngo 1.{20 + number % 5}\n"
        files[f"services/s{number:02}/main.go"] = "package main\n"
        files[f"services/s{number:02}/Dockerfile"] = f"FROM golang\nEXPOSE 80{number:02}\n"
    found = analysed(tmp_path, files)
    assert [part.port for part in found.parts] == [8000 + number for number in range(12)]
    assert {part.version for part in found.parts} == {f"1.{20 + n}" for n in range(5)}


def test_modules_of_a_go_work_file_are_built_one_by_one(tmp_path: Path) -> None:
    """`go build ./...` fails at a root that is no module, so each module is a part of its own."""
    files: Files = {
        "go.work": "go 1.24\n\nuse (\n\t./gateway\n\t./users\n)\n",
        "gateway/go.mod": "module example.com/gateway\n\ngo 1.24\n",
        "gateway/main.go": "package main\n",
        "users/go.mod": "module example.com/users\n\ngo 1.24\n",
        "users/users.go": "package users\n",
        "users/users_test.go": "package users\n",
    }
    found = analysed(tmp_path / "a", files)
    assert (found.monorepo, found.shared) == ("go", ("go.work",))
    assert [part.facts["path"] for part in found.parts] == ["gateway", "users"]
    assert [part.has_tests for part in found.parts] == [False, True]
    root: Files = {**files, "go.mod": "module example.com/root\n\ngo 1.24\n", "main.go": ""}
    assert analysed(tmp_path / "b", root).parts == ()


MEMBER = '{"scripts": {"test": "vitest run", "build": "tsc"}, "devDependencies": {"vitest": "3"}}'


def _workspace(root: str, *members: str) -> Files:
    files: Files = {
        "package.json": root,
        "pnpm-workspace.yaml": "packages: ['packages/*']\n",
        "pnpm-lock.yaml": "",
    }
    for number, text in enumerate(members):
        files[f"packages/p{number}/package.json"] = text
        files[f"packages/p{number}/a.test.js"] = ""
    return files


@pytest.mark.parametrize(
    ("script", "command", "how"),
    [
        ("", "pnpm -r run test", "each"),
        ("pnpm -r test", "pnpm -r run test", "each"),
        ("turbo run test", "pnpm test", "script"),
        ("pnpm --filter './packages/*' test", "pnpm test", "script"),
        ("vitest run", "pnpm test", None),
    ],
)
def test_the_root_of_a_workspace_runs_its_members_tests(
    tmp_path: Path, script: str, command: str, how: str | None
) -> None:
    """By the manager's own recursion where nothing stands between; a runner takes no flags."""
    root = f'{{"name": "r", "scripts": {{"test": "{script}"}}}}' if script else '{"name": "r"}'
    found = analysed(tmp_path, _workspace(root, MEMBER, MEMBER))
    assert found.monorepo == "pnpm"
    assert (found.test_command, found.facts.get("tests_in")) == (command, how)
    assert found.test_tool == "vitest"
    assert found.build_command == "pnpm -r run build"
    assert "test_script" not in found.facts


def test_members_of_several_test_tools_share_no_flags(tmp_path: Path) -> None:
    """Their tests run, and no tool's reporter is asked of another tool."""
    other = '{"scripts": {"test": "jest"}, "devDependencies": {"jest": "30"}}'
    found = analysed(tmp_path, _workspace('{"name": "r"}', MEMBER, other))
    assert found.test_command == "pnpm -r run test"
    assert (found.test_tool, found.facts["tests_in"]) == (None, "script")


def test_each_program_gets_the_servers_that_it_waits_for(tmp_path: Path) -> None:
    """A compose file at the root tells which program depends on which server, all the way."""
    compose = (
        "services:\n"
        "  api:\n    build: ./api\n    depends_on: [migrate]\n"
        "  migrate:\n    build: {context: api}\n    depends_on: {db: {condition: healthy}}\n"
        "  web:\n    build: {context: ./web/}\n    depends_on: [api, web]\n"
        "  db:\n    image: postgres:16\n"
        "  cache:\n    image: redis\n"
    )
    files: Files = {
        "api/go.mod": "module example.com/api\n\ngo 1.24\n",
        "api/main.go": "",
        "web/package.json": '{"dependencies": {"next": "15"}}',
        "web/app/page.js": "",
        "worker/go.mod": "module example.com/worker\n\ngo 1.24\n",
        "worker/main.go": "",
        "docker-compose.yml": compose,
    }
    found = analysed(tmp_path, files)
    servers = {p.facts["path"]: [s.name for s in p.services] for p in found.parts}
    assert servers == {"api": ["postgres"], "web": ["postgres"], "worker": ["postgres", "redis"]}


def test_dockerfiles_of_members_are_told(tmp_path: Path) -> None:
    """They are named, and not taken for the root's: they may be built from either folder."""
    files = {**_workspace('{"name": "r"}', MEMBER, MEMBER), "packages/p1/Dockerfile": "FROM x\n"}
    found = analysed(tmp_path, files)
    assert (found.dockerfile, found.facts["member_dockerfiles"]) == (None, "packages/p1/Dockerfile")
