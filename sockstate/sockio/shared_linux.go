package sockio

import (
	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// shared is what both backends have.
type shared struct {
	handler   Handler
	timers    *timers
	fire      func(Sock) // completes a timer
	waker     waker
	linger    lingerer
	back      []lingered
	givesWay  bool
	delivered int // completions since Wait began
	c         Completion
	retryAt   int64 // when to accept again after a failure; 0: accepting
	starved   bool  // accepting paused for want of a free slot
}

func (l *shared) open(cfg *Config) error {
	fd, err := newEventfd()
	if err != nil {
		return err
	}
	l.handler, l.givesWay = cfg.Handler, cfg.GivesWay
	l.timers = newTimers(cfg.Slots, clock.Now())
	l.waker.fd, l.linger.wake = fd, l.waker.wake
	return nil
}

func newEventfd() (int, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return fd, failed("eventfd", "", err)
}

func (l *shared) Now() int64                { return clock.Now() }
func (l *shared) SetTimer(s Sock, at int64) { l.timers.set(s, at) }
func (l *shared) StopTimer(s Sock)          { l.timers.stop(s) }

func (l *shared) Wake() {
	l.waker.asked.Store(true)
	l.waker.wake()
}

// idle is how long from now nothing is due, in nanoseconds, or Never.
func (l *shared) idle(now, until int64) int64 {
	next := min(until, l.timers.next())
	if l.retryAt != 0 {
		next = min(next, l.retryAt)
	}
	if next == Never {
		return Never
	}
	return max(next, now) - now
}

// slotFreed resumes accepting at once if it paused for want of a slot: with all slots in use, each new connection would otherwise wait for
// acceptRetry.
func (l *shared) slotFreed() {
	if l.starved && l.retryAt != 0 {
		l.retryAt = 1 // long past
	}
	l.starved = false
}

func (l *shared) completeAt(op Op, s Sock, errno Errno, n int, at int64) {
	l.delivered++
	l.c = Completion{Op: op, Sock: s, Errno: errno, N: n, At: at}
	l.handler.Complete(&l.c)
}

func (l *shared) completeConnect(s Sock, errno Errno, n int, began, at int64) {
	l.delivered++
	l.c = Completion{Op: OpConnect, Sock: s, Errno: errno, N: n, Began: began, At: at}
	l.handler.Complete(&l.c)
}
