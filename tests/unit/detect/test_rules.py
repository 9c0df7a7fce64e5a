"""The rules that are data hold together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.detect.trees import analysed, tree
from workers.detect.ecosystems.plain import ecosystems
from workers.detect.frameworks import frameworks
from workers.detect.rules import table
from workers.detect.sources import extensions, from_gitlab, gitlab_names, weigh
from workers.steps.analyze import analyze

FRAMEWORKS = table("frameworks")


@pytest.mark.parametrize("ecosystem", FRAMEWORKS)
def test_framework_entries(ecosystem: str) -> None:
    """Each entry can be found, stands above known ones only, and serves on a real port."""
    entries = frameworks(ecosystem)
    names = {entry.name for entry in entries}
    for entry in entries:
        assert entry.dependencies or entry.files, entry.name
        assert entry.kind in {"server", "full", "site", "ui", "app", "function", "other"}
        assert entry.port is None or 0 < entry.port < 65536
        assert entry.name not in entry.over
        assert names >= set(entry.over), (entry.name, set(entry.over) - names)


def test_one_dependency_names_one_framework() -> None:
    """No name is claimed twice in an ecosystem: which one wins would be chance."""
    for ecosystem in FRAMEWORKS:
        claimed: dict[str, str] = {}
        for entry in frameworks(ecosystem):
            for name in () if entry.both else entry.dependencies:
                assert claimed.setdefault(name, entry.name) == entry.name, name


@pytest.mark.parametrize("name", ecosystems())
def test_ecosystem_tables(name: str) -> None:
    """Regular expressions compile and name their group."""
    rules = ecosystems()[name]
    assert rules.manifests or rules.sources
    for _, expression in rules.versions:
        assert re.compile(expression).groups == 1
    for declares in rules.declares:
        for expression in filter(None, (declares.pattern, declares.dev_pattern)):
            assert re.compile(expression).groups == 1
    assert set(rules.languages) <= set(extensions().values())


def test_every_manifest_makes_its_ecosystem(tmp_path: Path) -> None:
    """Each manifest of the table, even empty, is enough to name the ecosystem."""
    for name, rules in ecosystems().items():
        for number, manifest in enumerate(rules.manifests):
            file = manifest.replace("*", "x")
            found = analysed(tmp_path / f"{name}{number}", {file: ""})
            assert found.ecosystem == (rules.ecosystem or name), (name, manifest)


def test_languages_and_gitlabs_names() -> None:
    """Every extension has GitLab's name, and it leads back to the language."""
    for extension, language in extensions().items():
        assert from_gitlab()[gitlab_names()[extension]] in (language, "typescript")


def test_sources_are_weighed_without_asides() -> None:
    """Vendored code, examples and docs do not count; tests only where nothing else is."""
    paths = ["a.py", "vendor/b.go", "docs/c.js", "node_modules/d.js", "tests/e.rb"]
    assert weigh(paths) == {"python": 1}
    assert weigh(["tests/e.rb"]) == {"ruby": 1}


def test_step_tells_its_progress(tmp_path: Path) -> None:
    """The step is `detect`; each request is announced before it is made."""
    said: list[str] = []
    source = tree(tmp_path, {"go.mod": "module x\n", "cmd/x/main.go": ""})
    assert analyze(source, said.append).language == "go"
    assert said[0] == "listing the repository"
    assert any(line.startswith("reading") for line in said)
