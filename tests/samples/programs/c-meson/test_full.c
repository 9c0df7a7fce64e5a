#include "ring.h"

int main(void) {
  struct ring ring = {0};
  for (int item = 0; item < RING_SIZE; item++) {
    if (!ring_put(&ring, item)) {
      return 1;
    }
  }
  return ring_put(&ring, RING_SIZE) ? 1 : 0;
}
