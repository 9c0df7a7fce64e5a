"""Commands found in other files: which are safe to take over, and what they are for."""

from __future__ import annotations

import re
from functools import cache

from workers.detect.rules import table

_SAFE = re.compile(r"[A-Za-z0-9./][A-Za-z0-9 ./:@=,+*_\"'\[\]-]*")
_INSTALLS = re.compile(
    r"\b(pip3?|npm|pnpm|yarn|apt|apt-get|gem|brew|pipx|conda|cargo|go) (\S+ )*?(install|add)\b"
    r"|[:_-]install\b"
)
LONGEST = 160


@cache
def _purposes() -> tuple[tuple[str, re.Pattern[str]], ...]:
    rules = table("commands")
    return tuple((name, re.compile(rules[name])) for name in ("lint", "test", "build"))


@cache
def _known() -> frozenset[str]:
    return frozenset(table("commands")["tools"]["known"])


def purpose_of(command: str) -> str | None:
    """`lint`, `test` or `build`; None for anything else."""
    if _INSTALLS.search(command):
        return None
    return next((name for name, pattern in _purposes() if pattern.search(command)), None)


def safe(command: str) -> bool:
    """Whether it is one plain command of a known tool: no variables, pipes, quotes left open."""
    if len(command) > LONGEST or not _SAFE.fullmatch(command):
        return False
    if command.count('"') % 2 or command.count("'") % 2:
        return False
    return command.split(" ", 1)[0] in _known()


def plain(line: str) -> str:
    """A line of a script without what surrounds the command (`travis_retry`, `set -e`, `- `)."""
    line = line.strip().removeprefix("- ").strip("\"'").strip()
    line = re.sub(r"^(travis_retry|travis_wait( \d+)?|time|sudo|exec|xvfb-run( -a)?)\s+", "", line)
    return line.rstrip(";").strip()
