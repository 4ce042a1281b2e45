package sockio

// Slots gives out the slots of a loop, the last one freed first: it is still in the caches.
// It does not touch the memory of slots that were never taken, so that a loop may have as many
// as the descriptor limit allows.
type Slots struct {
	freed []Sock // a stack
	fresh Sock   // those from here on were never taken
	n     Sock
}

// NewSlots makes n free slots, 0 to n-1.
func NewSlots(n int) Slots { return Slots{freed: make([]Sock, 0, n), n: Sock(n)} }

// Left is the number of free slots.
func (s *Slots) Left() int { return len(s.freed) + int(s.n-s.fresh) }

// Take returns a free slot. There must be one.
func (s *Slots) Take() Sock {
	if last := len(s.freed) - 1; last >= 0 {
		slot := s.freed[last]
		s.freed = s.freed[:last]
		return slot
	}
	s.fresh++
	return s.fresh - 1
}

// Free makes a slot that was taken free again.
func (s *Slots) Free(slot Sock) { s.freed = append(s.freed, slot) }
