package parity

import "testing"

func TestOnes(t *testing.T) {
	for number, want := range map[uint32]int{0: 0, 1: 1, 255: 8, 256: 1} {
		if got := Ones(number); got != want {
			t.Errorf("Ones(%d) = %d, want %d", number, got, want)
		}
	}
}

func TestEven(t *testing.T) {
	if !Even(3) || Even(7) {
		t.Error("3 has two bits, 7 has three")
	}
}
