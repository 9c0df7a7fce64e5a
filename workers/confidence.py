"""How much a record of successes and failures is worth, today."""

from __future__ import annotations

from math import sqrt

HALF_LIFE_S = 90 * 86400.0
"""After this long an outcome counts half: base images, registries and tools have moved on."""
EPOCH_S = 1_750_000_000.0
"""Weights are counted from here; any fixed time does, since only their ratio to now is used."""
Z_95 = 1.959964
"""The normal distribution's quantile for a two-sided interval of 95 per cent."""


def lower_bound(successes: float, failures: float) -> float:
    """Lower end of Wilson's 95 % score interval for the share of successes, 0 to 1.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22
    (1927). Counts may be fractions: outcomes weigh less as they age. 0 without any.
    """
    total = successes + failures
    if total <= 0:
        return 0.0
    z2 = Z_95 * Z_95
    spread = Z_95 * sqrt(successes * failures / total + z2 / 4)
    return max(0.0, (successes + z2 / 2 - spread) / (total + z2))


def weight(at: float) -> float:
    """What an outcome of that time counts, in a scale that only grows.

    Forward decay (Cormode et al., "Forward Decay", ICDE 2009): sums of weights never need
    rewriting as time passes; divided by the weight of now they are the decayed counts.
    """
    return float(2.0 ** ((at - EPOCH_S) / HALF_LIFE_S))
