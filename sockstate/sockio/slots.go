package sockio

import "math/bits"

// Slots allocates the slots of a loop, the lowest first. Few connections use few slots, whose
// state stays in the CPU's caches, and memory above the highest slot ever used is never touched. So a
// loop may have as many slots as the descriptor limit allows. It takes a bit per slot; a stack of
// free slots would take four bytes.
type Slots struct {
	// full[0] has a bit for each slot, set if it is taken. A bit of full[k+1] is set if its
	// word of full[k] has no zero left.
	full  [][]uint64
	taken int
	n     int
}

// NewSlots makes n free slots, 0 to n-1.
func NewSlots(n int) Slots {
	s := Slots{n: n}
	for words := (n + 63) / 64; ; words = (words + 63) / 64 {
		s.full = append(s.full, make([]uint64, words))
		if words <= 1 {
			return s
		}
	}
}

// Left is the number of free slots.
func (s *Slots) Left() int { return s.n - s.taken }

// Take returns the lowest free slot. There must be one.
func (s *Slots) Take() Sock {
	i := 0
	for level := len(s.full) - 1; level >= 0; level-- {
		i = i<<6 | bits.TrailingZeros64(^s.full[level][i])
	}
	s.taken++
	for level, at := 0, i; level < len(s.full); level, at = level+1, at>>6 {
		word := &s.full[level][at>>6]
		*word |= 1 << (at & 63)
		if *word != ^uint64(0) {
			break
		}
	}
	return Sock(i)
}

// Free frees a slot.
func (s *Slots) Free(slot Sock) {
	s.taken--
	for level, at := 0, int(slot); level < len(s.full); level, at = level+1, at>>6 {
		word := &s.full[level][at>>6]
		was := *word
		*word &^= 1 << (at & 63)
		if was != ^uint64(0) {
			return
		}
	}
}
