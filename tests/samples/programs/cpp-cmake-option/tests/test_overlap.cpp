#include "interval/interval.hpp"

int main() {
  bool fine = interval::overlap({1, 4}, {4, 6}) && !interval::overlap({1, 2}, {3, 4});
  return fine ? 0 : 1;
}
