#include "fraction.hpp"

int main() { return Fraction(1, 2) + Fraction(1, 3) == Fraction(5, 6) ? 0 : 1; }
