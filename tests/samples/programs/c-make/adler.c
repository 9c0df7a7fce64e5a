#include "adler.h"

uint32_t adler32(const unsigned char *bytes, size_t length) {
  uint32_t low = 1, high = 0;
  for (size_t place = 0; place < length; place++) {
    low = (low + bytes[place]) % 65521;
    high = (high + low) % 65521;
  }
  return high << 16 | low;
}
