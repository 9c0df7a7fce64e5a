"""GitLab's expressions of `rules: if`: `==`, `!=`, `=~`, `!~`, `&&`, `||`, parentheses, null."""

from __future__ import annotations

import re
from collections.abc import Mapping

TOKEN = re.compile(
    r"""\s*(?:
    (?P<variable>\$\w+|\$\{\w+\})
  | (?P<text>"[^"]*"|'[^']*')
  | (?P<pattern>/(?:\\.|[^/\\])+/[ims]*)
  | (?P<null>null\b)
  | (?P<op>==|!=|=~|!~|&&|\|\||\(|\))
    )""",
    re.VERBOSE,
)
Token = tuple[str, str]


class BadExpression(ValueError):
    """The text is no expression that GitLab would take."""


def holds(text: str, variables: Mapping[str, str]) -> bool:
    """Whether an `if` is true for these variables; an unset or empty variable alone is false.

    Raises `BadExpression`.
    """
    parser = _Parser(_tokens(text), variables)
    value = parser.either()
    if parser.left:
        raise BadExpression(text)
    return bool(value)


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise BadExpression(text)
        found.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return found


class _Parser:
    """Recursive descent; `&&` binds closer than `||`."""

    def __init__(self, tokens: list[Token], variables: Mapping[str, str]) -> None:
        self.left = tokens
        self.variables = variables

    def take(self, *wanted: str) -> str | None:
        if self.left and self.left[0][0] == "op" and self.left[0][1] in wanted:
            return self.left.pop(0)[1]
        return None

    def either(self) -> object:
        value = self.both()
        while self.take("||"):
            right = self.both()
            value = value or right
        return value

    def both(self) -> object:
        value = self.comparison()
        while self.take("&&"):
            right = self.comparison()
            value = value and right
        return value

    def comparison(self) -> object:
        if self.take("("):
            value = self.either()
            if not self.take(")"):
                raise BadExpression("missing )")
            return value
        left = self.operand()
        operator = self.take("==", "!=", "=~", "!~")
        if operator is None:
            return left
        right = self.operand()
        if operator in ("==", "!="):
            return (left == right) is (operator == "==")
        return matches(left, right) is (operator == "=~")

    def operand(self) -> str | re.Pattern[str] | None:
        if not self.left:
            raise BadExpression("an operand is missing")
        kind, text = self.left.pop(0)
        if kind == "variable":
            return self.variables.get(text.strip("${}"))
        if kind == "text":
            return text[1:-1]
        if kind == "pattern":
            return pattern(text)
        if kind == "null":
            return None
        raise BadExpression(text)


def pattern(text: str) -> re.Pattern[str]:
    """A `/…/flags` literal."""
    body, _, flags = text[1:].rpartition("/")
    try:
        return re.compile(body, sum(re.RegexFlag[flag.upper()] for flag in set(flags)))
    except re.error as error:
        raise BadExpression(text) from error


def matches(left: object, right: object) -> bool:
    """Whether a value matches; the right side may be a variable that holds `/…/`."""
    if isinstance(right, str) and right.startswith("/"):
        right = pattern(right)
    if not isinstance(left, str) or not isinstance(right, re.Pattern):
        return False
    return right.search(left) is not None
