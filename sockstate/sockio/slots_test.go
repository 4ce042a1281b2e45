package sockio

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestSlots(t *testing.T) {
	for _, n := range []int{1, 8, 63, 64, 65, 200, 4096, 4097, 64*64*64 + 1} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := NewSlots(n)
			rng := rand.New(rand.NewPCG(1, 2))
			var taken []Sock
			in := make(map[Sock]bool)
			take := func() {
				slot := s.Take()
				if slot < 0 || int(slot) >= n || in[slot] {
					t.Fatalf("slot %d, with %d taken", slot, len(taken))
				}
				in[slot] = true
				taken = append(taken, slot)
			}
			for len(taken) < n { // to where whole words are full
				take()
			}
			for range 10_000 {
				if left := s.Left(); left != n-len(taken) {
					t.Fatalf("%d left with %d taken", left, len(taken))
				}
				if s.Left() > 0 && (len(taken) == 0 || rng.IntN(2) == 0) {
					take()
					continue
				}
				i := rng.IntN(len(taken))
				s.Free(taken[i])
				delete(in, taken[i])
				taken[i] = taken[len(taken)-1]
				taken = taken[:len(taken)-1]
			}
		})
	}
	if s := NewSlots(0); s.Left() != 0 {
		t.Errorf("%d left of none", s.Left())
	}
}

func TestSlotsTakeTheLowest(t *testing.T) {
	const n = 5000
	s := NewSlots(n)
	for want := range Sock(n) {
		if got := s.Take(); got != want {
			t.Fatalf("slot %d, want %d", got, want)
		}
	}
	for _, slot := range []Sock{4999, 64, 63, 4095, 0} {
		s.Free(slot)
	}
	for _, want := range []Sock{0, 63, 64, 4095, 4999} {
		if got := s.Take(); got != want {
			t.Errorf("slot %d, want %d", got, want)
		}
	}
}

func BenchmarkSlots(b *testing.B) {
	for _, n := range []int{64, 1 << 14, 1 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := NewSlots(n)
			for range n {
				s.Take()
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.Free(Sock(i * 7919 % n))
				s.Take()
			}
		})
	}
}
