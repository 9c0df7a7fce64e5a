#include "fraction.hpp"

int main() {
  const Fraction half(-2, -4);
  return half.numerator() == 1 && half.denominator() == 2 ? 0 : 1;
}
