"""Pipelines of other systems: which are there, and the commands they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from workers.detect.commands import plain, purpose_of, safe
from workers.detect.found import Folder

NAMES = (
    ".gitlab-ci.yml",
    ".travis.yml",
    ".circleci/config.yml",
    "Jenkinsfile",
    "azure-pipelines.yml",
    "azure-pipelines.yaml",
    ".azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    ".drone.yml",
    ".cirrus.yml",
    ".appveyor.yml",
    "appveyor.yml",
    ".buildkite/pipeline.yml",
    ".woodpecker.yml",
    ".woodpecker/ci.yml",
    ".semaphore/semaphore.yml",
    "cloudbuild.yaml",
    "buildspec.yml",
    "wercker.yml",
    ".codeship-steps.yml",
)
KEYS = frozenset(
    (
        "run",
        "script",
        "command",
        "commands",
        "bash",
        "sh",
        "test",
        "test_script",
        "build_script",
    )
)
WORKFLOWS = 2
_SHELL = re.compile(
    r"""\bsh\s*\(?\s*(?:script:\s*)?(?:'''|\"{3}|'|")(.+?)(?:'''|\"{3}|'|")""", re.S
)


class Command(msgspec.Struct, frozen=True):
    """One command of another pipeline, and where it stands."""

    purpose: str
    command: str
    file: str
    line: int


def files(root: Folder) -> tuple[str, ...]:
    """Every pipeline that is there already."""
    named = [name for name in NAMES if root.has(name)]
    named += [path for path in root.below if re.fullmatch(r"\.gitlab/ci/[^/]+\.ya?ml", path)][:3]
    return tuple(named + _workflows(root))


def _workflows(root: Folder) -> list[str]:
    """GitHub's workflows, those that test first."""

    def rank(path: str) -> tuple[int, str]:
        name = path.rpartition("/")[2].lower()
        order = (
            "test",
            "ci",
            "build",
            "main",
            "python",
            "node",
            "go",
            "java",
            "rust",
            "check",
            "unit",
        )
        place = next((i for i, word in enumerate(order) if re.search(rf"\b{word}", name)), 99)
        return place, path

    found = [p for p in root.below if re.fullmatch(r"\.github/workflows/[^/]+\.ya?ml", p)]
    return sorted(found, key=rank)


def commands(root: Folder) -> Iterator[Command]:
    """Safe commands with a purpose, from named pipelines and the first workflows."""
    named = [name for name in NAMES[1:] if root.has(name)][:2]
    for file in named + _workflows(root)[: WORKFLOWS if not named else 1]:
        text = root.text(file, rank=3)
        if text is None:
            continue
        for line in _jenkins(text) if file == "Jenkinsfile" else _strings(root.yaml(file, rank=3)):
            command = plain(line)
            purpose = purpose_of(command) if safe(command) else None
            if purpose:
                yield Command(purpose, command, file, root.line(file, command))


def _jenkins(text: str) -> Iterator[str]:
    bare = re.sub(r"(?m)^\s*//.*$|(?s:/\*.*?(?:\*/|\Z))", "", text)
    for block in _SHELL.findall(bare):
        yield from block.splitlines()


def _strings(value: Any, key: str = "", depth: int = 12) -> Iterator[str]:
    """Lines of every script in a pipeline, in order."""
    if depth == 0:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, str(name), depth - 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, key, depth - 1)
    elif isinstance(value, str) and key in KEYS:
        for line in value.splitlines():
            yield from line.split(" && ")
