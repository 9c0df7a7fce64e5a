"""A length that knows its unit."""

from __future__ import annotations

import attrs

METRES = {"m": 1.0, "km": 1000.0, "ft": 0.3048}


@attrs.frozen
class Length:
    """A number of units."""

    value: float
    unit: str = attrs.field(validator=attrs.validators.in_(METRES))

    def to(self, unit: str) -> Length:
        """The same length in another unit."""
        return Length(self.value * METRES[self.unit] / METRES[unit], unit)

    def __add__(self, other: Length) -> Length:
        return Length(self.value + other.to(self.unit).value, self.unit)
