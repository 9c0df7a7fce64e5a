#include <stdio.h>

#include "adler.h"

int main(void) {
  unsigned char bytes[4096];
  size_t length = fread(bytes, 1, sizeof bytes, stdin);
  printf("%08x\n", adler32(bytes, length));
  return 0;
}
