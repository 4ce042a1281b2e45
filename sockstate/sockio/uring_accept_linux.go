package sockio

import (
	"golang.org/x/sys/unix"

	"lastack/sockstate/sockio/ring"
)

// acceptor is a loop's way of accepting.
//
// Multishot accept takes a connection before it looks for a place in the table, and without one it
// closes the connection again (io_accept, io_fixed_fd_install): nobody would know of it. So it is armed
// only where a ring has more free places than completions: it ends by itself when there is no room for
// another completion, so within one system call it cannot take more. With fewer places connections
// are accepted one by one, each with a place set aside, and with none the listener is only watched.
type acceptor struct {
	on        bool // slots are given out by accept
	listeners []uringListener
	retryAt   int64 // when to accept again after a failure; 0: accepting
	starved   bool  // the failure was that there is no place
}

type uringListener struct {
	fd, index int
	state     accepting
	ring      int    // that it accepts into
	epoch     uint16 // tells its successive requests apart
	stopped   bool
}

type accepting uint8

const (
	acceptIdle accepting = iota
	acceptMany
	acceptOne
	acceptWatch // waits for a connection for which there is no place
	acceptEnds  // was cancelled
)

func (n *uringListener) data(mark uint8, i int) uint64 {
	return uint64(mark)<<56 | uint64(n.epoch&ringCountMask)<<32 | uint64(uint32(i))
}

func (l *uring) Accept(listener, index int) error {
	// A ring would say so only when the first connection is there.
	if v, err := unix.GetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil {
		return &Error{Call: "accept", On: "listener", Errno: err.(Errno)}
	} else if v == 0 {
		return &Error{Call: "accept", On: "listener", Errno: unix.EINVAL}
	}
	l.acceptor.on = true
	l.acceptor.listeners = append(l.acceptor.listeners, uringListener{fd: listener, index: index})
	l.arm(len(l.acceptor.listeners) - 1)
	return nil
}

// StopAccept has the kernel let go of the listeners before it returns, outside Wait: their
// owner is about to close them.
func (l *uring) StopAccept() {
	for i := range l.acceptor.listeners {
		n := &l.acceptor.listeners[i]
		n.stopped = true
		l.disarm(i)
		if r := l.rings[n.ring]; !l.waiting && n.state != acceptIdle {
			// Wait says what is wrong with the ring; and it shares its buffers with the next.
			_ = l.submit(r, 0)
			_ = l.reap(r)
		}
	}
	l.acceptor.retryAt = 0
}

func (l *uring) disarm(i int) {
	n := &l.acceptor.listeners[i]
	mark := markAccept
	switch n.state {
	case acceptIdle, acceptEnds:
		return
	case acceptWatch:
		mark = markListen
	}
	if n.state == acceptOne {
		l.rings[n.ring].singles--
	}
	r := l.rings[n.ring]
	for i2, q := 0, r.Queued(); i2 < len(q); i2++ {
		if q[i2].UserData == n.data(mark, i) {
			q[i2] = ring.SQE{Op: ring.OpNop, Flags: ring.CQESkipSuccess}
			n.state = acceptIdle
			return
		}
	}
	n.state = acceptEnds
	// First of all: what is queued may take several submissions, and in each it would accept more.
	r.QueueFirst(ring.SQE{Op: ring.OpAsyncCancel, Flags: ring.CQESkipSuccess, Addr: n.data(mark, i)})
}

func (l *uring) armAll() {
	for i := range l.acceptor.listeners {
		l.arm(i)
	}
}

// left is the number of places that are neither taken nor set aside.
func (r *uringRing) left() int { return r.slots - r.open - r.singles }

// arm starts to accept from listener i, into the ring with the most room.
func (l *uring) arm(i int) {
	a := &l.acceptor
	n := &a.listeners[i]
	if n.stopped || n.state != acceptIdle || a.retryAt != 0 {
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
		n.state = acceptWatch
		e = ring.SQE{Op: ring.OpPollAdd, FD: int32(n.fd), OpFlags: unix.POLLIN}
		mark = markListen
	}
	e.UserData = n.data(mark, i)
	r.Queue(e)
	l.makeRoom(r)
}

// margin is how many connections multishot accept may take before anybody looks.
func (l *uring) margin(r *uringRing) int {
	return int(completions(r.slots)) + len(l.acceptor.listeners)
}

// roomiest is the ring with the most places left; a new one, where all are almost full and the
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
	l.makeRoom(r)
	if n.state == acceptIdle {
		l.arm(i)
	}
}

// makeRoom ends multishot accept into a ring that has few places left.
func (l *uring) makeRoom(r *uringRing) {
	if r.left() > l.margin(r) {
		return
	}
	for i := range l.acceptor.listeners {
		if n := &l.acceptor.listeners[i]; n.state == acceptMany && n.ring == r.index {
			l.disarm(i)
		}
	}
}

// accepted takes a connection in a place that the kernel chose.
func (l *uring) accepted(r *uringRing, place int32, index int) {
	s := Sock(r.index*l.table + int(place))
	k := &l.socks[s]
	if k.flag&ringClosing != 0 {
		// The place is free again, so the close is done; its completion comes later in the batch.
		k.flag |= ringClosed
		l.free(k, s)
		l.complete(OpClose, s, 0, 0)
	}
	r.open++
	k.gen++
	k.flag = ringOpen | ringFresh
	l.complete(OpAccept, s, 0, index)
}

// listenReadable hears that a connection waits, for which there was no place.
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
		l.acceptor.starved = true
		l.acceptFailed(n.index, unix.EMFILE)
		return
	}
	l.arm(i)
}

// acceptFailed pauses accepting: what cannot be taken would be offered again at once.
func (l *uring) acceptFailed(index int, e Errno) {
	l.acceptor.retryAt = l.now + acceptRetry
	l.complete(OpAccept, -1, e, index)
}

// vacated counts a place that is free, and accepts again if that is what was missing.
func (l *uring) vacated(r *uringRing) {
	r.open--
	a := &l.acceptor
	if a.starved && a.retryAt != 0 {
		a.retryAt = l.now
	}
	a.starved = false
}
