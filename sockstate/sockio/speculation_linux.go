package sockio

// speculation decides whether to look for something before epoll tells of it: for the end of a
// handshake right after connect, for an answer right after the peer's turn. On loopback it is
// there by then; across a network it is not, and looking would cost a system call a
// connection. After a run of misses it looks only now and then.
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

// note counts a look and returns whether it found something.
func (e *speculation) note(found bool) bool {
	if found {
		e.misses = 0
	} else {
		e.misses = min(e.misses+1, earlyMisses)
	}
	return found
}
