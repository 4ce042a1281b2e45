package sockio

import (
	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

func (l *epoll) send(k *epollSock, s Sock, b blockedSend) {
	if k.flag&sockReset != 0 {
		l.complete(OpSend, s, unix.ECONNRESET, 0)
		return
	}
	for {
		n, e := send(k.fd(), b.p[b.sent:])
		switch {
		case e == unix.EINTR:
			continue
		case e == unix.EAGAIN:
			l.waits[s] = waiting{blockedSend: b}
			k.flag |= pendSend
			l.register(k, s, true)
			return
		case e != 0:
			l.complete(OpSend, s, e, b.sent)
			return
		}
		b.sent += n
		if b.sent == len(b.p) {
			l.complete(OpSend, s, 0, b.sent)
			return
		}
	}
}

// recv reads up to k.want bytes. It reports false if there is nothing to read.
func (l *epoll) recv(k *epollSock, s Sock) (done bool) {
	pended := k.flag & pendRecv
	k.flag &^= sockFresh | pendRecv
	if k.flag&sockReset != 0 {
		l.complete(OpRecv, s, unix.ECONNRESET, 0)
		return true
	}
	for {
		n, e := recv(k.fd(), l.buf[:k.want])
		switch {
		case e == unix.EINTR:
			continue
		case e == unix.EAGAIN:
			k.flag = k.flag&^sockReadable | pended
			return false
		case e != 0:
			l.complete(OpRecv, s, e, 0)
			return true
		}
		if n < int(k.want) {
			// Later data makes a new edge. A FIN that is here already does not, but then
			// this edge had EPOLLRDHUP.
			k.flag &^= sockReadable
		} else {
			k.flag |= sockReadable
		}
		l.delivered++
		l.c = Completion{Op: OpRecv, Sock: s, N: n, At: clock.Now(), Data: l.buf[:n]}
		l.handler.Complete(&l.c)
		return true
	}
}

// polled completes a poll of s if s is readable, and reports false if not. It calls poll(2), as an edge or a short
// read does not tell whether EOF is behind the data.
func (l *epoll) polled(k *epollSock, s Sock) (done bool) {
	if k.flag&sockHup == 0 {
		ready := pollNow(k.fd())
		if ready == 0 {
			return false
		}
		k.flag |= sockReadable
		if ready&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0 || !hasData(k.fd()) {
			k.flag |= sockHup
		}
	}
	k.flag &^= pendPoll
	n := 1
	if k.flag&sockHup != 0 {
		n = 0
	}
	l.complete(OpPoll, s, 0, n)
	return true
}

// peerEnd completes if the peer has ended the connection.
func (l *epoll) peerEnd(k *epollSock, s Sock, keep bool) {
	switch e, ended := peerEnd(k.fd(), keep); {
	case k.flag&sockReset != 0:
		l.complete(OpPeerEnd, s, unix.ECONNRESET, 0)
	case ended:
		l.complete(OpPeerEnd, s, e, 0)
	}
}
