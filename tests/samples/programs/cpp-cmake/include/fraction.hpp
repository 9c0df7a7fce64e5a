#pragma once

/// A fraction in lowest terms; its denominator is positive.
class Fraction {
 public:
  /// Throws std::invalid_argument for a denominator of zero.
  Fraction(long numerator, long denominator);

  long numerator() const { return numerator_; }
  long denominator() const { return denominator_; }

  friend Fraction operator+(const Fraction& left, const Fraction& right);
  friend bool operator==(const Fraction& left, const Fraction& right);

 private:
  long numerator_;
  long denominator_;
};
