package sockio

import (
	"golang.org/x/sys/unix"

	"lastack/sockstate/sockio/ring"
)

// acceptor is the state of accepting.
//
// Multishot accept accepts a connection before it looks for a free index in the file table, and without one
// closes it again, unreported (io_accept, io_fixed_fd_install). So it is armed only on a ring with more free
// indexes than completion entries: it ends by itself when the completion queue is full, so it cannot accept
// more in one system call. With fewer free indexes connections are accepted one by one, each with an index
// reserved; with none the listener is only polled.
type acceptor struct {
	on        bool // accept allocates the slots
	listeners []uringListener
}

type uringListener struct {
	fd, index int
	state     accepting
	ring      int    // the ring that it accepts into
	epoch     uint16 // distinguishes its successive requests
	stopped   bool
}

type accepting uint8

const (
	acceptIdle accepting = iota
	acceptMany
	acceptOne
	acceptPoll // waits for a connection, without a free index for it
	acceptEnds // was cancelled
)

func (n *uringListener) data(mark uint8, i int) uint64 {
	return uint64(mark)<<56 | uint64(n.epoch&ringCountMask)<<32 | uint64(uint32(i))
}

func (l *uring) Accept(listener, index int) error {
	// The ring would report a bad listener only at the first connection.
	if v, err := unix.GetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil {
		return failed("accept", "listener", err)
	} else if v == 0 {
		return &Error{Call: "accept", On: "listener", Errno: unix.EINVAL}
	}
	l.acceptor.on = true
	l.acceptor.listeners = append(l.acceptor.listeners, uringListener{fd: listener, index: index})
	l.arm(len(l.acceptor.listeners) - 1)
	return nil
}

// StopAccept releases the listeners before it returns, even outside Wait: their owner is about
// to close them.
func (l *uring) StopAccept() {
	for i := range l.acceptor.listeners {
		n := &l.acceptor.listeners[i]
		n.stopped = true
		l.disarm(i)
		if r := l.rings[n.ring]; !l.waiting && n.state != acceptIdle {
			// Wait will report what is wrong with the ring. Reap before the next ring: they share buffers.
			_ = l.submit(r, 0)
			_ = l.reap(r)
		}
	}
	l.retryAt = 0
}

func (l *uring) disarm(i int) {
	n := &l.acceptor.listeners[i]
	mark := markAccept
	switch n.state {
	case acceptIdle, acceptEnds:
		return
	case acceptPoll:
		mark = markListen
	}
	if n.state == acceptOne {
		l.rings[n.ring].singles--
	}
	r := l.rings[n.ring]
	if r.withdraw(n.data(mark, i)) {
		n.state = acceptIdle
		return
	}
	n.state = acceptEnds
	// First in the queue: the queue may take several submissions, and each would accept more.
	r.QueueFirst(ring.SQE{Op: ring.OpAsyncCancel, Flags: ring.CQESkipSuccess, Addr: n.data(mark, i)})
}

func (l *uring) armAll() {
	for i := range l.acceptor.listeners {
		l.arm(i)
	}
}

// left is the number of indexes that are neither taken nor reserved.
func (r *uringRing) left() int { return r.slots - r.open - r.singles }

// arm starts to accept from listener i, into the ring with the most free indexes.
func (l *uring) arm(i int) {
	a := &l.acceptor
	n := &a.listeners[i]
	if n.stopped || n.state != acceptIdle || l.retryAt != 0 {
		return
	}
	r := l.roomiest()
	e := ring.SQE{Op: ring.OpAccept, FD: int32(n.fd), FileIndex: ring.FileIndexAlloc}
	mark := markAccept
	n.ring = r.index
	n.epoch++
	switch {
	case r.left() > l.margin(r):
		n.state = acceptMany
		e.Ioprio = ring.AcceptMultishot
	case r.left() > 0:
		n.state = acceptOne
		r.singles++
	default:
		n.state = acceptPoll
		e = ring.SQE{Op: ring.OpPollAdd, FD: int32(n.fd), OpFlags: unix.POLLIN}
		mark = markListen
	}
	e.UserData = n.data(mark, i)
	r.Queue(e)
	l.endMultishot(r)
}

// margin is how many connections multishot accept may accept before the loop sees them.
func (l *uring) margin(r *uringRing) int {
	return int(completions(r.slots)) + len(l.acceptor.listeners)
}

// roomiest is the ring with the most free indexes: a new one if all are almost full and the
// loop has slots for more.
func (l *uring) roomiest() *uringRing {
	best := l.rings[0]
	for _, r := range l.rings[1:] {
		if r.left() > best.left() {
			best = r
		}
	}
	if best.left() <= l.margin(best) && len(l.rings)*l.table < len(l.socks) && l.grow() == nil {
		return l.rings[len(l.rings)-1]
	}
	return best
}

func (l *uring) acceptCompleted(r *uringRing, i int, c *ring.CQE) {
	a := &l.acceptor
	n := &a.listeners[i]
	current := uint16(c.UserData>>32) == n.epoch&ringCountMask
	index := n.index
	if c.Flags&ring.CQEMore == 0 && current {
		if n.state == acceptOne {
			r.singles--
		}
		n.state = acceptIdle
	}
	if c.Res >= 0 {
		l.accepted(r, c.Res, index)
		n = &a.listeners[i] // a handler may have added some
	} else {
		switch e := Errno(-c.Res); e {
		case unix.ECANCELED, unix.EINTR, unix.EAGAIN, unix.ECONNABORTED:
		default:
			if !n.stopped {
				l.acceptFailed(index, e)
			}
		}
	}
	l.endMultishot(r)
	if n.state == acceptIdle {
		l.arm(i)
	}
}

// endMultishot ends multishot accept into a ring with few free indexes.
func (l *uring) endMultishot(r *uringRing) {
	if r.left() > l.margin(r) {
		return
	}
	for i := range l.acceptor.listeners {
		if n := &l.acceptor.listeners[i]; n.state == acceptMany && n.ring == r.index {
			l.disarm(i)
		}
	}
}

// accepted completes an accept; the kernel chose the index in the file table.
func (l *uring) accepted(r *uringRing, file int32, index int) {
	s := Sock(r.index*l.table + int(file))
	k := &l.socks[s]
	if k.flag&ringClosing != 0 {
		// The kernel reused the index, so the close is done; its completion comes later in the batch.
		k.flag |= ringClosed
		l.free(k, s)
		l.complete(OpClose, s, 0, 0)
	}
	r.open++
	k.gen++
	k.flag = ringOpen | ringFresh
	l.complete(OpAccept, s, 0, index)
}

// listenReadable handles a poll of a listener: a connection is waiting.
func (l *uring) listenReadable(i int, c *ring.CQE) {
	n := &l.acceptor.listeners[i]
	if uint16(c.UserData>>32) != n.epoch&ringCountMask {
		return
	}
	n.state = acceptIdle
	if n.stopped {
		return
	}
	if c.Res >= 0 && l.roomiest().left() <= 0 {
		l.starved = true
		l.acceptFailed(n.index, unix.EMFILE)
		return
	}
	l.arm(i)
}

// acceptFailed pauses accepting: it would fail again at once.
func (l *uring) acceptFailed(index int, e Errno) {
	l.retryAt = l.now + acceptRetry
	l.complete(OpAccept, -1, e, index)
}
