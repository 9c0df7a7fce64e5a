#include "fraction.hpp"

#include <stdexcept>

int main() {
  try {
    Fraction(1, 0);
  } catch (const std::invalid_argument&) {
    return 0;
  }
  return 1;
}
