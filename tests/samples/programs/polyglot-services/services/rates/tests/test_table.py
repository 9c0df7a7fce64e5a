from decimal import Decimal

import pytest

from rates.table import Table

TABLE = Table({"USD": "1.10", "CHF": "0.95"})


def test_euros_buy_what_the_rate_says():
    assert TABLE.convert("10", "EUR", "USD") == Decimal("11.00")


def test_two_others_go_by_way_of_the_euro():
    assert TABLE.convert("11", "USD", "CHF") == Decimal("9.50")


def test_an_unknown_currency_is_an_error():
    with pytest.raises(KeyError):
        TABLE.convert("1", "EUR", "XXX")
