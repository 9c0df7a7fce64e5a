"""Validates what was generated: offline first, then with GitLab's own linter, who decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from workers.clients.gitlab import ServerLint
from workers.errors import Denied, NotFound, Retryable
from workers.pipeline import lint
from workers.pipeline.lint.report import one_line

CONFIG: Final = ".gitlab-ci.yml"
# `valid: false` for a token that may not run pipelines on the branch says nothing of the file
# (lib/gitlab/ci/pipeline/chain/validate/abilities.rb).
_NOT_THE_FILE: Final = ("sufficient permission to run a pipeline", "reference not found")
# For files of ours, two pipelines for one push are a fault (doc/api/lint.md shows the warning).
_TWO_PIPELINES: Final = "may allow multiple pipelines"
_OUR_FAULTS: Final = frozenset({"duplicate-pipelines"})
# What a person sets in GitLab is told in the merge request, name by name.
_BY_DESIGN: Final = frozenset({"undefined-variable"})


class Validation(msgspec.Struct, frozen=True):
    """The verdict on the generated files; `linted_by` says whose it is."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    linted_by: Literal["schema", "gitlab"]

    @property
    def valid(self) -> bool:
        """Whether the files may be committed."""
        return not self.errors


def validate(
    files: Mapping[str, str], server_lint: Callable[[str], ServerLint] | None = None
) -> Validation:
    """Judge the generated `.gitlab-ci.yml`.

    GitLab's linter has the last word where it can be asked; where it cannot (Retryable, Denied,
    NotFound, or a token that may not run pipelines), the offline verdict stands and a warning
    says why. Raises nothing but what `server_lint` raises besides those.
    """
    offline = _offline(files)
    if server_lint is None or CONFIG not in files:
        return offline
    try:
        answer = server_lint(files[CONFIG])
    except (Retryable, Denied, NotFound) as error:
        reason = f"GitLab's linter could not be asked ({error}); the offline check stands"
        return msgspec.structs.replace(offline, warnings=(*offline.warnings, reason))
    return _decided(answer, offline)


def _offline(files: Mapping[str, str]) -> Validation:
    if CONFIG not in files:
        return Validation((f"no {CONFIG} was generated",), (), "schema")
    report = lint.check(files[CONFIG])
    ours = [found for found in report.warnings if found.code in _OUR_FAULTS]
    errors = sorted((*report.errors, *ours), key=lambda found: found.line)
    told = _OUR_FAULTS | _BY_DESIGN
    warnings = [found for found in report.warnings if found.code not in told]
    return Validation(
        errors=tuple(one_line(found, CONFIG) for found in errors),
        warnings=tuple(one_line(found, CONFIG) for found in warnings),
        linted_by="schema",
    )


def _decided(answer: ServerLint, offline: Validation) -> Validation:
    """GitLab's verdict, with what the offline check adds as warnings."""
    beside = tuple(text for text in answer.errors if _is_not_the_file(text))
    errors = tuple(text for text in answer.errors if text not in beside)
    if not errors and (beside or not answer.valid):
        reason = "; ".join(beside) or "GitLab's linter said invalid and gave no reason"
        note = f"GitLab's linter did not judge the file: {reason}"
        return msgspec.structs.replace(offline, warnings=(*offline.warnings, note))
    faults = tuple(text for text in answer.warnings if _TWO_PIPELINES in text)
    warnings = tuple(text for text in answer.warnings if text not in faults)
    doubts = () if errors else tuple(f"GitLab accepts it, but: {text}" for text in offline.errors)
    return Validation(
        errors=(*errors, *faults),
        warnings=(*warnings, *doubts, *offline.warnings),
        linted_by="gitlab",
    )


def _is_not_the_file(text: str) -> bool:
    return any(sign in text.lower() for sign in _NOT_THE_FILE)
