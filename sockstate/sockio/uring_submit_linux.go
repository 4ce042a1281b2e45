package sockio

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate/sockio/ring"
)

// push queues a request that will complete.
func (l *uring) push(s Sock, e ring.SQE) {
	r, file := l.at(s)
	if e.Flags&ring.FixedFile != 0 {
		e.FD = file
	}
	k := &l.socks[s]
	k.inflight++
	k.flag |= ringQueued
	r.Queue(e)
}

// Dial queues socket, setsockopt and bind. The kernel performs them at once, in their order, so the last of these steps completes with
// its submission; the others complete only if they fail. Only then is the connect queued (see prepared). Without options and without an
// address to bind it is queued at once: without a socket it fails.
//
// So a connect that was submitted has been called. Linked to the step before it, it would wait as task work, of which an entry into the
// ring performs only some (IO_LOCAL_TW_DEFAULT_MAX), and nothing would tell whether it was called.
func (l *uring) Dial(s Sock, d *Dial) {
	k := &l.socks[s]
	k.gen++
	k.epoch++
	delete(l.sends, s)
	delete(l.slow, s)
	if err := l.growTo(s); err != nil {
		k.flag = ringConnect
		l.localComplete(Completion{Op: OpSocket, Sock: s, Errno: errnoOf(err)})
		return
	}
	k.flag = ringOpen | ringConnect
	if d.First != nil {
		l.sends[s] = sending{p: d.First}
	}
	r, file := l.at(s)
	r.Queue(ring.SQE{
		Op: ring.OpSocket, Flags: ring.CQESkipSuccess, FD: int32(d.Remote.family()), Off: unix.SOCK_STREAM,
		FileIndex: uint32(file) + 1, UserData: k.data(markSocket, s),
	})
	if d.Local == nil && len(d.Opts) == 0 {
		l.connect(k, s, d.Remote)
		return
	}
	k.inflight++
	k.flag |= ringQueued | ringPreparing
	l.remotes[s] = d.Remote
	for i := range d.Opts {
		if i == len(d.Opts)-1 && d.Local == nil {
			l.setsockopt(s, l.intern(d.Opts[i]), markLastOpt, 0)
		} else {
			l.setsockopt(s, l.intern(d.Opts[i]), markOpt, ring.CQESkipSuccess)
		}
	}
	if d.Local != nil {
		r.QueueWith(ring.SQE{
			Op: ring.OpBind, Flags: ring.FixedFile, FD: file,
			Addr: pointer(&d.Local.raw), Off: uint64(d.Local.len), UserData: k.data(markBind, s),
		}, unsafe.Pointer(d.Local))
	}
}

// connect queues the connect of a dial. The kernel copies the address when it is submitted (move_addr_to_kernel).
func (l *uring) connect(k *uringSock, s Sock, to *Addr) {
	r, file := l.at(s)
	k.inflight++
	k.flag |= ringQueued
	r.QueueWith(ring.SQE{
		Op: ring.OpConnect, Flags: ring.FixedFile, FD: file,
		Addr: pointer(&to.raw), Off: uint64(to.len), UserData: k.data(markConnect, s),
	}, unsafe.Pointer(to))
}

func pointer[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

// setsockopt queues the setting of an interned option.
func (l *uring) setsockopt(s Sock, o *Opt, mark, flags uint8) {
	r, file := l.at(s)
	e := o.entry(file)
	e.Flags |= flags
	e.UserData = l.socks[s].data(mark, s)
	r.Queue(e)
}

// entry is the request to set o on a direct descriptor.
func (o *Opt) entry(file int32) ring.SQE {
	return ring.SQE{
		Op: ring.OpURingCmd, Flags: ring.FixedFile, FD: file,
		Off: ring.CmdSetsockopt, Addr: uint64(uint32(o.level)) | uint64(uint32(o.name))<<32,
		FileIndex: o.len, Addr3: pointer(&o.val),
	}
}

func (l *uring) Send(s Sock, p []byte) {
	k := &l.socks[s]
	k.flag |= ringSend
	if k.flag&ringReset != 0 {
		l.localComplete(Completion{Op: OpSend, Sock: s, Errno: unix.ECONNRESET})
		return
	}
	l.send(k, s, sending{p: p})
}

// sending is a send under way.
type sending struct {
	p      []byte
	sent   int
	opened int64 // for Dial.First: when connect completed, see verifyOpen
}

func (l *uring) send(k *uringSock, s Sock, b sending) { l.sendWith(k, s, b, 0) }

func (l *uring) sendWith(k *uringSock, s Sock, b sending, flags uint32) {
	k.flag |= ringSend
	l.sends[s] = b
	rest := b.p[b.sent:]
	l.push(s, ring.SQE{
		Op: ring.OpSend, Flags: ring.FixedFile, Addr: pointer(unsafe.SliceData(rest)), Len: uint32(len(rest)),
		OpFlags: unix.MSG_NOSIGNAL | flags, UserData: k.data(markSend, s),
	})
}

func (l *uring) Recv(s Sock, n int) {
	k := &l.socks[s]
	k.flag |= ringRecv
	switch {
	case l.givesWay && k.flag&ringFresh == 0, k.flag&ringConnect != 0:
		l.deferred = append(l.deferred, deferredRecv{s, n, k.gen, k.epoch})
	default:
		k.flag &^= ringFresh
		l.recvOrStash(k, s, n)
	}
}

// deferredRecv is a recv or poll to submit after a yield.
type deferredRecv struct {
	s          Sock
	n          int
	gen, epoch uint16
}

// isPoll is the n of a deferred poll.
const isPoll = -1

// submitDeferred submits the deferred recvs and polls, except on connections that are not open yet.
func (l *uring) submitDeferred() {
	early := l.deferred[:0]
	for _, r := range l.deferred {
		k := &l.socks[r.s]
		switch {
		case k.gen != r.gen || k.epoch != r.epoch:
		case k.flag&ringConnect != 0:
			early = append(early, r)
		case r.n == isPoll:
			l.Poll(r.s)
		default:
			l.recvOrStash(k, r.s, r.n)
		}
	}
	l.deferred = early
}

// recvOrStash submits a recv, or completes it from the stash or by a known reset.
func (l *uring) recvOrStash(k *uringSock, s Sock, n int) {
	if _, stashed := l.stash[s]; stashed {
		l.localComplete(Completion{Op: OpRecv, Sock: s, N: n})
	} else if k.flag&ringReset != 0 {
		l.localComplete(Completion{Op: OpRecv, Sock: s, Errno: unix.ECONNRESET})
	} else {
		l.recv(k, s, n)
	}
}

func (l *uring) recv(k *uringSock, s Sock, n int) {
	if n < l.buffers.Size() {
		l.recvLimit[s] = n
	}
	l.push(s, ring.SQE{
		Op: ring.OpRecv, Flags: ring.FixedFile | ring.BufferSelect, Len: uint32(n), UserData: k.data(markRecv, s),
	})
}

func (l *uring) Poll(s Sock) {
	k := &l.socks[s]
	k.flag |= ringPoll
	if k.flag&ringConnect != 0 {
		l.deferred = append(l.deferred, deferredRecv{s, isPoll, k.gen, k.epoch})
		return
	}
	if _, stashed := l.stash[s]; stashed {
		l.localComplete(Completion{Op: OpPoll, Sock: s, N: 1})
		return
	}
	if k.flag&ringReset != 0 {
		l.localComplete(Completion{Op: OpPoll, Sock: s})
		return
	}
	l.poll(k, s)
}

func (l *uring) poll(k *uringSock, s Sock) {
	l.push(s, ring.SQE{
		Op: ring.OpPollAdd, Flags: ring.FixedFile, OpFlags: unix.POLLIN | unix.POLLRDHUP, UserData: k.data(markPoll, s),
	})
}

// peek follows a poll that found data, for the reason that hasData has: a recv takes the lock, too. With MSG_TRUNC it copies nothing.
func (l *uring) peek(k *uringSock, s Sock) {
	l.push(s, ring.SQE{
		Op: ring.OpRecv, Flags: ring.FixedFile, Len: 1, OpFlags: unix.MSG_PEEK | unix.MSG_TRUNC | unix.MSG_DONTWAIT, UserData: k.data(markPeek, s),
	})
}

// PeerEnd queues a request that never waits: it completes within its submission, before the close behind it.
func (l *uring) PeerEnd(s Sock, keep bool) {
	k := &l.socks[s]
	if keep {
		// The socket has data, so the poll does not wait either.
		l.push(s, ring.SQE{
			Op: ring.OpPollAdd, Flags: ring.FixedFile, OpFlags: unix.POLLIN | unix.POLLRDHUP, UserData: k.data(markPeerEndKeep, s),
		})
		return
	}
	l.push(s, ring.SQE{
		Op: ring.OpRecv, Flags: ring.FixedFile, Len: discardAtMost, OpFlags: unix.MSG_DONTWAIT | unix.MSG_TRUNC, UserData: k.data(markPeerEnd, s),
	})
}

// Shutdown makes three plain system calls, four with a PeerEnd before it: the ring's own request always goes to a
// kernel thread (io_shutdown_prep). It uses that only behind a pending send or connect.
func (l *uring) Shutdown(s Sock) {
	k := &l.socks[s]
	if k.flag&(ringSend|ringConnect) == 0 {
		if fd, err := l.install(s); err == nil {
			if l.withdrawPeerEnd(k, s) {
				l.peerEndPlain(fd, s)
			}
			err = unix.Shutdown(fd, unix.SHUT_WR)
			_ = unix.Close(fd) // the socket stays
			if err != nil {
				l.localComplete(Completion{Op: OpShutdown, Sock: s, Errno: errnoOf(err)})
			}
			return
		}
	}
	r, file := l.at(s)
	r.Queue(ring.SQE{
		Op: ring.OpShutdown, Flags: ring.FixedFile | ring.CQESkipSuccess, FD: file, Len: unix.SHUT_WR,
		UserData: k.data(markShutdown, s),
	})
}

// withdrawPeerEnd withdraws a PeerEnd that is not submitted yet.
func (l *uring) withdrawPeerEnd(k *uringSock, s Sock) bool {
	r, _ := l.at(s)
	if !r.withdraw(k.data(markPeerEnd, s)) {
		return false
	}
	k.inflight--
	return true
}

// nop withdraws the queued request that it replaces.
var nop = ring.SQE{Op: ring.OpNop, Flags: ring.CQESkipSuccess}

// withdraw withdraws a request that is not submitted yet.
func (r *uringRing) withdraw(userData uint64) bool {
	q := r.Queued()
	for i := range q {
		if q[i].UserData == userData {
			q[i] = nop
			return true
		}
	}
	return false
}

// peerEndPlain is PeerEnd on a plain descriptor.
func (l *uring) peerEndPlain(fd int, s Sock) {
	e, ended := peerEnd(int32(fd), false)
	if l.socks[s].flag&ringReset != 0 {
		e, ended = unix.ECONNRESET, true
	}
	if ended {
		l.localComplete(Completion{Op: OpPeerEnd, Sock: s, Errno: e})
	}
}

func (l *uring) SetLinger(s Sock, seconds int) {
	o := l.abort
	if seconds != 0 {
		o = l.intern(newLinger(seconds))
	}
	l.setsockopt(s, o, markLinger, ring.CQESkipSuccess)
}

// Cancel withdraws the queued requests, and has the kernel cancel the submitted ones.
func (l *uring) Cancel(s Sock) {
	k := &l.socks[s]
	wanted := k.flag & ringWanted
	k.flag &^= ringWanted
	if wanted == 0 || k.inflight == 0 {
		// The operations are deferred, or their completions are local.
		k.epoch++
		return
	}
	if k.flag&ringPreparing != 0 { // its connect is not queued yet
		k.flag = k.flag&^ringPreparing | ringUndialled
		wanted &^= ringConnect
		delete(l.remotes, s)
	}
	r, _ := l.at(s)
	q := r.Queued()
	if k.flag&ringQueued == 0 {
		q = nil
	}
	for i := range q {
		e := &q[i]
		if e.UserData<<8 != k.data(0, s)<<8 {
			continue
		}
		switch uint8(e.UserData >> 56) {
		case markSocket:
			k.flag &^= ringOpen
		case markOpt:
		case markLastOpt, markBind:
			k.inflight--
		case markConnect:
			k.flag |= ringUndialled
			wanted &^= ringConnect
			k.inflight--
		case markSend:
			wanted &^= ringSend
			delete(l.sends, s)
			k.inflight--
		case markRecv:
			wanted &^= ringRecv
			k.inflight--
		case markPoll, markPeek:
			wanted &^= ringPoll
			k.inflight--
		default: // not cancelled; or a listener's or the waker's, whose slot is another number
			continue
		}
		*e = nop
	}
	for _, w := range [...]struct {
		flag uint16
		mark uint8
	}{{ringConnect, markConnect}, {ringSend, markSend}, {ringRecv, markRecv}, {ringPoll, markPoll}} {
		if wanted&w.flag != 0 {
			if w.mark == markSend {
				l.cancelled[k.data(markSend, s)] = l.sends[s]
			}
			r.Queue(ring.SQE{Op: ring.OpAsyncCancel, Flags: ring.CQESkipSuccess, Addr: k.data(w.mark, s)})
		}
	}
	k.epoch++
}

func (l *uring) Close(s Sock, lingers bool) {
	l.Cancel(s)
	k := &l.socks[s]
	if k.flag&ringOpen == 0 {
		delete(l.sends, s)
		l.localComplete(Completion{Op: OpClose, Sock: s, Errno: unix.ECANCELED})
		return
	}
	k.flag |= ringClosing
	if lingers {
		l.lingering = append(l.lingering, s)
		return
	}
	l.closeDirect(k, s, 0)
}

func (l *uring) closeDirect(k *uringSock, s Sock, flags uint8) {
	_, file := l.at(s)
	l.push(s, ring.SQE{Op: ring.OpClose, Flags: flags, FileIndex: uint32(file) + 1, UserData: k.data(markClose, s)})
}

// startLingering hands the closes that block to lingerer threads, once the requests queued before
// them, SO_LINGER itself among them, have been submitted.
func (l *uring) startLingering() {
	waiting := l.lingering[:0]
	for _, s := range l.lingering {
		k := &l.socks[s]
		if k.inflight > 0 || l.unsubmitted(s, markLinger) {
			waiting = append(waiting, s) // a request in flight would drop the last reference, and block
			continue
		}
		if fd, err := l.install(s); err != nil {
			// Without a plain descriptor a kernel thread has to close it; it completes too early then.
			l.closeDirect(k, s, ring.Async)
		} else if r, file := l.at(s); r.Replace(file, l.waker.fd) != nil {
			_ = unix.Close(fd) // not the last reference, so it does not block
			l.closeDirect(k, s, ring.Async)
		} else {
			k.flag |= ringLingers
			l.linger.close(s, fd)
		}
	}
	l.lingering = waiting
}
