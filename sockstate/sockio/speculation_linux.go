package sockio

// speculation decides whether a speculative system call is worthwhile, before epoll reports an event: for the end of a handshake
// right after connect, or for a reply right after other threads have run. On loopback it succeeds; across a network it does not, and
// would cost a system call a connection. After earlyMisses in a row only one in earlySkips is made.
type speculation struct {
	misses int
	skips  int
}

const (
	earlyMisses = 8
	earlySkips  = 256
)

func (e *speculation) worthwhile() bool {
	if e.misses < earlyMisses {
		return true
	}
	e.skips++
	return e.skips%earlySkips == 0
}

// note counts an attempt and returns whether it succeeded.
func (e *speculation) note(found bool) bool {
	if found {
		e.misses = 0
	} else {
		e.misses = min(e.misses+1, earlyMisses)
	}
	return found
}
