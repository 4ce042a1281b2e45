package sockio

import (
	"errors"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// CloseAll implements Loop. It closes the sockets one by one: with the ring alone, the kernel would close them some
// time later.
func (l *uring) CloseAll(abort bool) (err error) {
	l.handler = discard{}
	l.givesWay = false
	l.StopAccept()
	for i := range l.socks {
		if f := l.socks[i].flag; f&ringConnect != 0 && f&(ringQueued|ringPreparing) != 0 {
			l.Cancel(Sock(i)) // its connect would still be submitted
		}
	}
	err = l.flush()
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
			err = errors.Join(err, l.flush())
		}
	}
	for end := clock.Now() + closeAtMost; err == nil && (len(l.lingering) > 0 || l.queued() || l.closing()); {
		if err = l.flush(); err == nil && clock.Now() > end {
			err = &Error{Call: "io_uring close", Errno: unix.ETIMEDOUT}
		}
	}
	l.linger.finish(abort)
	l.release()
	return err
}

// closeAtMost bounds the wait for the last closes, which the kernel normally does at once.
const closeAtMost = int64(10e9)

// flush performs the queued requests.
func (l *uring) flush() error {
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

// closing reports whether a close is still to complete.
func (l *uring) closing() bool {
	for i := range l.socks {
		if k := &l.socks[i]; k.flag&(ringClosing|ringLingers) == ringClosing {
			return true
		}
	}
	return false
}

// discard drops the completions of a loop that is being closed.
type discard struct{}

func (discard) Complete(*Completion) {}
