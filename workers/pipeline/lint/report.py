"""A report as a person or a program reads it."""

from __future__ import annotations

import msgspec

from workers.pipeline.lint.findings import MAX_FINDINGS, Finding, Report


def to_text(report: Report, file: str = ".gitlab-ci.yml") -> str:
    """Lines `file:LINE: error code: message`, each fix indented below; ends with the verdict."""
    found = [("error", item) for item in report.errors]
    found += [("warning", item) for item in report.warnings]
    found.sort(key=lambda pair: pair[1].line)
    lines = [line for kind, item in found for line in _lines(kind, item, file)]
    return "\n".join([*lines, verdict(report, file)]) + "\n"


def verdict(report: Report, file: str = ".gitlab-ci.yml") -> str:
    """One line: valid or not, and how much was found."""
    counts = [
        f"{_count(found)} {name}{'' if len(found) == 1 else 's'}"
        for name, found in (("error", report.errors), ("warning", report.warnings))
        if found
    ]
    said = "valid" if report.valid else "invalid"
    return f"{file}: {said}" + (f" ({', '.join(counts)})" if counts else "")


def _count(found: tuple[Finding, ...]) -> str:
    return f"{len(found)} or more" if len(found) >= MAX_FINDINGS else str(len(found))


def to_json(report: Report, file: str = ".gitlab-ci.yml") -> str:
    """A JSON object: `file`, `valid`, `errors` and `warnings` with `code message line fix`."""
    shown = {
        "file": file,
        "valid": report.valid,
        "errors": report.errors,
        "warnings": report.warnings,
    }
    return msgspec.json.encode(shown).decode()


def one_line(finding: Finding, file: str = ".gitlab-ci.yml") -> str:
    """A finding as one line, its fix in brackets: for lists of strings."""
    fix = f" ({finding.fix})" if finding.fix else ""
    return f"{file}:{finding.line}: {finding.code}: {finding.message}{fix}"


def _lines(kind: str, item: Finding, file: str) -> list[str]:
    first = f"{file}:{item.line}: {kind} {item.code}: {item.message}"
    return [first, f"    fix: {item.fix}"] if item.fix else [first]
