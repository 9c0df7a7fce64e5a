"""Roman numerals from 1 to 3999."""

SIGNS = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)


def write(number: int) -> str:
    """The numeral of a number. Raises ValueError where there is none."""
    if not 1 <= number <= 3999:
        raise ValueError(f"no numeral for {number}")
    numeral = ""
    for value, sign in SIGNS:
        numeral += sign * (number // value)
        number %= value
    return numeral


def read(numeral: str) -> int:
    """The number of a numeral. Raises ValueError for anything else."""
    for number in range(1, 4000):
        if write(number) == numeral:
            return number
    raise ValueError(f"no numeral: {numeral}")
