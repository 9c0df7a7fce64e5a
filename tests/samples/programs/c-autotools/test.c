#include <stdio.h>
#include "calc.h"

int main(void) {
  if (add(1, 2) != 3) { puts("add"); return 1; }
  return 0;
}
