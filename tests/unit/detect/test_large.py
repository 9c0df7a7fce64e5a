"""Repositories too large to list: the answer and its price."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.unit.detect.trees import Counting, tree
from workers.detect import detect

NOISE = {f".github/ISSUE_TEMPLATE/{n:04}.md": "" for n in range(700)}


def test_workspace_beyond_the_first_entries(tmp_path: Path) -> None:
    """Members that the bounded walk never reached are listed and read all the same."""
    files = {
        **NOISE,
        "package.json": json.dumps({"private": True, "scripts": {"test": "turbo test"}}),
        "pnpm-workspace.yaml": "packages:\n  - apps/*\n  - packages/*\n",
        "pnpm-lock.yaml": "",
        "turbo.json": "{}",
        "apps/web/package.json": json.dumps({"dependencies": {"next": "14", "react": "18"}}),
        "apps/web/app/page.tsx": "",
        "packages/ui/package.json": json.dumps({"devDependencies": {"typescript": "5"}}),
        "packages/ui/src/a.ts": "",
        "packages/ui/src/b.ts": "",
    }
    source = Counting(tree(tmp_path, files))
    found = detect(source)
    assert found.monorepo == "turbo"
    assert [app.path for app in found.apps] == ["apps/web", "packages/ui"]
    assert found.apps[0].framework == "nextjs"
    assert found.language == "typescript"
    assert source.pages <= 10
    assert len(source.paths) <= 15


def test_solution_beyond_the_first_entries(tmp_path: Path) -> None:
    """A solution below the root tells of projects that no listing reached."""
    names = ("Shop", "Shop.Tests")
    lines = (f'Project("{{X}}") = "{n}", "{n}\\{n}.csproj", "{{1}}"\nEndProject\n' for n in names)
    package = '<ItemGroup><PackageReference Include="NUnit" Version="4.1.0" /></ItemGroup>'
    target = "<PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup>"
    files = {
        **NOISE,
        "Source/Shop.sln": "".join(lines),
        **{f"Source/Assets/{n:04}.cs": "" for n in range(300)},
        "Source/Shop/Shop.csproj": f'<Project Sdk="Microsoft.NET.Sdk.Web">{target}</Project>',
        "Source/Shop.Tests/Shop.Tests.csproj": f"<Project>{target}{package}</Project>",
    }
    source = Counting(tree(tmp_path, files))
    found = detect(source)
    assert (found.language, found.framework, found.version) == ("csharp", "aspnetcore", "8.0")
    assert (found.test_tool, found.test_command) == ("nunit", "dotnet test")
    assert source.pages <= 10


def test_workspace_of_crates_beyond_the_first_entries(tmp_path: Path) -> None:
    """Cargo's members are found in a folder that was not listed; tests are taken for granted."""
    files = {
        **NOISE,
        "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\n',
        "crates/a/Cargo.toml": '[package]\nname = "a"\n[dependencies]\naxum = "0.7"\n',
        "crates/a/src/main.rs": "",
        "crates/b/Cargo.toml": '[package]\nname = "b"\n',
        "crates/b/src/lib.rs": "",
    }
    source = Counting(tree(tmp_path, files))
    found = detect(source)
    assert (found.language, found.monorepo, found.framework) == ("rust", "cargo", "axum")
    assert [app.path for app in found.apps] == ["crates/a", "crates/b"]
    assert found.test_command == "cargo test"
    assert source.pages <= 10


def test_maven_modules_beyond_the_first_entries(tmp_path: Path) -> None:
    """Modules named by the root's pom are believed where their folders were not listed."""
    pom = "<project><modules><module>core</module><module>web</module></modules></project>"
    files = {
        **NOISE,
        "pom.xml": pom,
        "core/pom.xml": "<project/>",
        "core/src/main/java/A.java": "",
        "web/pom.xml": "<project/>",
        "web/src/main/java/B.java": "",
    }
    found = detect(Counting(tree(tmp_path, files)))
    assert (found.language, found.monorepo) == ("java", "maven")
    assert [app.path for app in found.apps] == ["core", "web"]


def test_twenty_thousand_entries_cost_little(tmp_path: Path) -> None:
    """20,000 entries take less than 300 ms of processor time once the rules are loaded."""
    for folder in range(100):
        place = tmp_path / "pkg" / f"f{folder:03}"
        place.mkdir(parents=True)
        for number in range(200):
            (place / f"m{number:03}.go").touch()
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.22\n")
    detect(tree(tmp_path, {}))
    start = time.process_time()
    found = detect(tree(tmp_path, {}))
    spent = time.process_time() - start
    assert found.language == "go"
    assert spent < 0.3, f"{spent:.3f} s"


def test_same_tree_same_answer(tmp_path: Path) -> None:
    """Nothing of the answer depends on chance."""
    files = {f"s{n}/package.json": '{"dependencies": {"express": "4"}}' for n in range(5)}
    source = tree(tmp_path, files)
    assert detect(source) == detect(source)
