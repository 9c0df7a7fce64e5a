"""Conditions of `rules:if` and `only:variables`, read exactly as GitLab reads them.

Lexemes and the way operators are put into order follow lib/gitlab/ci/pipeline/expression: a list
of at most 99 tokens, turned into reverse Polish notation. What is odd but accepted there (an
operator after its two values) is accepted here.
"""

from __future__ import annotations

import re
from typing import Final

from workers.pipeline.lint import regex

# `Lexer::MAX_TOKENS` is 100, and the hundredth is already too many.
MAX_TOKENS: Final = 99
_TOKENS: Final = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("(", r"\("),
        (")", r"\)"),
        ("value", r"\$\[\[[^\[\]]{0,300}\]\]"),
        ("variable", r"\$\w+"),
        ("value", r"\"[^\"\n]*\"|'[^'\n]*'"),
        ("pattern", r"/(?:[^/]|\\/)+[^\\]/[ismU]*"),
        ("value", r"null"),
        ("value", r"\b(?:true|false)\b"),
        ("==", r"=="),
        ("=~", r"=~"),
        ("!=", r"!="),
        ("!~", r"!~"),
        ("&&", r"&&"),
        ("||", r"\|\|"),
    )
)
_PRECEDENCE: Final = {"==": 10, "!=": 10, "=~": 10, "!~": 10, "&&": 11, "||": 12}
_INK = re.compile(r"\S")
Token = tuple[str, str]


def fault(text: str) -> str | None:
    """Why GitLab refuses the condition, as the end of a sentence; None if it is well formed."""
    tokens: list[Token] = []
    at = 0
    while (ink := _INK.search(text, at)) is not None:
        at = ink.start()
        token = _next(text, at)
        if token is None:
            return _unknown(text[at:])
        if len(tokens) == MAX_TOKENS:
            return f"has more than {MAX_TOKENS} parts"
        tokens.append(token)
        at += len(token[1])
    return _pattern_fault(tokens) or _order_fault(tokens)


def variables(text: str) -> list[str]:
    """The names of the variables that a condition asks for."""
    bare = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", "", text)
    return re.findall(r"\$(\w+)", bare)


def _next(text: str, at: int) -> Token | None:
    for kind, pattern in _TOKENS:
        match = pattern.match(text, at)
        if match is not None:
            return kind, match.group(0)
    return None


def _unknown(rest: str) -> str:
    shown = rest[:20].split("\n")[0]
    if rest.startswith("${"):
        return f"uses `{shown}`; write the variable without braces, as `$NAME`"
    if rest[0] == "=":
        return "uses a single `=`; compare with `==`"
    if rest[0] in "&|":
        return f"uses a single `{rest[0]}`; write `{rest[0] * 2}`"
    if rest[0] == "!":
        return "negates with `!`; compare with `== null` or `!=` instead"
    if re.match(r"/[^/]/", rest):
        return (
            f"has the pattern `{shown[:3]}`; GitLab reads only patterns of two or more characters"
        )
    if rest[0] == "/":
        return f"has a pattern that is not closed at `{shown}`"
    if rest[0] in "\"'":
        return f"has a quote that is not closed at `{shown}`"
    return f"has `{shown}`, which is no variable, text in quotes, pattern or operator"


def _pattern_fault(tokens: list[Token]) -> str | None:
    for kind, text in tokens:
        if kind == "pattern":
            inside = regex.slashed(text.replace("\\/", "/"))
            problem = regex.fault(inside) if inside is not None else "is no pattern"
            if problem:
                return f"has the pattern `{text[:40]}`, which {problem}"
    return None


def _order_fault(tokens: list[Token]) -> str | None:
    if not tokens:
        return "is empty"
    output = _reverse_polish(tokens)
    if output is None:
        return "closes a parenthesis that was not opened"
    depth = 0
    for kind, text in output:
        if kind in ("(", ")"):
            return "opens a parenthesis that is not closed"
        if kind in _PRECEDENCE:
            if depth < 2:
                return f"misses a value beside `{text}`"
            depth -= 1
        else:
            depth += 1
    return None if depth == 1 else "has two values with no operator between them"


def _reverse_polish(tokens: list[Token]) -> list[Token] | None:
    output: list[Token] = []
    operators: list[Token] = []
    for token in tokens:
        kind = token[0]
        if kind == "(":
            operators.append(token)
        elif kind == ")":
            while operators and operators[-1][0] != "(":
                output.append(operators.pop())
            if not operators:
                return None
            operators.pop()
        elif kind in _PRECEDENCE:
            while operators and operators[-1][0] != "(":
                if _PRECEDENCE[kind] < _PRECEDENCE[operators[-1][0]]:
                    break
                output.append(operators.pop())
            operators.append(token)
        else:
            output.append(token)
    return output + operators[::-1]
