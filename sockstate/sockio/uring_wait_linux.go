package sockio

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
	"lastack/sockstate/sockio/ring"
)

// Wait implements Loop.
func (l *uring) Wait(until int64) error {
	l.delivered = 0
	l.waiting = true
	defer func() { l.waiting = false }()
	for {
		if err := l.work(); err != nil {
			return err
		}
		if len(l.deferred) > 0 {
			yield()
			l.submitDeferred()
		} else if l.delivered > 0 {
			return nil
		}
		now := clock.Now()
		var err error
		if l.delivered == 0 && now < until && len(l.local) == 0 && len(l.lingering) == 0 {
			err = l.sleep(l.idle(now, until))
		} else {
			err = l.enter()
		}
		if err != nil {
			return err
		}
		if l.delivered > 0 || clock.Now() >= until {
			return nil
		}
	}
}

// work does everything that needs no waiting.
func (l *uring) work() error {
	l.now = clock.Now()
	l.deliverLocal()
	if err := l.enter(); err != nil {
		return err
	}
	if len(l.lingering) > 0 {
		l.startLingering()
	}
	l.now = clock.Now()
	if l.now-l.caughtUp > maxPollAge && l.timers.next() <= l.now {
		if err := l.catchUp(); err != nil {
			return err
		}
	}
	l.timers.expire(l.now, l.fire)
	if l.retryAt != 0 && l.now >= l.retryAt {
		l.retryAt = 0
		l.armAll()
	}
	return nil
}

// catchUp handles all that has happened. What arrived while this loop was busy, or stopped, was in time; but an entry into a ring performs
// only some of the task work that tells of it (IO_LOCAL_TW_DEFAULT_MAX).
func (l *uring) catchUp() error {
	for _, r := range l.rings {
		for n := 0; n < len(l.socks) && r.Deferred(); n++ {
			if e := r.Fetch(); e != 0 {
				return &Error{Call: "io_uring_enter", Errno: e}
			}
			if err := l.reap(r); err != nil {
				return err
			}
		}
	}
	l.now = clock.Now()
	l.caughtUp = l.now
	return nil
}

// pending reports whether any ring has work.
func (l *uring) pending() bool {
	for _, r := range l.rings {
		if r.Pending() {
			return true
		}
	}
	return false
}

// enter submits the queued requests and handles the completions of every ring with work.
func (l *uring) enter() error {
	behind := false
	for i := 0; i < len(l.rings); i++ { // handlers may add rings
		r := l.rings[i]
		for n := 0; n < uringRounds && r.Pending(); n++ {
			if err := l.submit(r, 0); err != nil {
				return err
			}
			if err := l.reap(r); err != nil {
				return err
			}
			if n := len(r.Queued()); n == 0 || l.delivered > 0 && n <= r.Takes() {
				break // what is left goes with what the caller queues
			}
		}
		behind = behind || r.Deferred()
	}
	if !behind {
		l.caughtUp = l.now
	}
	return nil
}

// uringRounds bounds the batches of one ring in one enter.
const uringRounds = 8

func (l *uring) queued() bool {
	for _, r := range l.rings {
		if r.Unsubmitted() {
			return true
		}
	}
	return false
}

// submit enters r and sleeps there for up to sleep nanoseconds.
func (l *uring) submit(r *uringRing, sleep int64) error {
	l.connects = l.connects[:0]
	if q := r.Queued(); len(q) > 0 {
		r.entered = clock.Now()
		l.note(q, r.Takes(), r.entered)
	}
	e := r.Enter(sleep)
	if len(l.connects) > 0 && sleep == 0 {
		l.noteSlowConnects(r.entered)
	}
	switch e {
	case 0:
		return nil
	case unix.EBADR:
		return lostError(r.Lost())
	default:
		return &Error{Call: "io_uring_enter", Errno: e}
	}
}

// note marks the sockets with requests in q: the first takes of them are about to be submitted, the others later.
func (l *uring) note(q []ring.SQE, takes int, now int64) {
	for i := range q {
		e := &q[i]
		switch uint8(e.UserData >> 56) {
		case 0, markAccept, markListen, markWake:
			continue
		}
		k := &l.socks[uint32(e.UserData)]
		if i >= takes {
			k.flag |= ringQueued
			continue
		}
		k.flag &^= ringQueued
		if e.Op == ring.OpConnect {
			k.began = now
			l.connects = append(l.connects, Sock(uint32(e.UserData)))
		}
	}
}

// slowBatch is from when on a batch is slow: its connects had to search for their ports.
const slowBatch = int64(10e6)

// noteSlowConnects notes when the connects of a slow batch returned.
func (l *uring) noteSlowConnects(entered int64) {
	now := clock.Now()
	if now-entered < slowBatch {
		return
	}
	for _, s := range l.connects {
		l.slow[s] = now
	}
}

// ConnectSent implements Loop.
func (l *uring) ConnectSent(s Sock) int64 {
	k := &l.socks[s]
	if k.flag&ringConnect == 0 || k.flag&ringPreparing != 0 || l.unsubmitted(s, markConnect) {
		return 0
	}
	if at, slow := l.slow[s]; slow {
		return at
	}
	return k.began
}

// sleep submits the queued requests and waits up to d for a completion.
func (l *uring) sleep(d int64) error {
	if len(l.rings) == 1 {
		if d == Never {
			d = ring.Forever
		}
		r := l.rings[0]
		if len(r.Queued()) > r.Takes() {
			d = 0 // there is more to submit
		}
		if err := l.submit(r, d); err != nil {
			return err
		}
		return l.reap(r)
	}
	if err := l.enter(); err != nil || l.delivered > 0 || l.pending() {
		return err
	}
	if e := l.awaitEventfd(d); e != 0 && e != unix.EINTR {
		return &Error{Call: "ppoll", Errno: e}
	}
	return l.enter()
}

// awaitEventfd waits until one of several rings has work, or for a wake. It polls the waker itself: a ring's completed poll of one
// eventfd does not always signal another.
func (l *uring) awaitEventfd(d int64) Errno {
	var ts *unix.Timespec
	if d != Never {
		t := unix.NsecToTimespec(d)
		ts = &t
	}
	set := [2]unix.PollFd{{Fd: int32(l.eventfd), Events: unix.POLLIN}, {Fd: int32(l.waker.fd), Events: unix.POLLIN}}
	_, _, e := unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&set)), uintptr(len(set)), uintptr(unsafe.Pointer(ts)), 0, 0, 0)
	var b [8]byte
	_, _ = unix.Read(l.eventfd, b[:]) // EAGAIN: it was not signalled
	if e == 0 && set[1].Revents != 0 {
		l.woken()
	}
	return e
}
