#pragma once

namespace interval {
struct Interval {
  int low;
  int high;
};
bool overlap(const Interval &a, const Interval &b);
int length(const Interval &a);
}  // namespace interval
