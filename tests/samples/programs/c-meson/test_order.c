#include "ring.h"

int main(void) {
  struct ring ring = {0};
  int first = 0, second = 0;
  ring_put(&ring, 1);
  ring_put(&ring, 2);
  ring_take(&ring, &first);
  ring_take(&ring, &second);
  return first == 1 && second == 2 ? 0 : 1;
}
