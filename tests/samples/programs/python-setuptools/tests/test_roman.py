import pytest

from roman import read, write


@pytest.mark.parametrize(
    ("number", "numeral"), [(1, "I"), (4, "IV"), (1994, "MCMXCIV"), (3999, "MMMCMXCIX")]
)
def test_both_ways(number, numeral):
    assert write(number) == numeral
    assert read(numeral) == number


def test_nothing_stands_for_zero():
    with pytest.raises(ValueError):
        write(0)
