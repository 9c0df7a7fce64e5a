#include "interval/interval.hpp"

int main() { return interval::length({2, 7}) == 5 ? 0 : 1; }
