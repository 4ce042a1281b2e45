package sockio

// speculation decides whether to try an operation before epoll reports its event: the end of a handshake right after connect, or
// a reply right after other threads have run. On loopback that succeeds. Across a network it does not, and would cost a system call
// for each connection. After maxMisses failures in a row only one attempt in retryEvery is made.
type speculation struct {
	misses int
	skips  int
}

const (
	maxMisses  = 8
	retryEvery = 256
)

func (e *speculation) worthwhile() bool {
	if e.misses < maxMisses {
		return true
	}
	e.skips++
	return e.skips%retryEvery == 0
}

// note counts an attempt and returns whether it succeeded.
func (e *speculation) note(found bool) bool {
	if found {
		e.misses = 0
	} else {
		e.misses = min(e.misses+1, maxMisses)
	}
	return found
}
