package sockio

// earliness decides whether to look for the end of a handshake right after connect.
// On loopback it is over by then; across a network it is not, and looking would cost a
// system call a connection. After a run of misses it looks only now and then.
type earliness struct {
	misses int
	skips  int
}

const (
	earlyMisses = 8
	earlySkips  = 256
)

func (e *earliness) worthwhile() bool {
	if e.misses < earlyMisses {
		return true
	}
	e.skips++
	return e.skips%earlySkips == 0
}

// note counts a look and returns whether the handshake was over.
func (e *earliness) note(over bool) bool {
	if over {
		e.misses = 0
	} else {
		e.misses = min(e.misses+1, earlyMisses)
	}
	return over
}
