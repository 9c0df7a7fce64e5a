"""GitLab's `rules: if` expressions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sandbox.expressions import BadExpression, holds

VARIABLES = {"CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main", "EMPTY": "", "P": "/^v\\d/"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$CI_COMMIT_BRANCH", True),
        ("$EMPTY", False),
        ("$ABSENT", False),
        ("$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH", True),
        ('$CI_COMMIT_BRANCH != "main"', False),
        ("$ABSENT == null", True),
        ('$EMPTY == ""', True),
        ("$EMPTY == null", False),
        ("$CI_COMMIT_BRANCH =~ /^MA/i", True),
        ("$CI_COMMIT_BRANCH =~ /^MA/", False),
        ("$CI_COMMIT_BRANCH !~ /^feature/", True),
        ("$ABSENT =~ /x/", False),
        ('"v1" =~ $P', True),
        ("$CI_COMMIT_BRANCH && $ABSENT", False),
        ("$ABSENT || $CI_COMMIT_BRANCH", True),
        ("$CI_COMMIT_BRANCH || $ABSENT && $ABSENT", True),
        ("($CI_COMMIT_BRANCH || $ABSENT) && $ABSENT", False),
        ("${CI_COMMIT_BRANCH} == 'main'", True),
        (r'"a/b" =~ /a\/b/', True),
    ],
)
def test_truth(text: str, expected: bool) -> None:
    """Each form of GitLab's documentation has the truth that GitLab gives it."""
    assert holds(text, VARIABLES) is expected


@pytest.mark.parametrize(
    "text", ["", "==", "$A ==", "($A", "$A $B", "$A = 1", "/(/ =~ $A", "$A =~ /(/"]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    """A text that GitLab would not take raises `BadExpression`, and nothing else."""
    with pytest.raises(BadExpression):
        holds(text, VARIABLES)


@given(st.text(alphabet="$A\"'/=!~&|() null", max_size=40))
def test_any_text_is_judged_or_refused(text: str) -> None:
    """A text is true, false or `BadExpression`, and nothing else."""
    try:
        verdict = holds(text, {"A": "1"})
    except BadExpression:
        return
    assert verdict in (True, False)
