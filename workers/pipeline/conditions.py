"""Conditions of templates: `only_if: {package_manager: uv, has_tests: true}`.

Every key must hold. A value is true or false (there is one, or there is none), a text (equal, or
among them), or a list of texts (any of them). `not:` turns a nested condition round, `any:` holds
when one of its list does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from workers.detect.analysis import Analysis

Facts = Mapping[str, frozenset[str]]
"""Every field as the set of its values; an absent one is empty, a true one is {"true"}."""

_SCALARS = (
    "language", "framework", "package_manager", "version", "test_tool", "coverage_tool",
    "ecosystem", "monorepo", "entry_point", "port",
)  # fmt: skip
_SETS = ("linters", "lock_files", "manifests", "features", "ci_files")
_FLAGS = ("has_tests", "dockerfile")
_PREFIXED = re.compile(r"(?:commands|facts|slot)\.[a-z_]+")
_SITE = ("site.builder", "site.registry", "site.sonar", "site.splunk")
KNOWN = frozenset(
    {*_SCALARS, *_SETS, *_FLAGS, *_SITE, "servers", "manager_major", "entry_name", "entry_suffix"}
)


def facts(analysis: Analysis, site: Mapping[str, str], slots: Mapping[str, str]) -> Facts:
    """What conditions ask about: the analysis, `site.*`, and the values of slots as `slot.*`."""
    known: dict[str, frozenset[str]] = {}
    for name in _SCALARS:
        known[name] = _texts(getattr(analysis, name))
    for name in _SETS:
        known[name] = frozenset(getattr(analysis, name))
    version = analysis.facts.get("package_manager_version", "")
    known["features"] |= {word.removeprefix("dependency:") for word in analysis.features}
    entry = PurePosixPath(analysis.entry_point or "")
    known["entry_name"], known["entry_suffix"] = _texts(entry.name), _texts(entry.suffix)
    known["manager_major"] = _texts(version.partition(".")[0])
    known["servers"] = frozenset(service.name for service in analysis.services)
    known["has_tests"] = frozenset({"true"} if analysis.has_tests else ())
    known["dockerfile"] = _texts(analysis.dockerfile)
    known |= {f"commands.{name}": frozenset(found) for name, found in analysis.commands.items()}
    known |= {f"facts.{name}": _texts(value) for name, value in analysis.facts.items()}
    known |= {f"site.{name}": _texts(value) for name, value in site.items()}
    known |= {f"slot.{name}": _texts(value) for name, value in slots.items()}
    return known


def _texts(value: object) -> frozenset[str]:
    return frozenset() if value in (None, "", "false") else frozenset({str(value)})


def holds(condition: Mapping[str, Any] | None, known: Facts) -> bool:
    """Whether every part of `condition` is met; no condition is."""
    return all(_part(key, value, known) for key, value in (condition or {}).items())


def _part(key: str, wanted: Any, known: Facts) -> bool:
    if key == "not":
        return not holds(wanted, known)
    if key == "any":
        return any(holds(part, known) for part in wanted)
    found = known.get(key, frozenset())
    if isinstance(wanted, bool):
        return bool(found) == wanted
    texts = {str(text) for text in wanted} if isinstance(wanted, list) else {str(wanted)}
    return bool(found & texts)


def flaw(condition: Any) -> str | None:
    """What is wrong with a condition as written, or None."""
    if not isinstance(condition, Mapping):
        return "only_if: should be a mapping of field to value"
    for key, value in condition.items():
        if key == "any":
            parts = value if isinstance(value, list) else [value]
            inner = next((cause for part in parts if (cause := flaw(part))), None)
        elif key == "not":
            inner = flaw(value)
        elif key not in KNOWN and not _PREFIXED.fullmatch(str(key)):
            inner = f"only_if: {key!r} is no field of the analysis, `site.*` or `slot.*`"
        else:
            plain = isinstance(value, str | bool | int) or (
                isinstance(value, list) and all(isinstance(text, str | int) for text in value)
            )
            inner = None if plain else f"only_if: {key}: should be a text, a list of texts or true"
        if inner:
            return inner
    return None
