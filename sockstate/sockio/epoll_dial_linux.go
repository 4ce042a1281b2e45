package sockio

import (
	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

func (l *epoll) dial(k *epollSock, r *request) {
	fd, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(r.remote.family()), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if e != 0 {
		l.complete(OpSocket, r.s, e, 0)
		return
	}
	k.opened(fd, 0)
	for i := range r.opts {
		if e := setsockopt(k.fd(), &r.opts[i]); e != 0 {
			l.complete(OpSetsockopt, r.s, e, 0)
			return
		}
	}
	if r.local != nil {
		if e := bind(k.fd(), r.local); e != 0 {
			l.complete(OpBind, r.s, e, 0)
			return
		}
	}
	began := clock.Now()
	e = connect(k.fd(), r.remote)
	at := clock.Now()
	taken := 0
	if e == unix.EINPROGRESS {
		taken = 1
	}
	if e == unix.EINPROGRESS && l.early.worthwhile() {
		if r.p != nil {
			n, se := send(k.fd(), r.p)
			if l.early.note(se != unix.EAGAIN) {
				l.firstSent(k, r, n, se, began, at)
				return
			}
		} else if e = connect(k.fd(), r.remote); !l.early.note(e != unix.EALREADY) {
			e = unix.EINPROGRESS
		}
	}
	switch e = l.afterHandshake(k, e); {
	case e == unix.EINPROGRESS:
		l.waits[r.s] = waiting{began, at, blockedSend{p: r.p}}
		k.flag |= pendConnect
		l.register(k, r.s, true)
	case e != 0:
		l.completeConnect(r.s, e, taken, began, at)
	default:
		l.completeConnect(r.s, 0, 0, began, at)
		if r.p != nil && k.epoch == r.epoch {
			l.send(k, r.s, blockedSend{p: r.p})
		}
	}
}

// firstSent completes a connect by the result of a send that was tried before epoll reported the handshake.
func (l *epoll) firstSent(k *epollSock, r *request, n int, e Errno, began, at int64) {
	if e != 0 && !IsReset(e) {
		l.completeConnect(r.s, e, 1, began, at) // the connect's error: ECONNREFUSED, EHOSTUNREACH
		return
	}
	l.completeConnect(r.s, 0, 0, began, at)
	switch {
	case k.epoch != r.epoch: // the handler has cancelled or closed
	case e != 0:
		l.complete(OpSend, r.s, e, 0)
	case n < len(r.p):
		l.send(k, r.s, blockedSend{p: r.p, sent: n})
	default:
		l.complete(OpSend, r.s, 0, n)
	}
}

// afterHandshake treats a connect that failed by a reset as open, and keeps the reset for
// the next operation: it came after the handshake, as one before would be ECONNREFUSED (tcp_reset).
func (l *epoll) afterHandshake(k *epollSock, e Errno) Errno {
	if IsReset(e) {
		k.flag |= sockReset | sockHup
		return 0
	}
	return e
}

// ConnectSent implements Loop.
func (l *epoll) ConnectSent(s Sock) int64 {
	if l.socks[s].flag&pendConnect == 0 {
		return 0
	}
	return l.waits[s].sent
}

func (l *epoll) connected(k *epollSock, s Sock, events uint32) {
	k.flag &^= pendConnect
	w := l.waits[s]
	delete(l.waits, s)
	if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		v, err := unix.GetsockoptInt(int(k.fd()), unix.SOL_SOCKET, unix.SO_ERROR)
		e := Errno(v)
		if err != nil {
			e = err.(Errno)
		}
		if e = l.afterHandshake(k, e); e != 0 {
			l.completeConnect(s, e, 1, w.began, clock.Now())
			return
		}
	}
	epoch := k.epoch
	l.completeConnect(s, 0, 0, w.began, clock.Now())
	if w.p != nil && k.epoch == epoch {
		l.send(k, s, w.blockedSend)
	}
}
