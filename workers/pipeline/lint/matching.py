"""Whether an RE2 pattern matches a text, in bounded time whatever the pattern is.

Python's `re` backtracks, which a hostile pattern turns into hours. Here a pattern becomes functions
from the places where a match may have got to, to the places that it may get to next: each step
costs no more than the text is long. What is rare (flags, Unicode classes) has no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from workers.pipeline.lint.regex import fault

MAX_LENGTH: Final = 300
MAX_DEPTH: Final = 20
MAX_STEPS: Final = 20_000
Places = frozenset[int]
Step = Callable[[Places], Places]
_COUNTED = re.compile(r"\{(\d+)(,?)(\d*)\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\\[])*\]")
_GROUP = re.compile(r"\((?:\?:|\?P?<[A-Za-z_]\w*>)?(?!\?)")
_BOUNDS: Final = {r"\b": True, r"\B": False}
_STARTS: Final = ("^", r"\A")
_ENDS: Final = ("$", r"\z")


def matches(pattern: str, text: str) -> bool | None:
    """Whether `pattern` is found in `text`; None if that is too long or too rare to tell."""
    if fault(pattern) or max(len(pattern), len(text)) > MAX_LENGTH:
        return None
    try:
        step = _Reader(pattern, text).whole()
        return bool(step(frozenset(range(len(text) + 1))))
    except _NoAnswer:
        return None


class _NoAnswer(Exception):
    """The pattern holds something rare, or takes too many steps."""


class _Reader:
    """Reads a pattern that RE2 compiles into one step over `text`."""

    def __init__(self, pattern: str, text: str) -> None:
        self._pattern = pattern
        self._text = text
        self._at = 0
        self._depth = 0
        self._left = MAX_STEPS

    def whole(self) -> Step:
        branches = [self._sequence()]
        while self._next("|"):
            branches.append(self._sequence())
        return lambda places: frozenset().union(*(branch(places) for branch in branches))

    def _sequence(self) -> Step:
        steps: list[Step] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            steps.append(self._repeated(self._atom()))

        def run(places: Places) -> Places:
            for step in steps:
                places = step(places)
            return places

        return run

    def _next(self, char: str) -> bool:
        if self._pattern.startswith(char, self._at):
            self._at += len(char)
            return True
        return False

    def _repeated(self, step: Step) -> Step:
        bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        least: int = 1
        most: int | None = 1
        counted = _COUNTED.match(self._pattern, self._at)
        if counted:
            self._at = counted.end()
            least = int(counted[1])
            most = int(counted[3]) if counted[3] else None if counted[2] else least
        elif (sign := self._pattern[self._at : self._at + 1]) in bounds and sign:
            self._at += 1
            least, most = bounds[sign]
        else:
            return step
        self._next("?")
        return lambda places: self._times(step, places, least, most)

    def _times(self, step: Step, places: Places, least: int, most: int | None) -> Places:
        for _ in range(least):
            places = self._spend(step, places)
        seen = new = places
        rounds = least
        while new and (most is None or rounds < most):
            new = self._spend(step, new) - seen
            seen |= new
            rounds += 1
        return seen

    def _spend(self, step: Step, places: Places) -> Places:
        self._left -= 1
        if self._left < 0:
            raise _NoAnswer
        return step(places)

    def _atom(self) -> Step:
        group = _GROUP.match(self._pattern, self._at)
        if group:
            self._at, self._depth = group.end(), self._depth + 1
            if self._depth > MAX_DEPTH:
                raise _NoAnswer
            inner = self.whole()
            self._at, self._depth = self._at + 1, self._depth - 1
            return inner
        part = self._part()
        if part in _STARTS:
            return lambda places: places & {0}
        if part in _ENDS:
            return lambda places: places & {len(self._text)}
        if part in _BOUNDS:
            return lambda places: self._bounds(places, _BOUNDS[part])
        return self._character(part)

    def _part(self) -> str:
        """The text of the next atom, which matches one character or a place."""
        char = self._pattern[self._at]
        found = _CLASS.match(self._pattern, self._at) if char == "[" else None
        if char == "(" or (char == "[" and not found):
            raise _NoAnswer
        part = (
            found[0] if found else self._pattern[self._at : self._at + (2 if char == "\\" else 1)]
        )
        if re.search(r"\\[^\WdDsSwWAzbBfnrtv]", part):
            raise _NoAnswer
        self._at += len(part)
        return part

    def _character(self, part: str) -> Step:
        fits = re.compile(part if len(part) > 1 or part == "." else re.escape(part), re.ASCII)
        steps = {at for at, char in enumerate(self._text) if fits.fullmatch(char)}
        return lambda places: frozenset(at + 1 for at in places if at in steps)

    def _bounds(self, places: Places, wanted: bool) -> Places:
        word = [char == "_" or (char.isascii() and char.isalnum()) for char in self._text]
        sides = [False, *word, False]
        return frozenset(at for at in places if (sides[at] != sides[at + 1]) == wanted)
