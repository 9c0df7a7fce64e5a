"""Whether GitLab's RE2 would compile a pattern, judged without ever running it.

RE2 (https://github.com/google/re2/wiki/Syntax) has no backreferences, no look-around, no atomic
groups, no possessive repetition, and repeats at most 1000 times. The scan is one pass over the
text, so a hostile pattern costs no more than its length.
"""

from __future__ import annotations

import re
from typing import Final

MAX_REPEAT: Final = 1000
# No pattern of a person is longer; RE2's own bound is the memory of the compiled program.
MAX_LENGTH: Final = 20_000
_SLASHED = re.compile(r"/(.*)/([ismU]*)\Z", re.DOTALL)
_REPEAT = re.compile(r"\{(\d+)(?:(,)(\d*))?\}")
_GROUP = re.compile(r"\((?:\?(?:P?<([A-Za-z_]\w*)>|([imsU]*(?:-[imsU]+)?)([:)])))?")
_OCTAL = re.compile(r"\\[1-7][0-7]")
_PROPERTY = re.compile(r"\\[pP](?:\{\^?\w{1,60}\}|[A-Z])")
_CLASS_NAME = re.compile(r"\[:\^?(\w+):\]")
_ESCAPES: Final = frozenset("AbBCdDsSwWzQEpPafnrtvx01234567")
_CLASS_ESCAPES: Final = frozenset("dDsSwWafnrtvxpP01234567")
_POSIX: Final = frozenset(
    ("alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph")
    + ("lower", "print", "punct", "space", "upper", "word", "xdigit")
)
_LOOKAROUND: Final = ("(?=", "(?!", "(?<=", "(?<!")


def slashed(text: str) -> str | None:
    """What stands between the slashes of `/…/flags`, or None if the text has another form."""
    match = _SLASHED.match(text)
    return match.group(1) if match else None


def fault(pattern: str) -> str | None:
    """Why RE2 refuses the pattern, as the end of a sentence; None if it compiles."""
    return _Scan(pattern).run() if len(pattern) <= MAX_LENGTH else None


class _Scan:
    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.depth = 0
        self.repeatable = False
        self.repeated = False

    def run(self) -> str | None:
        while self.at < len(self.text):
            problem = self._step(self.text[self.at])
            if problem:
                return problem
        return "has a `(` that is never closed" if self.depth else None

    def _step(self, char: str) -> str | None:
        if char == "\\":
            return self._escape()
        if char == "[":
            return self._class()
        if char == "(":
            return self._group()
        if char == ")":
            self.depth -= 1
            self._atom(1)
            return "has a `)` without its `(`" if self.depth < 0 else None
        if char in "*+?":
            return self._repeat(1)
        if char == "{" and (match := _REPEAT.match(self.text, self.at)):
            return self._counted(match)
        self._atom(1)
        self.repeatable = char != "|"
        return None

    def _atom(self, length: int) -> None:
        self.at += length
        self.repeatable, self.repeated = True, False

    def _repeat(self, length: int) -> str | None:
        if not self.repeatable:
            return f"repeats nothing before `{self.text[self.at : self.at + length]}`"
        if self.repeated:
            return "repeats a repetition, which RE2 does not allow"
        self.at += length
        if self.text[self.at : self.at + 1] == "?":
            self.at += 1
        self.repeated = True
        return None

    def _counted(self, match: re.Match[str]) -> str | None:
        least, _, most = match.groups()
        numbers = [int(n[:9]) for n in (least, most) if n]
        if max(numbers) > MAX_REPEAT or (len(numbers) == 2 and numbers[0] > numbers[1]):
            return f"has the repetition {match.group(0)[:20]}; RE2 allows 0 to {MAX_REPEAT}"
        return self._repeat(match.end() - match.start())

    def _group(self) -> str | None:
        if self.text.startswith(_LOOKAROUND, self.at):
            return "uses look-around, which RE2 does not have"
        if self.text.startswith("(?>", self.at):
            return "uses an atomic group, which RE2 does not have"
        match = _GROUP.match(self.text, self.at)
        if match is None or (match.group(0) == "(" and self.text[self.at + 1 : self.at + 2] == "?"):
            return "has a group that RE2 does not know"
        self.at = match.end()
        if match.group(3) != ")":
            self.depth += 1
            self.repeatable = False
        return None

    def _escape(self) -> str | None:
        following = self.text[self.at + 1 : self.at + 2]
        if not following:
            return "ends in a single backslash"
        if following in "123456789" and not _OCTAL.match(self.text, self.at):
            return "uses a backreference, which RE2 does not have"
        if following.isalnum() and following.isascii() and following not in _ESCAPES:
            return f"uses the escape \\{following}, which RE2 does not know"
        if following == "Q":
            end = self.text.find("\\E", self.at)
            self.at = len(self.text) if end < 0 else end + 2
            self.repeatable, self.repeated = True, False
            return None
        if following in "pP" and not _PROPERTY.match(self.text, self.at):
            return "uses \\p without the name of a class"
        self._atom(2)
        if following in "bBAz":
            self.repeatable = True
        return None

    def _class(self) -> str | None:
        start = self.at
        self.at += 2 if self.text[start + 1 : start + 2] == "^" else 1
        first = True
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "]" and not first:
                self._atom(1)
                return None
            first = False
            problem = self._class_item(char)
            if problem:
                return problem
        return "has a `[` that is never closed"

    def _class_item(self, char: str) -> str | None:
        if char == "\\":
            following = self.text[self.at + 1 : self.at + 2]
            if not following:
                return "ends in a single backslash"
            if following.isalnum() and following.isascii() and following not in _CLASS_ESCAPES:
                return f"uses the escape \\{following} between brackets, which RE2 does not know"
            self.at += 2
            return None
        if char == "[" and (match := _CLASS_NAME.match(self.text, self.at)):
            self.at = match.end()
            return None if match.group(1) in _POSIX else f"knows no class [:{match.group(1)}:]"
        low, high = char, self.text[self.at + 2 : self.at + 3]
        if self.text[self.at + 1 : self.at + 2] == "-" and high not in ("", "]", "\\", "["):
            self.at += 3
            return f"has the range {low}-{high} the wrong way round" if low > high else None
        self.at += 1
        return None
