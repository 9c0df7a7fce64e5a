import pytest

from units import Length


@pytest.mark.parametrize(("unit", "value"), [("m", 1000.0), ("km", 1.0)])
def test_a_length_converts(unit, value):
    assert Length(1, "km").to(unit).value == value


def test_feet():
    assert Length(1, "ft").to("m").value == pytest.approx(0.3048)


def test_lengths_add_in_the_first_unit():
    assert Length(1, "km") + Length(500, "m") == Length(1.5, "km")


def test_an_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="unit"):
        Length(1, "furlong")
