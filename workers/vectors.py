"""Repository features as a vector: no model, no download, the same everywhere.

Feature hashing with signs (Weinberger et al., "Feature Hashing for Large Scale Multitask
Learning", ICML 2009): each feature adds +1 or -1 to one of 384 places, so that collisions cancel
out on average, and the sum is brought to length 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from math import sqrt

DIMENSIONS = 384


def vector(features: Iterable[str]) -> list[float]:
    """384 numbers, together of length 1. Order and repetition of features do not matter.

    Without features (or where they cancel out) it is a fixed direction: a cosine needs one.
    """
    sums = [0.0] * DIMENSIONS
    # Sorted, since adding in another order could end in another last digit.
    for feature in sorted(set(features)):
        digest = int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "big")
        sums[(digest >> 1) % DIMENSIONS] += 1.0 if digest & 1 else -1.0
    length = sqrt(sum(value * value for value in sums))
    return [value / length for value in sums] if length else [1.0] + [0.0] * (DIMENSIONS - 1)
