package sockio

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
	"lastack/sockstate/sockio/ring"
)

// reap handles a ring's completions.
func (l *uring) reap(r *uringRing) error {
	l.now = clock.Now()
	var c ring.CQE
	for {
		for r.Next(&c) {
			l.completed(r, &c)
		}
		// Overflowed completions hold buffers that the next ring would use.
		if !r.Overflowed() {
			break
		}
		if e := r.Fetch(); e != 0 {
			return &Error{Call: "io_uring_enter", Errno: e}
		}
	}
	if lost := r.Lost(); lost != r.lost {
		return lostError(lost - r.lost)
	}
	return nil
}

func (l *uring) completed(r *uringRing, c *ring.CQE) {
	mark, s := uint8(c.UserData>>56), Sock(uint32(c.UserData))
	switch mark {
	case 0:
		return
	case markWake:
		if c.Flags&ring.CQEMore == 0 {
			l.watchWaker()
		}
		l.woken()
		return
	case markAccept:
		l.acceptCompleted(r, int(s), c)
		return
	case markListen:
		l.listenReadable(int(s), c)
		return
	case markInstall:
		if c.Res >= 0 { // Ring.Do gave up waiting for it
			_ = unix.Close(int(c.Res))
		}
		return
	case markKept:
		return
	}
	k := &l.socks[s]
	var e Errno
	if c.Res < 0 {
		e = Errno(-c.Res)
	}
	switch mark {
	case markSocket, markOpt, markLinger, markShutdown:
	default:
		k.inflight--
	}
	if mark == markSend && len(l.cancelled) > 0 {
		delete(l.cancelled, c.UserData)
	}
	gen, epoch := uint16(c.UserData>>44)&ringCountMask, uint16(c.UserData>>32)&ringCountMask
	if gen != k.gen&ringCountMask {
		l.recycle(r, c)
		return
	}
	if mark < markPeerEnd && epoch != k.epoch&ringCountMask {
		l.lateCompletion(r, k, s, mark, e, c)
		l.closed(s, 0)
		return
	}
	switch mark {
	case markSocket:
		k.flag &^= ringOpen
		k.epoch++ // the requests queued behind it fail too
		l.dialFailed(k, s, OpSocket, e)
	case markOpt:
		k.epoch++ // the dial ends here: the steps behind it do not count
		l.dialFailed(k, s, OpSetsockopt, e)
	case markLastOpt:
		l.prepared(k, s, OpSetsockopt, e)
	case markBind:
		l.prepared(k, s, OpBind, e)
	case markConnect:
		l.connected(k, s, e)
	case markSend:
		if k.flag&ringConnect != 0 {
			l.verified(k, s, e, int(c.Res))
		} else {
			l.sent(k, s, e, int(c.Res))
		}
	case markRecv:
		l.received(r, k, s, e, c)
	case markPoll:
		if _, stashed := l.stash[s]; !stashed && e == 0 && c.Res&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) == 0 {
			l.peek(k, s)
			return
		}
		l.polled(k, s, e, 0)
	case markPeek:
		l.peeked(k, s, e, c)
	case markPeerEnd, markPeerEndKeep:
		l.peerEnded(k, s, mark, e, c)
		l.closed(s, 0)
	case markLinger:
		l.complete(OpSetsockopt, s, e, 0)
	case markShutdown:
		l.complete(OpShutdown, s, e, 0)
	case markClose:
		if k.flag&ringLingers == 0 {
			k.flag |= ringClosed
		}
		l.closed(s, e)
	}
}

// prepared goes on with a dial whose last step before the connect has completed.
func (l *uring) prepared(k *uringSock, s Sock, op Op, e Errno) {
	if e != 0 {
		l.dialFailed(k, s, op, e)
		return
	}
	k.flag &^= ringPreparing
	l.connect(k, s, l.remotes[s])
	delete(l.remotes, s)
}

// dialFailed completes a dial that failed before its connect.
func (l *uring) dialFailed(k *uringSock, s Sock, op Op, e Errno) {
	if k.flag&ringPreparing != 0 {
		delete(l.remotes, s)
	}
	k.flag &^= ringConnect | ringPreparing
	delete(l.sends, s)
	l.complete(op, s, e, 0)
}

func (l *uring) connected(k *uringSock, s Sock, e Errno) {
	if e == 0 && !l.unfiltered {
		l.verifyOpen(k, s)
		return
	}
	if e == unix.EALREADY { // some kernels call connect again in the case that verifyOpen describes
		if kept, err := l.keptError(s); err == nil && kept != 0 {
			e = kept
		}
	}
	if e == 0 || IsReset(e) {
		if e != 0 {
			// The reset came after the handshake: one before it is ECONNREFUSED (tcp_reset).
			k.flag |= ringReset
		}
		k.flag &^= ringConnect
		if b, first := l.sends[s]; first {
			l.Send(s, b.p) // before the handler queues more
		}
		l.dialled(k, s, 0, 0, l.now)
		return
	}
	delete(l.sends, s)
	n := 0
	if l.called(s, e) {
		n = 1
	}
	l.dialled(k, s, e, n, l.now)
}

// called reports whether a connect that failed had sent its SYN.
func (l *uring) called(s Sock, e Errno) bool { return taken(e) || MayBeICMP(e) && l.sentSYN(s) }

// dialled completes a connect.
func (l *uring) dialled(k *uringSock, s Sock, e Errno, n int, at int64) {
	k.flag &^= ringConnect
	l.completeConnect(s, e, n, k.began, at)
}

// verifyOpen finds out whether a connect that completed without an error has opened the connection. While connect holds the lock of an
// IPv4 socket, on loopback for the whole handshake, an ICMP error goes to sk_err_soft and at once to the error queue (tcp_v4_err,
// ip_icmp_error). io_connect takes the queue's EPOLLERR for the end of the handshake and finds no error in sk_err, but
// the socket stays in SYN_SENT and resends the SYN. A firewall of this host that rejects by ICMP causes that.
//
// A non-blocking send tells: it fails with EAGAIN until the handshake is over (sk_stream_wait_connect). It sends First, or
// zero bytes, which make no packet. The connect completes when the send has, with the time at which the connect itself returned.
func (l *uring) verifyOpen(k *uringSock, s Sock) {
	b := l.sends[s]
	b.opened = l.now
	if len(b.p) > 0 {
		l.delivered++ // batch it with what the other completions queue; an empty send is cheapest at once
	}
	l.sendWith(k, s, b, unix.MSG_DONTWAIT)
}

// verified handles the completion of verifyOpen's send: n bytes are sent, or it failed with e.
func (l *uring) verified(k *uringSock, s Sock, e Errno, n int) {
	b := l.sends[s]
	failed := Errno(0)
	switch {
	case e == unix.EAGAIN:
		kept, err := l.keptError(s)
		if failed = kept; err != nil || kept == 0 && len(b.p) == 0 {
			failed = e // not open, for an unknown reason
		}
	case taken(e) || MayBeICMP(e): // an answer to the resent SYN
		failed = e
	}
	if failed != 0 {
		k.flag &^= ringSend
		delete(l.sends, s)
		l.dialled(k, s, failed, 1, l.now)
		return
	}
	if len(b.p) == 0 {
		k.flag &^= ringSend
		delete(l.sends, s)
		if IsReset(e) {
			k.flag |= ringReset
		}
	}
	epoch := k.epoch
	l.dialled(k, s, 0, 0, b.opened)
	switch {
	case len(b.p) == 0 || k.epoch != epoch: // no data, or the handler has cancelled the send
	case e == unix.EAGAIN: // out of memory
		l.send(k, s, b)
	default:
		l.sent(k, s, e, n)
	}
}

// keptError reads and clears the socket's error, sk_err or sk_err_soft (SO_ERROR, sk_getsockopt).
func (l *uring) keptError(s Sock) (Errno, error) {
	r, file := l.at(s)
	res, err := r.Do(ring.SQE{
		Op: ring.OpURingCmd, Flags: ring.FixedFile, FD: file, Off: ring.CmdGetsockopt, Addr: unix.SOL_SOCKET | unix.SO_ERROR<<32,
		FileIndex: uint32(unsafe.Sizeof(l.kept)), Addr3: pointer(&l.kept), UserData: l.socks[s].data(markKept, s),
	})
	if err == nil && res < 0 {
		err = Errno(-res)
	}
	return Errno(l.kept), err
}

// sentSYN reports whether a failed connect had sent its SYN.
func (l *uring) sentSYN(s Sock) bool {
	sent := false
	_ = l.withPlain(s, func(fd int) error { // without a free descriptor it is unknown
		ti, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		sent = err == nil && ti.Segs_out > 0
		return nil
	})
	return sent
}

// taken reports whether a connect's error means that its SYN was sent, not that the kernel refused at once
// (tcp_v4_connect).
func taken(e Errno) bool {
	return e == unix.ECONNREFUSED || e == unix.ETIMEDOUT || e == unix.ECONNABORTED
}

// MayBeICMP reports whether a connect's error is ambiguous: this host has no route or may not use it, or a router, a firewall or
// ARP reported that later (tcp_v4_err with icmp_err_convert, icmpv6_err_convert).
func MayBeICMP(e Errno) bool {
	switch e {
	case unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENONET, unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EPROTO, unix.EACCES:
		return true
	}
	return false
}

func (l *uring) sent(k *uringSock, s Sock, e Errno, n int) {
	b := l.sends[s]
	if e == 0 {
		b.sent += n
	}
	if e == unix.EINTR || e == 0 && b.sent < len(b.p) {
		l.send(k, s, b)
		return
	}
	k.flag &^= ringSend
	delete(l.sends, s)
	l.complete(OpSend, s, e, b.sent)
}

func (l *uring) received(r *uringRing, k *uringSock, s Sock, e Errno, c *ring.CQE) {
	if e == unix.ENOBUFS || e == unix.EINTR {
		l.recycle(r, c)
		// A batch brought more data than there are buffers. They are free again after the batch.
		n, less := l.recvLimit[s]
		if !less {
			n = l.buffers.Size()
		}
		l.deferred = append(l.deferred, deferredRecv{s, n, k.gen, k.epoch})
		return
	}
	most := l.buffers.Size()
	if n, less := l.recvLimit[s]; less {
		most = n
		delete(l.recvLimit, s)
	}
	if e == unix.ECANCELED || e == 0 && c.Res == 0 && k.flag&ringReset != 0 {
		// Cancelled by recallNext, or the cancelled recv has consumed the error.
		e = unix.ECONNRESET
	}
	if _, stashed := l.stash[s]; stashed {
		// It was submitted before the late completion of the recv before it.
		l.keepForNext(k, s, e, c)
		l.recycle(r, c)
		l.localComplete(Completion{Op: OpRecv, Sock: s, N: most})
		return
	}
	k.flag &^= ringRecv
	l.delivered++
	l.c = Completion{Op: OpRecv, Sock: s, Errno: e, At: l.now}
	if e == 0 {
		l.c.N = int(c.Res)
		if c.Flags&ring.CQEBuffer != 0 {
			l.c.Data = l.buffers.Data(c.Buffer(), c.Res)
		}
	}
	l.handler.Complete(&l.c)
	l.recycle(r, c) // even a failed recv may have taken a buffer
}

// polled completes a Poll.
func (l *uring) polled(k *uringSock, s Sock, e Errno, n int) {
	k.flag &^= ringPoll
	if _, stashed := l.stash[s]; stashed {
		n, e = 1, 0
	} else if e == unix.ECANCELED {
		e = 0 // by recallNext: a reset is known
	}
	l.complete(OpPoll, s, e, n)
}

// peeked completes a Poll that found data, or the end.
func (l *uring) peeked(k *uringSock, s Sock, e Errno, c *ring.CQE) {
	switch _, stashed := l.stash[s]; {
	case e == unix.EAGAIN && !stashed && k.flag&ringReset == 0: // a recv that was cancelled too late took it, and is yet to complete
		l.poll(k, s)
	case IsReset(e):
		k.flag |= ringReset // for the recv that follows: this request has consumed the error
		l.polled(k, s, 0, 0)
	case e != 0:
		l.polled(k, s, 0, 0)
	default:
		l.polled(k, s, 0, int(c.Res))
	}
}

// peerEnded completes a PeerEnd that found the peer's end.
func (l *uring) peerEnded(k *uringSock, s Sock, mark uint8, e Errno, c *ring.CQE) {
	ended := e != unix.EAGAIN && e != unix.EINTR
	switch {
	case k.flag&ringReset != 0: // another request has consumed the error
		e, ended = unix.ECONNRESET, true
	case e != 0:
	case mark == markPeerEndKeep:
		e, ended = endOf(int16(c.Res))
	case c.Res > 0:
		ended = c.Flags&ring.CQENonempty != 0 // a FIN is behind what was discarded (tcp_inq_hint)
	}
	if ended {
		l.complete(OpPeerEnd, s, e, 0)
	}
}

// lateCompletion handles the completion of a request cancelled too late: its data is kept for the next recv.
func (l *uring) lateCompletion(r *uringRing, k *uringSock, s Sock, mark uint8, e Errno, c *ring.CQE) {
	switch {
	case mark == markConnect && e != 0 && e != unix.ECANCELED && !IsReset(e) && !l.called(s, e):
		k.flag |= ringUndialled // it had failed before it was cancelled
	case mark != markRecv && mark != markSend:
	case k.flag&ringClosing != 0:
		if IsReset(e) && c.Res != -int32(unix.ECANCELED) {
			k.flag |= ringReset // for the PeerEnd behind it
		}
	default:
		l.keepForNext(k, s, e, c)
		if _, stashed := l.stash[s]; stashed || k.flag&ringReset != 0 {
			l.recallNext(r, k, s)
		}
	}
	l.recycle(r, c)
}

// keepForNext keeps a recv's data, or its reset, for the next one.
func (l *uring) keepForNext(k *uringSock, s Sock, e Errno, c *ring.CQE) {
	switch {
	case c.Res > 0 && c.Flags&ring.CQEBuffer != 0:
		l.stash[s] = append(l.stash[s], l.buffers.Data(c.Buffer(), c.Res)...)
	case IsReset(e) && c.Res != -int32(unix.ECANCELED):
		k.flag |= ringReset
	}
}

// recallNext cancels the recv or poll that was submitted meanwhile: there is data or a reset for it.
func (l *uring) recallNext(r *uringRing, k *uringSock, s Sock) {
	mark := markRecv
	if k.flag&ringPoll != 0 {
		mark = markPoll
	}
	if k.flag&(ringRecv|ringPoll) != 0 {
		r.Queue(ring.SQE{Op: ring.OpAsyncCancel, Flags: ring.CQESkipSuccess, Addr: k.data(mark, s)})
	}
}

// recycle returns a completion's buffer, if it has one.
func (l *uring) recycle(r *uringRing, c *ring.CQE) {
	if c.Flags&ring.CQEBuffer != 0 {
		r.group.Return(l.buffers, c.Buffer())
	}
}

// closed completes the close of a socket when no request for it is in flight.
func (l *uring) closed(s Sock, e Errno) {
	k := &l.socks[s]
	if k.flag&ringClosed == 0 || k.inflight > 0 {
		return
	}
	if k.flag&ringUndialled != 0 || e == unix.EBADF { // no SYN was sent; or the socket was never made
		e = unix.ECANCELED
	}
	l.free(k, s)
	l.complete(OpClose, s, e, 0)
}

// free frees slot s.
func (l *uring) free(k *uringSock, s Sock) {
	k.flag = 0
	k.gen++
	delete(l.sends, s)
	delete(l.stash, s)
	if l.acceptor.on {
		r, _ := l.at(s)
		r.open--
		l.slotFreed()
	}
}

// wantedFlag is the flag of an operation that Cancel drops, 0 for another.
func wantedFlag(op Op) uint16 {
	switch op {
	case OpSocket:
		return ringConnect
	case OpSend:
		return ringSend
	case OpRecv:
		return ringRecv
	case OpPoll:
		return ringPoll
	}
	return 0
}

// deliverLocal delivers the completions of localComplete.
func (l *uring) deliverLocal() {
	for range len(l.local) - l.localHead { // those that handlers add are for the next Wait
		q := l.local[l.localHead]
		l.localHead++
		k := &l.socks[q.Sock]
		if flag := wantedFlag(q.Op); flag != 0 {
			if k.flag&flag == 0 || k.epoch != q.epoch {
				continue
			}
			k.flag &^= flag
		}
		if data, ok := l.stash[q.Sock]; ok && q.Op == OpRecv {
			n := min(q.N, len(data))
			q.N, q.Data = n, data[:n]
			if delete(l.stash, q.Sock); n < len(data) {
				l.stash[q.Sock] = data[n:]
			}
		}
		l.delivered++
		l.c = q.Completion
		l.c.At = l.now
		l.handler.Complete(&l.c)
	}
	l.local, l.localHead = l.local[:copy(l.local, l.local[l.localHead:])], 0
}
