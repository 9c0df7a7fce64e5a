"""Durations as GitLab reads them: `1h 30m`, `2 weeks and 3 days`, `never`, `03:20:00`.

GitLab uses the Ruby library chronic_duration, told to refuse words that it does not know.
"""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {
    1: "s sec secs second seconds",
    60: "m min mins minute minutes",
    3600: "h hr hrs hour hours",
    86400: "d day days",
    604800: "w wk wks week weeks",
    2592000: "mo mos month months",
    31557600: "y yr yrs year years",
}
_SECONDS: Final = {name: size for size, names in _UNITS.items() for name in names.split()}
_ONES: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBERS: Final = {name: n for n, name in enumerate(_ONES.split())} | {
    name: 10 * n for n, name in enumerate(_TENS.split(), 2)
}
_JOINERS: Final = frozenset({"and", "with", "plus"})
_CLOCK = re.compile(r"\d+(?::\d+){1,5}(?:\.\d+)?\Z")
_PART = re.compile(r"(\d*\.?\d+)|([^\d\s.,]+)|([.,]+)")
WEEK: Final = 604800
# `Project::MAX_BUILD_TIMEOUT` is a month of 30.44 days.
MONTH: Final = 2629746


def seconds(text: str) -> float | None:
    """How long the duration is, in seconds; None if GitLab would refuse it.

    A number without a unit counts seconds, a unit without a number counts once, and nothing at
    all, or zero, is no duration.
    """
    text = text.strip().lower()[:200]
    if _CLOCK.match(text):
        clock = 0.0
        for part in text.split(":"):
            clock = clock * 60 + float(part)
        return clock or None
    total, number = 0.0, None
    for digits, word, _ in _PART.findall(text):
        if digits or word in _NUMBERS:
            total += number or 0
            number = float(digits) if digits else float(_NUMBERS[word])
        elif word in _SECONDS:
            total += (1.0 if number is None and not total else number or 0.0) * _SECONDS[word]
            number = None
        elif word and word not in _JOINERS:
            return None
    return total + (number or 0) or None
