package sockio

import (
	"math/rand/v2"
	"testing"
)

func TestSlots(t *testing.T) {
	const n = 8
	s := NewSlots(n)
	rng := rand.New(rand.NewPCG(1, 2))
	var taken []Sock
	in := make(map[Sock]bool)
	for range 10_000 {
		if left := s.Left(); left != n-len(taken) {
			t.Fatalf("%d left with %d taken", left, len(taken))
		}
		if s.Left() > 0 && (len(taken) == 0 || rng.IntN(2) == 0) {
			slot := s.Take()
			if slot < 0 || slot >= n || in[slot] {
				t.Fatalf("slot %d, with %v taken", slot, taken)
			}
			in[slot] = true
			taken = append(taken, slot)
			continue
		}
		i := rng.IntN(len(taken))
		s.Free(taken[i])
		delete(in, taken[i])
		taken[i] = taken[len(taken)-1]
		taken = taken[:len(taken)-1]
	}
}

func TestSlotsTakeTheLastFreed(t *testing.T) {
	s := NewSlots(4)
	for want := range Sock(3) {
		if got := s.Take(); got != want {
			t.Errorf("slot %d, want %d", got, want)
		}
	}
	s.Free(0)
	s.Free(2)
	for _, want := range []Sock{2, 0, 3} {
		if got := s.Take(); got != want {
			t.Errorf("slot %d, want %d", got, want)
		}
	}
}
