package sockio

import "math/bits"

// Slots gives out the slots of a loop, the lowest first: few connections stay within few
// slots, whose state is in the caches, and memory of slots beyond the most that were ever
// taken at once is never touched. So a loop may have as many as the descriptor limit
// allows. It costs a bit a slot; a stack of those that are free would cost four bytes.
type Slots struct {
	// full[0] has a bit for each slot that is taken; a bit of full[k+1] says that the word
	// of full[k] has no zero left.
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

// Free makes a slot that was taken free again.
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
