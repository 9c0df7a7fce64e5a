"""Each framework is known by what a project declares, and by nothing that only sounds like it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from tests.support.corpus import MemorySource
from workers.detect.detector import detect

FILE = Path(__file__).parents[2] / "samples" / "frameworks.yml"
TABLE: dict[str, dict[str, list[str]]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
CASES = [
    (ecosystem, name, names)
    for ecosystem, rows in TABLE.items()
    for name, names in rows.items()
    if name != "none"
]


def lines(form: str) -> Callable[[Sequence[str]], str]:
    """A manifest with one line per dependency."""
    return lambda names: "\n".join(form.format(name) for name in names) + "\n"


def package_json(names: Sequence[str]) -> str:
    return json.dumps({"name": "x", "dependencies": dict.fromkeys(names, "*")})


def composer_json(names: Sequence[str]) -> str:
    return json.dumps({"require": {"php": "^8.2"} | dict.fromkeys(names, "*")})


def pom(names: Sequence[str]) -> str:
    form = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId></dependency>"
    rows = "".join(form.format(*name.split(":")) for name in names)
    return f"<project><artifactId>x</artifactId><dependencies>{rows}</dependencies></project>"


def csproj(names: Sequence[str]) -> str:
    rows = "".join(f'<PackageReference Include="{name}" Version="1.0.0" />' for name in names)
    return (
        '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><TargetFramework>net8.0</TargetFramework>'
        f"</PropertyGroup><ItemGroup>{rows}</ItemGroup></Project>"
    )


def mix(names: Sequence[str]) -> str:
    rows = ", ".join(f'{{:{name}, "~> 1.0"}}' for name in names)
    return (
        f"defmodule X.MixProject do\n  def project, do: [app: :x]\n  defp deps, do: [{rows}]\nend\n"
    )


def under(head: str, form: str) -> Callable[[Sequence[str]], str]:
    """A manifest of a head and one line per dependency below it."""
    return lambda names: head + lines(form)(names)


MANIFESTS: dict[str, tuple[str, Callable[[Sequence[str]], str], str]] = {
    "node": ("package.json", package_json, "src/index.js"),
    "python": ("requirements.txt", lines("{}>=1.0"), "main.py"),
    "go": ("go.mod", under("module x\n\ngo 1.22\n\n", "require {} v1.0.0"), "main.go"),
    "java": ("pom.xml", pom, "src/main/java/A.java"),
    "ruby": ("Gemfile", under("source 'https://rubygems.org'\n", "gem '{}'"), "lib/a.rb"),
    "php": ("composer.json", composer_json, "public/index.php"),
    "rust": (
        "Cargo.toml",
        under('[package]\nname = "x"\n[dependencies]\n', '{} = "1"'),
        "src/a.rs",
    ),
    "dotnet": ("X.csproj", csproj, "Program.cs"),
    "elixir": ("mix.exs", mix, "lib/x.ex"),
    "swift": (
        "Package.swift",
        under(
            "// swift-tools-version:5.9\n",
            '.package(url: "https://github.com/{}.git", from: "1.0")',
        ),
        "Sources/A.swift",
    ),
    "dart": ("pubspec.yaml", under("name: x\ndependencies:\n", "  {}: any"), "lib/a.dart"),
    "crystal": ("shard.yml", under("name: x\ndependencies:\n", "  {}: {{}}"), "src/a.cr"),
}


def framework(ecosystem: str, names: Sequence[str]) -> str | None:
    """What the detector says of a project that declares `names`."""
    file, write, source = MANIFESTS[ecosystem]
    return detect(MemorySource({file: write(names).encode(), source: b""})).framework


@pytest.mark.parametrize(("ecosystem", "name", "names"), CASES, ids=lambda case: str(case)[:40])
def test_declared_framework_is_found(ecosystem: str, name: str, names: list[str]) -> None:
    """The highest of what is declared is the framework, wherever it stands in the list."""
    assert framework(ecosystem, names) == name
    assert framework(ecosystem, names[::-1]) == name


@pytest.mark.parametrize("ecosystem", TABLE)
def test_lookalike_is_no_framework(ecosystem: str) -> None:
    """Libraries and names that only sound like a framework give none."""
    names = TABLE[ecosystem]["none"]
    assert [name for name in names if framework(ecosystem, [name])] == []


def test_at_least_90_frameworks() -> None:
    """The table holds as many as the project promises."""
    assert len({name for _, name, _ in CASES}) >= 90
