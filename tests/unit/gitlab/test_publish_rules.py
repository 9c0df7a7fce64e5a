"""The pure rules of publishing: names, patterns of protection, ownership."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.steps.protection import matches
from workers.steps.publish import branch_name, is_ours

BRANCH = branch_name("0123456789abcdef0123456789abcdef01234567")


def test_the_branch_is_a_function_of_the_source() -> None:
    """Eight digits of the analysed commit behind our prefix."""
    assert BRANCH == "devops-backend/ci-01234567"


@pytest.mark.parametrize(
    ("pattern", "hit"),
    [
        ("*", True),
        ("devops-backend/*", True),
        ("*/ci-*", True),
        ("devops-backend*", True),
        ("*01234567", True),
        (BRANCH, True),
        ("Devops-Backend/*", False),
        ("main", False),
        ("devops-backend", False),
        ("release/*", False),
        ("devops.backend/ci-01234567", False),
        ("devops-backend/ci-0123456[0-9]", False),
        ("devops-backend/ci-????????", False),
        ("", False),
    ],
)
def test_patterns_are_gitlabs(pattern: str, hit: bool) -> None:
    """Only `*` is special, it spans `/`, and case counts."""
    assert matches(BRANCH, ["main", pattern]) == (pattern if hit else None)


@given(name=st.text("ab/*.\n", max_size=8), pattern=st.text("ab/*.\n", max_size=6))
def test_a_pattern_matches_as_its_parts_say(name: str, pattern: str) -> None:
    """Against a second, slower reading of the rule."""

    def slow(text: str, rule: str) -> bool:
        if not rule:
            return not text
        if rule[0] == "*":
            return any(slow(text[cut:], rule[1:]) for cut in range(len(text) + 1))
        return bool(text) and text[0] == rule[0] and slow(text[1:], rule[1:])

    assert (matches(name, [pattern]) is not None) == slow(name, pattern)


@pytest.mark.parametrize(
    ("message", "ours"),
    [
        ("Add a CI pipeline\n\nDevops-Backend-Run: r1", True),
        ("Add a CI pipeline\n\nDevops-Backend-Run: r1\n", True),
        ("Devops-Backend-Run: r1\n\nand more", False),
        ("fix Devops-Backend-Run: r1", False),
        ("", False),
    ],
)
def test_our_commits_end_with_our_trailer(message: str, ours: bool) -> None:
    """A mention elsewhere in a message makes no commit ours."""
    assert is_ours(message) is ours


def test_the_message_lets_pipelines_run() -> None:
    """GitLab skips a pipeline for `[skip ci]` and its spellings in the message."""
    from workers.steps import publish

    message = f"{publish.SUBJECT}\n\n{publish.TRAILER}: run-1"
    assert not re.search(r"\[(skip[ _-]ci|ci[ _-]skip)\]", message, re.IGNORECASE)
