"""An app that lives below the repository's root: its jobs work in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workers.detect.analysis import Analysis
from workers.pipeline import slots
from workers.pipeline.schema import Artifacts, Cache, Job

_STAGES = frozenset({"compile", "test", "sast", "quality"})
WHOLE_REPOSITORY = frozenset({"filesystem_scan"})
"""Jobs that look at all files, wherever the app lives."""


def of(analysis: Analysis) -> str:
    """The folder of the app, "" for the root or where its name could not stand in a script."""
    folder = analysis.facts.get("path", "")
    return folder if slots.accepts("path", folder, None) else ""


def relative(analysis: Analysis, folder: str) -> Analysis:
    """`analysis` with the names of manifests and lock files as the app sees them."""
    if not folder:
        return analysis
    return msgspec.structs.replace(
        analysis,
        manifests=_below(analysis.manifests, folder),
        lock_files=_below(analysis.lock_files, folder),
    )


def _below(paths: tuple[str, ...], folder: str) -> tuple[str, ...]:
    prefix = f"{folder}/"
    return tuple(path.removeprefix(prefix) for path in paths if path.startswith(prefix))


def inside(jobs: Mapping[str, Job], folder: str, place: str) -> dict[str, Job]:
    """`jobs` working in `folder`: they change into it first, and name their files from the root.

    `place` is how they write the folder: its name, or a variable that holds it.
    """
    if not folder:
        return dict(jobs)
    return {name: _inside(name, job, jobs, folder, place) for name, job in jobs.items()}


def _inside(name: str, job: Job, jobs: Mapping[str, Job], folder: str, place: str) -> Job:
    hidden = name.startswith(".") and job.stage is None
    if not hidden and (job.stage not in _STAGES or name in WHOLE_REPOSITORY):
        return job
    changes: dict[str, Any] = {}
    parent = jobs.get(job.extends) if isinstance(job.extends, str) else None
    enter = f'cd "{place}"' if place.startswith("$") else f"cd {place}"
    if job.before_script is not None or hidden:
        changes["before_script"] = (enter, *(job.before_script or ()))
    elif parent is None:
        changes["script"] = (enter, *(job.script or ()))
    if job.artifacts is not None:
        changes["artifacts"] = _artifacts(job.artifacts, place)
    if job.cache is not None:
        changes["cache"] = _cache(job.cache, folder)
    return msgspec.structs.replace(job, **changes)


def _artifacts(artifacts: Artifacts, folder: str) -> Artifacts:
    raw = msgspec.to_builtins(artifacts)
    for key in ("paths", "exclude"):
        if key in raw:
            raw[key] = [f"{folder}/{path}" for path in raw[key]]
    reports = raw.get("reports", {})
    for key, value in reports.items():
        if key == "coverage_report":
            reports[key] = {**value, "path": f"{folder}/{value['path']}"}
        elif isinstance(value, str):
            reports[key] = f"{folder}/{value}"
        else:
            reports[key] = [f"{folder}/{path}" for path in value]
    return msgspec.convert(raw, Artifacts)


def _cache(cache: Cache, folder: str) -> Cache:
    """The key follows the app's lock file; what is cached lies under the project's root."""
    if isinstance(cache.key, str):
        return cache
    files = tuple(f"{folder}/{file}" for file in cache.key.files)
    return msgspec.structs.replace(cache, key=msgspec.structs.replace(cache.key, files=files))
