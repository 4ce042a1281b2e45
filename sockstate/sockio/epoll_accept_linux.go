package sockio

import (
	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

func (l *epoll) Accept(listener, index int) error {
	if !l.accepts {
		l.accepts = true
		l.slots = NewSlots(len(l.socks))
	}
	// Level-triggered: what a batch leaves in the queue is reported again. Exclusive: one
	// connection does not wake every loop that shares the listener.
	e := l.control(unix.EPOLL_CTL_ADD, listener, unix.EPOLLIN|unix.EPOLLEXCLUSIVE, uint32(len(l.listeners)), acceptMark)
	if e != 0 {
		return &Error{Call: "epoll_ctl", On: "listener", Errno: e}
	}
	l.listeners = append(l.listeners, epollListener{listener, index})
	return nil
}

func (l *epoll) StopAccept() {
	l.pauseAccept()
	l.listeners = nil
	l.retryAt = 0
}

func (l *epoll) pauseAccept() {
	for _, ln := range l.listeners {
		_ = l.control(unix.EPOLL_CTL_DEL, ln.fd, 0, 0, 0) // it may be closed already
	}
}

func (l *epoll) acceptAgain() {
	for i, ln := range l.listeners {
		e := l.control(unix.EPOLL_CTL_ADD, ln.fd, unix.EPOLLIN|unix.EPOLLEXCLUSIVE, uint32(i), acceptMark)
		if e != 0 {
			l.acceptFailed(ln, e)
			return
		}
	}
}

// accept accepts a batch of connections from listener i. It serves each as far as possible
// before the next, while it is still in the CPU's caches.
func (l *epoll) accept(i int) {
	for n := range acceptBatch {
		if i >= len(l.listeners) || l.retryAt != 0 || l.budget <= 0 && n >= acceptMin {
			return // a handler has stopped accepting, or the rest is for the next Wait
		}
		ln := l.listeners[i]
		if l.slots.Left() == 0 {
			// Only the event shows that a connection is waiting, not the end of a batch.
			if n == 0 {
				l.starved = true
				l.acceptFailed(ln, unix.EMFILE)
			}
			return
		}
		fd, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(ln.fd), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch e {
		case 0:
		case unix.EAGAIN:
			return
		case unix.EINTR, unix.ECONNABORTED:
			continue
		default:
			l.acceptFailed(ln, e)
			return
		}
		s := l.slots.Take()
		k := &l.socks[s]
		k.opened(fd, sockFresh)
		l.complete(OpAccept, s, 0, ln.index)
		l.perform()
	}
}

// free frees slot s.
func (l *epoll) free(s Sock) {
	if l.accepts {
		l.slots.Free(s)
		l.slotFreed()
	}
}

// acceptFailed pauses accepting: a level-triggered listener with a queue that cannot be
// accepted would keep the loop from sleeping.
func (l *epoll) acceptFailed(ln epollListener, e Errno) {
	l.pauseAccept()
	l.retryAt = clock.Now() + acceptRetry
	l.complete(OpAccept, -1, e, ln.index)
}
