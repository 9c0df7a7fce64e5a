"""The types of detection: what is read (`Source`) and what is found (`Analysis`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """One entry of a Git tree. `path` is relative to the root, with `/`, never empty."""

    path: str
    kind: Literal["blob", "tree", "commit"]
    """`commit` is a submodule."""
    mode: str = "100644"
    """Git's mode: 120000 is a symbolic link."""


class Listing(msgspec.Struct, frozen=True):
    """Entries in Git's order; `complete` is false where the limit cut the rest."""

    entries: tuple[Entry, ...]
    complete: bool


class Source(Protocol):
    """A repository at one commit, read in few calls. Local folder and GitLab answer alike."""

    def children(self, path: str = "", *, limit: int = 1000) -> Listing:
        """What stands directly in `path` ("" is the root); empty where there is no such folder."""

    def walk(self, path: str = "", *, limit: int = 1000) -> Listing:
        """All entries below `path`, recursively, at most `limit` of them."""

    def read(self, paths: Sequence[str], *, max_bytes: int = 262_144) -> Mapping[str, bytes]:
        """The files' first `max_bytes` bytes by path, in one request; absent where unreadable."""

    def languages(self) -> Mapping[str, float]:
        """Per cent of each language, names as GitLab writes them; may be empty."""


class Evidence(msgspec.Struct, frozen=True, order=True):
    """Why a claim (`field=value` or a sentence) is made. `line` is 1-based, 0 the whole file."""

    claim: str
    file: str
    line: int = 0


class App(msgspec.Struct, frozen=True, order=True):
    """One buildable part of a repository. `path` is `.` for the root."""

    path: str
    language: str | None = None
    framework: str | None = None


class Service(msgspec.Struct, frozen=True, order=True):
    """A server the tests need: `postgres`, `redis` …, with the version the repository names."""

    name: str
    version: str | None = None


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """What a repository is. None where the repository does not say.

    Values are lower case, as the ecosystem writes them (see the contract's list). `confidence`
    is 0 to 1. `commands` holds every candidate found, best first, by purpose: `build`, `test`,
    `lint`, `start`, `compile`. `nothing_to_build` gives the reason when there is nothing.
    """

    language: str | None = None
    framework: str | None = None
    package_manager: str | None = None
    version: str | None = None
    test_tool: str | None = None
    entry_point: str | None = None
    build_command: str | None = None
    test_command: str | None = None
    monorepo: str | None = None
    apps: tuple[App, ...] = ()
    confidence: float = 0.0
    evidence: tuple[Evidence, ...] = ()
    # -- beyond the contract's fields: what plans are made from
    ecosystem: str | None = None
    """`node`, `python`, `go`, `java` (the JVM), `ruby`, `php`, `rust`, `dotnet`, `elixir` …"""
    port: int | None = None
    lock_files: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    commands: Mapping[str, tuple[str, ...]] = {}
    linters: tuple[str, ...] = ()
    coverage_tool: str | None = None
    has_tests: bool = False
    services: tuple[Service, ...] = ()
    dockerfile: str | None = None
    """Path of the Dockerfile a person wrote."""
    ci_files: tuple[str, ...] = ()
    """Pipelines that are there already: `.gitlab-ci.yml`, `.travis.yml`, …"""
    features: tuple[str, ...] = ()
    """Sorted words for the stack (tools, dependencies that matter): input of the vector."""
    nothing_to_build: str | None = None
    questions: tuple[str, ...] = ()
    """What a person should answer, where confidence is low."""
    facts: Mapping[str, str] = {}
    """Small facts that a template may need (`module`, `artifact`, `wrapper`, `source_dir` …)."""
    parts: tuple[Analysis, ...] = ()
    """Where programs stand side by side (`monorepo` is `services`), and for the modules of a Go
    work file: each one's own analysis, its folder in `facts["path"]`. Empty elsewhere: a workspace
    is built by its own tool."""
    shared: tuple[str, ...] = ()
    """Folders (ending in `/`) and files of the root that several of `parts` may use."""
