// Package parity counts bits in C.
package parity

/*
static int ones(unsigned int number) {
  int found = 0;
  for (; number; number &= number - 1) found++;
  return found;
}
*/
import "C"

// Ones is the number of bits of number that are set.
func Ones(number uint32) int {
	return int(C.ones(C.uint(number)))
}

// Even tells whether an even number of bits is set.
func Even(number uint32) bool {
	return Ones(number)%2 == 0
}
