#include "fraction.hpp"

#include <numeric>
#include <stdexcept>

Fraction::Fraction(long numerator, long denominator)
    : numerator_(numerator), denominator_(denominator) {
  if (denominator == 0) {
    throw std::invalid_argument("a denominator is not zero");
  }
  const long sign = denominator < 0 ? -1 : 1;
  const long divisor = sign * std::gcd(numerator, denominator);
  numerator_ /= divisor;
  denominator_ /= divisor;
}

Fraction operator+(const Fraction& left, const Fraction& right) {
  return {left.numerator_ * right.denominator_ + right.numerator_ * left.denominator_,
          left.denominator_ * right.denominator_};
}

bool operator==(const Fraction& left, const Fraction& right) {
  return left.numerator_ == right.numerator_ && left.denominator_ == right.denominator_;
}
