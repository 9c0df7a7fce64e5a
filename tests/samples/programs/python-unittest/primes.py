"""Prime numbers: `python primes.py 20`."""

import sys


def primes(limit):
    """All primes up to a limit."""
    sieve = [True] * (limit + 1)
    found = []
    for number in range(2, limit + 1):
        if sieve[number]:
            found.append(number)
            for multiple in range(number * number, limit + 1, number):
                sieve[multiple] = False
    return found


if __name__ == "__main__":
    print(*primes(int(sys.argv[1])))
