package sockio

import (
	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// Wait implements Loop.
func (l *epoll) Wait(until int64) error {
	l.delivered = 0
	for {
		l.budget = performBudget // renewed if nothing completed, or this would spin
		l.perform()
		l.retryDeferred()
		now := clock.Now()
		if now-l.polledAt > maxPollAge && l.timers.next() <= now {
			// What arrived while this loop was busy, or stopped, was in time.
			for n := 0; n <= len(l.socks)/len(l.events); n++ {
				if more, err := l.poll(0); err != nil {
					return err
				} else if !more {
					break
				}
			}
			now = clock.Now()
		}
		if l.timers.expire(now, l.fire) > 0 {
			l.perform()
		}
		if l.retryAt != 0 && now >= l.retryAt {
			l.retryAt = 0
			l.acceptAgain()
		}
		sleep := int64(0)
		if l.delivered == 0 && l.head == len(l.queue) && len(l.deferred) == 0 {
			sleep = l.idle(now, until)
		}
		if more, err := l.poll(sleep); err != nil {
			return err
		} else if !more {
			l.polledAt = now
		}
		if l.delivered > 0 || clock.Now() >= until {
			return nil
		}
	}
}

// maxPollAge is how long ago a loop may have learnt of all that had happened when a timer is due.
const maxPollAge = int64(5e6)

// poll handles the events of one epoll_wait, which sleeps for up to sleep nanoseconds. more says that there may be more.
func (l *epoll) poll(sleep int64) (more bool, err error) {
	n, errno := l.epollWait(sleep)
	if errno != 0 && errno != unix.EINTR {
		return false, &Error{Call: "epoll_wait", Errno: errno}
	}
	for i := range n {
		l.event(&l.events[i])
		l.perform()
	}
	return n == len(l.events), nil
}

// perform performs the queued requests, and those that they queue, within this Wait's budget: a
// peer that always has more data must not keep the caller from its other work.
func (l *epoll) perform() {
	for ; l.budget > 0 && l.head < len(l.queue); l.budget-- {
		r := l.queue[l.head] // a copy: handlers append to the queue, which may move it
		l.head++
		l.do(&r)
	}
	// Moving the rest down when half is done moves each request once on average.
	if l.head >= len(l.queue)/2 {
		l.queue = l.queue[:copy(l.queue, l.queue[l.head:])]
		l.head = 0
	}
}

func (l *epoll) do(r *request) {
	k := &l.socks[r.s]
	switch r.op {
	case OpConnect, OpSend, OpRecv, OpPoll:
		if r.epoch != k.epoch {
			return
		}
	}
	switch r.op {
	case OpConnect:
		l.dial(k, r)
	case OpSend:
		l.send(k, r.s, blockedSend{p: r.p})
	case OpRecv:
		k.want = int32(min(r.n, len(l.buf)))
		if k.flag&(sockReadable|sockHup|sockFresh) != 0 && l.recv(k, r.s) {
			return
		}
		k.flag |= pendRecv
		l.await(k, r.s)
	case OpPoll:
		if k.flag&(sockReadable|sockHup) != 0 && l.polled(k, r.s) {
			return
		}
		k.flag = k.flag&^sockReadable | pendPoll
		l.await(k, r.s)
	case OpPeerEnd:
		l.peerEnd(k, r.s, r.flag)
	case OpShutdown:
		if _, _, e := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(k.fd()), unix.SHUT_WR, 0); e != 0 {
			l.complete(OpShutdown, r.s, e, 0)
		}
	case OpSetsockopt:
		o := newLinger(r.n)
		if e := setsockopt(k.fd(), &o); e != 0 {
			l.complete(OpSetsockopt, r.s, e, 0)
		}
	case OpClose:
		l.close(k, r.s, r.flag)
	}
}
