#include <stdio.h>

#include "adler.h"

int main(void) {
  const unsigned char text[] = "Wikipedia";
  if (adler32(text, sizeof text - 1) != 0x11e60398) {
    fprintf(stderr, "the checksum of a known text is wrong\n");
    return 1;
  }
  if (adler32(text, 0) != 1) {
    fprintf(stderr, "the checksum of nothing is not 1\n");
    return 1;
  }
  return 0;
}
