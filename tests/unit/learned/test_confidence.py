"""How much a record of successes and failures says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.confidence import HALF_LIFE_S, lower_bound, weight

counts = st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("successes", "failures", "expected"),
    [
        (0, 0, 0.0),
        (1, 0, 0.2065),
        (10, 0, 0.7225),
        (81, 19, 0.7222),
        (0, 10, 0.0),
        (1, 1, 0.0945),
    ],
)
def test_known_values(successes: float, failures: float, expected: float) -> None:
    """Lower ends of the 95 % Wilson interval, as R's binom.confint(method="wilson") gives them."""
    assert lower_bound(successes, failures) == pytest.approx(expected, abs=5e-5)


@given(counts, counts)
def test_it_is_a_share_below_the_observed_one(successes: float, failures: float) -> None:
    """Between 0 and the share that was seen, whatever the counts."""
    bound = lower_bound(successes, failures)
    total = successes + failures
    assert 0 <= bound <= (successes / total if total else 0) + 1e-9


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_success_raises_and_failure_lowers_it(successes: int, failures: int) -> None:
    """One more success is never worse, one more failure never better."""
    here = lower_bound(successes, failures)
    assert lower_bound(successes + 1, failures) >= here - 1e-12
    assert lower_bound(successes, failures + 1) <= here + 1e-12


def test_more_of_the_same_evidence_says_more() -> None:
    """Nine of ten says less than ninety of a hundred."""
    assert lower_bound(9, 1) < lower_bound(90, 10) < lower_bound(900, 100) < 0.9


@given(st.floats(1.6e9, 2.5e9))
def test_an_outcome_counts_half_after_its_half_life(at: float) -> None:
    """The weight of a time against that of one half-life later is a half, whenever that is."""
    assert weight(at) / weight(at + HALF_LIFE_S) == pytest.approx(0.5)
