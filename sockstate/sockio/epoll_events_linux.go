package sockio

import (
	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// register adds s to the epoll set when it first has to wait. EPOLL_CTL_ADD reports
// readiness that exists already, so no edge is lost.
func (l *epoll) register(k *epollSock, s Sock, out bool) {
	op := unix.EPOLL_CTL_ADD
	if k.flag&sockRegistered != 0 {
		if !out || k.flag&sockOut != 0 {
			return
		}
		op = unix.EPOLL_CTL_MOD
	}
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET)
	flag := sockRegistered
	if out {
		events |= unix.EPOLLOUT
		flag |= sockOut
	}
	if e := l.control(op, int(k.fd()), events, uint32(s), k.gen); e != 0 {
		l.fail(k, s, e)
		return
	}
	k.flag |= flag
}

func (l *epoll) event(ev *unix.EpollEvent) {
	mark, s := uint32(ev.Pad), Sock(ev.Fd)
	switch mark {
	case wakeMark:
		l.waker.reset()
		l.lingered()
		if l.waker.asked.Swap(false) {
			l.complete(OpWake, -1, 0, 0)
		}
		return
	case acceptMark:
		l.accept(int(s))
		return
	}
	k := &l.socks[s]
	if k.gen != mark {
		return
	}
	if ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		k.flag |= sockHup
	}
	if ev.Events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		k.flag |= sockReadable
	}
	if ev.Events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		switch {
		case k.flag&pendConnect != 0:
			l.connected(k, s, ev.Events)
		case k.flag&pendSend != 0:
			k.flag &^= pendSend
			b := l.waits[s].blockedSend
			delete(l.waits, s)
			l.send(k, s, b)
		}
	}
	if k.flag&(sockReadable|sockHup) == 0 {
		return
	}
	switch {
	case k.flag&pendRecv != 0:
		l.recv(k, s) // if this edge was stale, a later one follows: s stays registered
	case k.flag&pendPoll != 0:
		l.polled(k, s)
	}
}

// fail completes the pending operations of s with e.
func (l *epoll) fail(k *epollSock, s Sock, e Errno) {
	flag, began := k.flag, l.waits[s].began
	l.Cancel(s)
	epoch := k.epoch
	switch {
	case flag&pendConnect != 0:
		l.completeConnect(s, e, 1, began, clock.Now())
	case flag&pendSend != 0:
		l.complete(OpSend, s, e, 0)
	}
	switch {
	case k.epoch != epoch: // the handler has cancelled or closed
	case flag&pendRecv != 0:
		l.complete(OpRecv, s, e, 0)
	case flag&pendPoll != 0:
		l.complete(OpPoll, s, e, 0)
	}
}
