#include "interval/interval.hpp"

namespace interval {
bool overlap(const Interval &a, const Interval &b) { return a.low <= b.high && b.low <= a.high; }
int length(const Interval &a) { return a.high - a.low; }
}  // namespace interval
