"""What makes a text unreadable, said as a finding with line and fix."""

from __future__ import annotations

import re
from typing import Final

import yaml

from workers.errors import Rejected
from workers.pipeline.lint.findings import Finding, clip


class Unreadable(Rejected):
    """The text is no YAML that GitLab would read; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def refuse(code: str, message: str, line: int, fix: str = "") -> Unreadable:
    """The exception that ends the reading with one finding."""
    return Unreadable(Finding(code, clip(message), max(line, 1), clip(fix)))


_SYNTAX_FIXES: Final = (
    (r"'\t'", "YAML does not allow tabs for indentation: use spaces"),
    ("mapping values are not allowed", "quote the text that holds `: `, or mend the indentation"),
    ("could not find expected ':'", "write `key: value`; quote text that starts with a sign"),
    ("did not find expected key", "mend the indentation, or quote the value on the line above"),
    ("did not find expected '-'", "start each item of the list with `- ` in the same column"),
    ("block sequence entries", "start the list on a line of its own, indented below its key"),
    ("block collections are not", "mend the indentation: a list cannot start here"),
    ("unexpected end of stream", "close the quote or the bracket"),
    ("unexpected document", "close the quote or the bracket"),
    ("did not find expected ',' or", "close the bracket, or put a comma between the items"),
    ("cannot start any token", "quote the text: it starts with a sign that YAML reserves"),
    ("escape", "use single quotes, or double the backslash"),
    ("alphabetic or numeric", "quote the text: `*` and `&` start an alias or an anchor"),
)

_CONFLICT: Final = re.compile(r"<{7} |={7}$|>{7} ")


def syntax_error(error: yaml.YAMLError, text: str) -> Unreadable:
    """What the YAML parser said, with a fix for the usual slips."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "")
    context = str(getattr(error, "context", None) or "")
    position = getattr(error, "position", 0) or 0
    line = mark.line + 1 if mark is not None else line_at(text, position)
    lines = text.splitlines()
    line = max(1, min(line, len(lines) or 1))
    if lines and lines[line - 1].lstrip(" ").startswith("\t") and "token" in problem:
        problem = r"'\t' cannot start any token"
    wanted = next((fix for sign, fix in _SYNTAX_FIXES if sign in f"{problem} {context}"), "")
    marker = next((at for at, text in enumerate(lines[:line], 1) if _CONFLICT.match(text)), 0)
    if marker:
        message = "a mark of a merge conflict stands here"
        return refuse("yaml-syntax", message, marker, "settle the conflict, and remove the marks")
    message = "invalid YAML: " + (f"{context}, {problem}" if context else problem or "unreadable")
    return refuse("yaml-syntax", message, line, wanted)


def line_at(source: str | bytes, position: int) -> int:
    """The line of a position in the text, counted from 1."""
    if isinstance(source, str):
        return source.count("\n", 0, position) + 1
    return bytes(source).count(b"\n", 0, position) + 1
