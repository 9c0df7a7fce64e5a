"""Compares an analysis with what a sample expects.

An expectation is a value, or a list of values of which any is right; null is a value. Special:
`apps` and `apps_exclude` (paths, or maps of path, language, framework), `services`, `linters`,
`ci_files` and `evidence_in` (each must be found, others may be), `monorepo: true` (any name),
`nothing_to_build` and `questions` (whether there is one), `confidence_below`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any

import msgspec

from tests.support.corpus import Sample
from workers.detect.analysis import Analysis


class Verdict(msgspec.Struct, frozen=True):
    """One compared field of one sample."""

    sample: str
    field: str
    expected: Any
    got: Any
    right: bool
    hard: bool


def judge(sample: Sample, analysis: Analysis) -> list[Verdict]:
    """A verdict for every field that the sample expects, the ecosystem included."""
    return [
        Verdict(sample.name, field, expected, *_verdict(field, expected, analysis), sample.hard)
        for field, expected in _expectations(sample).items()
    ]


def _expectations(sample: Sample) -> dict[str, Any]:
    """What the sample states; one known language also tells the ecosystem."""
    language = sample.expect.get("language")
    ecosystem = _ECOSYSTEM.get(language) if isinstance(language, str) else None
    return {"ecosystem": ecosystem, **sample.expect} if ecosystem else sample.expect


_ECOSYSTEM = {
    **dict.fromkeys(("javascript", "typescript"), "node"),
    **dict.fromkeys(("java", "kotlin", "scala", "clojure", "groovy"), "java"),
    **dict.fromkeys(("csharp", "fsharp", "vb"), "dotnet"),
    **{name: name for name in ("python", "go", "ruby", "php", "rust", "elixir", "swift", "dart")},
}


def _verdict(field: str, expected: Any, analysis: Analysis) -> tuple[Any, bool]:
    special = _SPECIAL.get(field)
    if special:
        return special(expected, analysis)
    got = getattr(analysis, field)
    same = _SAME.get(field, _equal)
    options = expected if isinstance(expected, list) else [expected]
    return got, any(same(option, got) for option in options)


def _equal(expected: Any, got: Any) -> bool:
    return bool(expected == got)


def same_version(expected: str | None, got: str | None) -> bool:
    """By numeric parts, where a missing part is zero; words must be equal."""
    if expected is None or got is None or not re.fullmatch(r"[0-9.]+", got):
        return expected == got
    pairs = zip_longest(expected.split("."), got.split("."), fillvalue="0")
    return all(left.isdigit() and int(left) == int(right or 0) for left, right in pairs)


def same_command(expected: str | None, got: str | None) -> bool:
    """Without options and the words that only start a program of the project."""
    if expected is None or got is None:
        return expected == got
    return plain_command(expected) == plain_command(got)


_RUNNERS = re.compile(
    r"^(uv run|poetry run|pdm run|pipenv run|hatch run|pixi run|bundle exec|npx|yarn run(?= )"
    r"|pnpm exec|pnpm run|yarn|bunx|bun x|python3? -m|php|perl|sh|conda run)\s+"
)
_PLACES = re.compile(r"(?:\./|vendor/bin/|bin/|node_modules/\.bin/)(?=\w)")
_VALUED = re.compile(r"\s(?:-C|--test-dir|--builddir|--project-path) \S+")
_WRAPPERS = {"mvnw": "mvn", "gradlew": "gradle", "python3": "python", "py.test": "pytest"}


def plain_command(command: str) -> str:
    """`npm run test -- --ci` and `npm test` are the same; so are `./mvnw -B verify` and mvn's."""
    command = re.sub(r"\b(npm|yarn|pnpm|composer|bun) run(?:-script)? ", r"\1 ", command.strip())
    if not re.match(r"(yarn|pnpm|npm|bun) ", command):
        command = _RUNNERS.sub("", command)
    words = _VALUED.sub("", _PLACES.sub("", command)).split()
    return " ".join(_WRAPPERS.get(word, word) for word in words if not word.startswith("-"))


def _all_in(field: str) -> Callable[[Any, Analysis], tuple[Any, bool]]:
    def check(expected: list[str], analysis: Analysis) -> tuple[Any, bool]:
        got = [getattr(item, "name", item) for item in getattr(analysis, field)]
        return got, set(expected) <= set(got)

    return check


def _exists(field: str) -> Callable[[Any, Analysis], tuple[Any, bool]]:
    def check(expected: Any, analysis: Analysis) -> tuple[Any, bool]:
        got = getattr(analysis, field)
        return got, isinstance(expected, list) or bool(got) is expected

    return check


def _monorepo(expected: Any, analysis: Analysis) -> tuple[Any, bool]:
    got = analysis.monorepo
    if expected is True:
        return got, got is not None
    return got, got in (expected if isinstance(expected, list) else [expected])


def _apps(expected: list[str | Mapping[str, str]], analysis: Analysis) -> tuple[Any, bool]:
    got = {app.path: msgspec.to_builtins(app) for app in analysis.apps}
    wanted = [{"path": app} if isinstance(app, str) else app for app in expected]
    right = all(app.items() <= got.get(app["path"], {}).items() for app in wanted)
    return list(got.values()), right


def _apps_exclude(expected: list[str], analysis: Analysis) -> tuple[Any, bool]:
    got = [app.path for app in analysis.apps]
    return got, not set(expected) & set(got)


def _evidence_in(expected: list[str], analysis: Analysis) -> tuple[Any, bool]:
    got = sorted({evidence.file for evidence in analysis.evidence})
    return got, set(expected) <= set(got)


def _confidence_below(expected: float, analysis: Analysis) -> tuple[Any, bool]:
    return analysis.confidence, analysis.confidence < expected


_SAME: dict[str, Callable[[Any, Any], bool]] = {
    "version": same_version,
    "test_command": same_command,
    "build_command": same_command,
}
_SPECIAL: dict[str, Callable[[Any, Analysis], tuple[Any, bool]]] = {
    "apps": _apps,
    "apps_exclude": _apps_exclude,
    "services": _all_in("services"),
    "linters": _all_in("linters"),
    "ci_files": _all_in("ci_files"),
    "nothing_to_build": _exists("nothing_to_build"),
    "questions": _exists("questions"),
    "monorepo": _monorepo,
    "evidence_in": _evidence_in,
    "confidence_below": _confidence_below,
}
