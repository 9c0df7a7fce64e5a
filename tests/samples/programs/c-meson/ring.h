#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stddef.h>

#define RING_SIZE 4

/* A queue of a few integers that never allocates. */
struct ring {
  int items[RING_SIZE];
  size_t first;
  size_t count;
};

/* False where the ring is full. */
bool ring_put(struct ring *ring, int item);

/* False where the ring is empty. */
bool ring_take(struct ring *ring, int *item);

#endif
