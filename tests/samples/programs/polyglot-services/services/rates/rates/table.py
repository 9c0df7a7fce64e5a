"""Rates against the euro, and conversion between any two of them."""

from decimal import ROUND_HALF_EVEN, Decimal

CENT = Decimal("0.01")


class Table:
    """Rates by currency: how much of it one euro buys."""

    def __init__(self, rates):
        self._rates = {"EUR": Decimal(1), **{name: Decimal(rate) for name, rate in rates.items()}}

    def convert(self, amount, source, target):
        """`amount` of `source` in `target`, to the cent; raises KeyError for an unknown one."""
        euros = Decimal(amount) / self._rates[source]
        return (euros * self._rates[target]).quantize(CENT, ROUND_HALF_EVEN)
