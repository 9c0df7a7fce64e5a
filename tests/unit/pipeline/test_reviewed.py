"""What a reader of the generated files would have changed first stays changed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import pytest

from tests.golden.stacks import STACKS
from workers.detect import detect
from workers.detect.analysis import Analysis, Service
from workers.detect.local import LocalSource
from workers.pipeline.plan import Site, build
from workers.pipeline.render import render
from workers.pipeline.templates import Templates

load = cache(Templates.load)


def files(analysis: Analysis) -> dict[str, str]:
    template, _ = load().best(analysis.language, analysis.framework)
    return render(build(template, analysis, Site()))


def of(stack: str, *features: str, server: str | None = None) -> dict[str, str]:
    """The files of a golden stack that also lists `features`, and whose tests need `server`."""
    analysis, _ = STACKS[stack]
    services = (Service(server),) if server else analysis.services
    more = (*analysis.features, *features)
    return files(msgspec.structs.replace(analysis, features=more, services=services))


@pytest.mark.parametrize("server", ["mysql", "mariadb"])
@pytest.mark.parametrize(
    ("stack", "feature", "scheme"),
    [
        ("python-django", "mysqlclient", "mysql"),
        ("ruby-rails", "mysql2", "mysql2"),
        ("ruby-rails", "trilogy", "trilogy"),
    ],
)
def test_frameworks_may_make_the_database_of_their_tests(
    server: str, stack: str, feature: str, scheme: str
) -> None:
    """Django and Doctrine make one of another name, which needs rights; Rails (before 7.2) takes
    the adapter's name from the address (ActiveRecord's DatabaseConfigurations)."""
    pipeline = of(stack, feature, server=server)[".gitlab-ci.yml"]
    assert f"DATABASE_URL: {scheme}://root:test@{server}:3306/test" in pipeline
    assert f"{server.upper()}_ROOT_PASSWORD: test" in pipeline
    assert f"{server.upper()}_USER" not in pipeline


def test_the_slim_image_has_the_libraries_that_drivers_link() -> None:
    """Where the project lists such a driver, and nowhere else."""
    assert "libpq5=15.*" in of("python-pip", "psycopg2")["Dockerfile"]
    assert "libmariadb3=1:10.11.*" in of("python-uv", "mysqlclient")["Dockerfile"]
    assert "apt-get" not in of("python-pip")["Dockerfile"]


def test_symfony_makes_its_tables_where_it_has_no_migrations() -> None:
    """The schema of the mapping; with the bundle for migrations those (see the golden file)."""
    analysis, _ = STACKS["php-symfony"]
    features = tuple(word for word in analysis.features if "migrations" not in word)
    text = files(msgspec.structs.replace(analysis, features=features))[".gitlab-ci.yml"]
    assert text.count("php bin/console doctrine:schema:create") == 2
    assert "migrations:migrate" not in text
    bare = msgspec.structs.replace(analysis, features=("symfony/framework-bundle",))
    assert "bin/console" not in files(bare)[".gitlab-ci.yml"]


def test_doctrine_is_seen_in_composer_json(tmp_path: Path) -> None:
    """What the plan asks about is what detection tells of a repository."""
    (tmp_path / "composer.json").write_text(
        '{"require": {"symfony/framework-bundle": "7.3.*", "doctrine/doctrine-bundle": "^2.15"}}'
    )
    assert "dependency:doctrine/doctrine-bundle" in detect(LocalSource(tmp_path)).features


@pytest.mark.parametrize(
    ("manager", "lock", "command"),
    [
        ("yarn", "yarn.lock", "yarn tsc --noEmit"),
        ("pnpm", "pnpm-lock.yaml", "pnpm exec tsc --noEmit"),
        ("npm", "package-lock.json", "npx --no-install tsc --noEmit"),
    ],
)
@pytest.mark.parametrize("built", [True, False])
def test_each_manager_runs_the_compiler_itself(
    manager: str, lock: str, command: str, built: bool
) -> None:
    """npx sees no Plug'n'Play of Yarn; beside a build script as the check of types, else as it."""
    analysis = Analysis(
        language="typescript", ecosystem="node", package_manager=manager, lock_files=(lock,),
        manifests=("package.json",),
        commands={"build": (f"{manager} run build",)} if built else {},
    )  # fmt: skip
    text = files(analysis)[".gitlab-ci.yml"]
    assert text.count("tsc --noEmit") == 1
    assert f"    - {command}\n" in text


def test_cmake_without_tests_leaves_them_to_the_makefile_that_has_them() -> None:
    """ctest finds none there and is green for it."""
    analysis, _ = STACKS["cpp-cmake"]
    by_make = {**analysis.commands, "test": ("make test",)}
    text = files(msgspec.structs.replace(analysis, test_tool="make", commands=by_make))
    assert "    - make test\n" in text[".gitlab-ci.yml"] and "ctest" not in text[".gitlab-ci.yml"]
    assert "ctest" in of("cpp-cmake")[".gitlab-ci.yml"]


def test_an_xcode_project_is_not_built_as_a_package() -> None:
    """`swift build` wants a Package.swift; the rest of the pipeline stays."""
    analysis, _ = STACKS["swift"]
    project = ("App.xcodeproj/project.pbxproj",)
    text = files(msgspec.structs.replace(analysis, manifests=project))[".gitlab-ci.yml"]
    assert "swift build" not in text and "swift test" not in text and "filesystem_scan:" in text
    assert "swift build" in of("swift")[".gitlab-ci.yml"]


def test_dotnet_without_a_solution_gets_one_for_its_jobs() -> None:
    """`dotnet test` wants one project or a solution where it starts."""
    analysis, _ = STACKS["dotnet"]
    facts = {name: value for name, value in analysis.facts.items() if name != "solution"}
    text = files(msgspec.structs.replace(analysis, facts=facts))[".gitlab-ci.yml"]
    assert "    - dotnet new sln --name all\n" in text
    assert "dotnet new sln" not in of("dotnet")[".gitlab-ci.yml"]


def test_a_dotnet_program_below_the_root_is_named_from_its_folder(tmp_path: Path) -> None:
    """The jobs go there first; the Dockerfile is built from the root."""
    folder = tmp_path / "backend"
    folder.mkdir()
    project = '<Project Sdk="Microsoft.NET.Sdk.Web"><PropertyGroup>'
    project += "<TargetFramework>net8.0</TargetFramework></PropertyGroup></Project>"
    (folder / "Shop.csproj").write_text(project)
    (folder / "Program.cs").write_text("")
    made = files(detect(LocalSource(tmp_path)))
    assert "    - cd backend\n" in made[".gitlab-ci.yml"]
    assert "dotnet publish Shop.csproj " in made[".gitlab-ci.yml"]
    assert "dotnet publish backend/Shop.csproj " in made["Dockerfile"]
