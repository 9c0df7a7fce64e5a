"""What the validator says: findings, gathered in a sink, handed out as a report."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from itertools import islice

import msgspec

# A page of errors helps nobody, and a hostile file must not make a report of many megabytes.
MAX_FINDINGS = 200
MAX_TEXT = 600
# Guessing what was meant costs milliseconds; a file with more faults has other worries.
MAX_GUESSES = 40
GUESS_AMONG = 500


class Finding(msgspec.Struct, frozen=True, order=False):
    """One fault: `code` is stable and kebab-case, `line` counts from 1, `fix` may be empty."""

    code: str
    message: str
    line: int
    fix: str = ""


class Report(msgspec.Struct, frozen=True):
    """Findings sorted by line. Errors are what GitLab would refuse; warnings it would accept."""

    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether GitLab would accept the file, as far as the file alone can tell."""
        return not self.errors


class Sink:
    """Collects findings, each once, at most `MAX_FINDINGS` of either kind."""

    def __init__(self) -> None:
        self._errors: dict[Finding, None] = {}
        self._warnings: dict[Finding, None] = {}
        self._guesses = MAX_GUESSES

    def error(self, code: str, message: str, line: int, fix: str = "") -> None:
        """Record something GitLab refuses."""
        self._add(self._errors, code, message, line, fix)

    def warning(self, code: str, message: str, line: int, fix: str = "") -> None:
        """Record something GitLab accepts and the author would still want to know."""
        self._add(self._warnings, code, message, line, fix)

    def report(self) -> Report:
        """Everything recorded so far, sorted by line."""
        return Report(errors=_sorted(self._errors), warnings=_sorted(self._warnings))

    @property
    def full(self) -> bool:
        """Whether no further error will be kept: a check may stop looking."""
        return len(self._errors) >= MAX_FINDINGS

    def suggest(self, name: str, known: Collection[str], otherwise: str = "") -> str:
        """`did you mean …?` if a known name is close, else the other fix."""
        if self._guesses <= 0 or len(name) > 80:
            return otherwise
        self._guesses -= 1
        names = [n for n in islice(known, GUESS_AMONG) if len(n) <= 80]
        close = difflib.get_close_matches(name, names, 1, 0.7)
        return f"did you mean {quoted(close[0])}?" if close else otherwise

    @staticmethod
    def _add(into: dict[Finding, None], code: str, message: str, line: int, fix: str) -> None:
        if len(into) < MAX_FINDINGS:
            into.setdefault(Finding(code, clip(message), max(line, 1), clip(fix)))


def clip(text: str, limit: int = MAX_TEXT) -> str:
    """`text` on one printable line, cut at `limit` characters: names in a file are hostile."""
    # Cut before looking: a name may be as long as the file.
    shown = "".join(c if c.isprintable() else "?" for c in " ".join(text[: 2 * limit].split()))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def quoted(name: object, limit: int = 80) -> str:
    """A name from the file between backticks, short enough for a sentence."""
    return f"`{clip(str(name)[: 2 * limit].replace('`', chr(39)), limit)}`"


def listed(names: Collection[object], limit: int = 12) -> str:
    """Names as `a`, `b`, `c`; the rest is counted."""
    items = [quoted(name) for name in islice(names, limit)]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(items) + more


def chain(names: Sequence[str], limit: int = 12) -> str:
    """Names as `a` → `b` → `a`; of a long way, the start."""
    shown = " → ".join(quoted(name, 40) for name in names[:limit])
    return f"{shown} → …" if len(names) > limit else shown


def _sorted(found: dict[Finding, None]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda f: (f.line, f.code, f.message)))
