package sockio

import (
	"errors"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// CloseAll implements Loop. The sockets are closed one by one, as the kernel would close a ring's table some
// time after the ring.
func (l *uring) CloseAll(abort bool) (err error) {
	l.handler = nobody{}
	l.givesWay = false
	l.StopAccept()
	err = l.drain()
	for i := range l.socks {
		s, k := Sock(i), &l.socks[i]
		if k.flag&ringOpen == 0 || k.flag&ringClosing != 0 {
			continue
		}
		if abort && !l.unsubmitted(s, markSocket) {
			l.SetLinger(s, 0)
		}
		l.Close(s, false)
		if r, _ := l.at(s); len(r.Queued()) >= uringBatch {
			err = errors.Join(err, l.drain())
		}
	}
	for end := clock.Now() + closeAtMost; err == nil && (len(l.lingering) > 0 || l.queued() || l.closing()); {
		if err = l.drain(); err == nil && clock.Now() > end {
			err = &Error{Call: "io_uring close", Errno: unix.ETIMEDOUT}
		}
	}
	l.linger.finish(abort)
	l.release()
	return err
}

// closeAtMost bounds the wait for the last closes, which the kernel does at once.
const closeAtMost = int64(10e9)

// drain performs what is queued.
func (l *uring) drain() error {
	l.startLingering()
	for _, r := range l.rings {
		if !r.Pending() {
			continue
		}
		if err := l.submit(r, 0); err != nil {
			return err
		}
		if err := l.reap(r); err != nil {
			return err
		}
	}
	return nil
}

// closing reports whether a close has not completed yet.
func (l *uring) closing() bool {
	for i := range l.socks {
		if k := &l.socks[i]; k.flag&(ringClosing|ringLingers) == ringClosing {
			return true
		}
	}
	return false
}

// nobody takes the completions of a loop that is being closed.
type nobody struct{}

func (nobody) Complete(*Completion) {}
