import unittest

from primes import primes


class Primes(unittest.TestCase):
    def test_small(self):
        self.assertEqual(primes(10), [2, 3, 5, 7])

    def test_none_below_two(self):
        self.assertEqual(primes(1), [])


if __name__ == "__main__":
    unittest.main()
