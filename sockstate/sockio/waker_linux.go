package sockio

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// waker is an eventfd that any goroutine may write to. The lock keeps a late wake from
// writing to another file that has reused the descriptor's number.
type waker struct {
	mu    sync.Mutex
	fd    int         // -1: closed
	asked atomic.Bool // Loop.Wake was called, not only a lingerer
}

func (w *waker) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd >= 0 {
		one := [8]byte{1}
		_, _ = unix.Write(w.fd, one[:]) // EAGAIN: a wake is pending already
	}
}

func (w *waker) reset() {
	var b [8]byte
	_, _ = unix.Read(w.fd, b[:])
}

func (w *waker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = unix.Close(w.fd)
	w.fd = -1
}
