"""The jobs of a generated file as `gitlab-ci-local` understands it: merged and expanded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from tests.proof import rules

STAGES = ("compile", "test", "sast")
"""The stages that are run; the others need images, servers or a registry."""

KEYWORDS = frozenset(
    {"stages", "workflow", "variables", "default", "include", "image", "services", "cache"}
)
NO_HOST = ("image", "services", "allow_failure", "retry")
"""Dropped before running: containers, and what would hide a job's own result."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job of the merged file. `lines` are before_script and script together."""

    name: str
    stage: str
    image: str
    lines: tuple[str, ...]
    advisory: bool
    junit: tuple[str, ...]
    coverage: tuple[str, ...]
    codequality: tuple[str, ...]
    coverage_regex: str
    folder: str
    """Of its app, where there are several; else ""."""
    services: tuple[str, ...]


def jobs(merged: Mapping[str, Any]) -> list[Job]:
    """The jobs of the stages that are run, in the order of the file."""
    return [
        _job(name, body)
        for name, body in merged.items()
        if name not in KEYWORDS and isinstance(body, dict) and body.get("stage") in STAGES
    ]


def for_host(merged: Mapping[str, Any]) -> str:
    """The same file for a shell on this machine: no containers, every job's result its own."""
    stripped = {
        name: _stripped(body) if name not in KEYWORDS and isinstance(body, dict) else body
        for name, body in merged.items()
        if name not in NO_HOST
    }
    return yaml.safe_dump(stripped, sort_keys=False, width=10_000)


def _stripped(body: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in body.items() if key not in NO_HOST}
    for part in ("before_script", "script"):
        if part in kept:
            kept[part] = list(rules.adapt(_texts(kept[part])).lines) or ["true"]
    return kept


def _job(name: str, body: Mapping[str, Any]) -> Job:
    reports = (body.get("artifacts") or {}).get("reports") or {}
    image = body.get("image") or ""
    folder = str((body.get("variables") or {}).get("APP_DIR") or "")

    def files(value: Any) -> tuple[str, ...]:
        return tuple(text.replace("$APP_DIR", folder) for text in _texts(value))

    return Job(
        name=name,
        stage=body["stage"],
        image=image["name"] if isinstance(image, dict) else image,
        lines=(*_texts(body.get("before_script")), *_texts(body.get("script"))),
        advisory=bool(body.get("allow_failure")),
        junit=files(reports.get("junit")),
        coverage=files((reports.get("coverage_report") or {}).get("path")),
        codequality=files(reports.get("codequality")),
        coverage_regex=str(body.get("coverage") or ""),
        folder=folder,
        services=tuple(
            service["name"] if isinstance(service, dict) else service
            for service in body.get("services") or ()
        ),
    )


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(str(item) for item in value)
