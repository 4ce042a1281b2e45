package sockio

import (
	"sync"

	"lastack/sockstate/clock"
)

// maxLingerers bounds the threads that block in close(). Further closes are queued.
const maxLingerers = 256

// lingerer performs the closes that block: with SO_LINGER and a positive time, close()
// waits for the peer to acknowledge data and FIN, even on a non-blocking socket
// (inet_release, sk_stream_wait_close).
type lingerer struct {
	wake func()

	mu      sync.Mutex
	queue   []lingering
	closed  []lingered
	running int
	over    bool
}

type lingering struct {
	s  Sock
	fd int
}

type lingered struct {
	s     Sock
	errno Errno
	at    int64
}

func (l *lingerer) close(s Sock, fd int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, lingering{s, fd})
	if l.running < maxLingerers {
		l.running++
		go l.run()
	}
}

func (l *lingerer) run() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > 0 {
		c := l.queue[0]
		l.queue = l.queue[1:]
		l.mu.Unlock()
		errno := blockingClose(c.fd)
		at := clock.Now()
		l.mu.Lock()
		if !l.over {
			l.closed = append(l.closed, lingered{c.s, errno, at})
			l.wake()
		}
	}
	l.running--
}

// take returns the finished closes.
func (l *lingerer) take(into []lingered) []lingered {
	l.mu.Lock()
	defer l.mu.Unlock()
	into = append(into[:0], l.closed...)
	l.closed = l.closed[:0]
	return into
}

// finish reports no further closes. With abort, the queued ones reset their connections.
func (l *lingerer) finish(abort bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if !abort {
		return
	}
	reset := newLinger(0)
	for _, c := range l.queue {
		_ = setsockopt(int32(c.fd), &reset) // on failure the close still closes
	}
}
