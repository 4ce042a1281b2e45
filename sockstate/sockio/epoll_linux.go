package sockio

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// epoll is the Loop that performs operations itself: at once where the kernel can, else
// when epoll, edge-triggered, says so.
//
// Against arming every step it saves this: a non-blocking connect says EINPROGRESS even
// where, as on loopback, the handshake was over before it returned (__inet_stream_connect
// looks before the backlog is processed); so the first send, or a second connect, is tried at
// once. A connection is registered when it first has to wait, and an accepted one is
// read before that, for the request is mostly there.
type epoll struct {
	handler Handler
	epfd    int
	waker   waker
	socks   []epollSock
	slots   Slots // for accepted connections
	queue   []request
	head    int // of queue: what is before it is done
	buf     []byte
	timers  *timers
	// sends holds what blocked sends still have to send, and what is to be sent first on a
	// connection that is not there yet.
	sends     map[Sock]blockedSend
	accepts   bool // slots are given out by accept
	listeners []epollListener
	retryAt   int64 // when to accept again after a failure; 0: accepting
	starved   bool  // the failure was that there is no slot
	events    [128]unix.EpollEvent
	delivered int // completions since Wait began
	budget    int // operations that this Wait may still perform
	c         Completion
	fire      func(Sock)
	noPwait2  bool
	early     earliness
	linger    lingerer
	back      []lingered
}

// epollSock is one slot. Zero is one without a socket, so that slots nobody uses cost no memory.
type epollSock struct {
	began int64  // when connect was called
	file  int32  // the descriptor plus 1
	gen   uint32 // tells the events of a slot's successive sockets apart
	want  int32  // bytes of the pending recv
	flag  uint16
	epoch uint16 // counts cancels: what was queued before one is not done after it
}

// fd is the descriptor, -1 if there is none.
func (k *epollSock) fd() int32 { return k.file - 1 }

func (k *epollSock) opened(fd uintptr, flag uint16) {
	k.file, k.flag = int32(fd)+1, flag
	k.gen = (k.gen + 1) & genMask
}

// forget takes the descriptor out of the slot, to be closed.
func (k *epollSock) forget() int {
	fd := int(k.fd())
	k.file = 0
	k.gen = (k.gen + 1) & genMask
	return fd
}

const (
	sockRegistered uint16 = 1 << iota // in the epoll set
	sockOut                           // registered for EPOLLOUT too
	sockReadable                      // an edge said so, and no short read since: there may be data
	sockHup                           // EOF or an error is queued: always readable
	sockFresh                         // accepted, not yet read
	sockReset                         // SO_ERROR told of a reset, which nobody was told yet
	pendRecv
	pendPoll
	pendSend
	pendConnect

	pending = pendRecv | pendPoll | pendSend | pendConnect
)

type request struct {
	op     Op
	flag   bool
	epoch  uint16
	s      Sock
	n      int
	p      []byte
	remote *Addr
	local  *Addr
	opts   []Opt
}

type blockedSend struct {
	p    []byte
	sent int
}

type epollListener struct{ fd, index int }

const (
	acceptBatch   = 64
	acceptRetry   = int64(10e6)
	performBudget = 512 // operations of one Wait

	// What an event stands for: the high half of its data is a generation or one of these.
	wakeMark   = ^uint32(0)
	acceptMark = wakeMark - 1
	genMask    = 1<<31 - 1
)

// NewEpoll makes an epoll loop. It fails with an *Error where descriptors are missing.
func NewEpoll(cfg Config) (Loop, error) {
	if cfg.Buffer <= 0 {
		cfg.Buffer = 64 << 10
	}
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, &Error{Call: "epoll_create1", Errno: err.(Errno)}
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epfd)
		return nil, &Error{Call: "eventfd", Errno: err.(Errno)}
	}
	l := &epoll{
		handler: cfg.Handler,
		epfd:    epfd,
		waker:   waker{fd: wakefd},
		socks:   make([]epollSock, cfg.Slots),
		buf:     make([]byte, cfg.Buffer),
		timers:  newTimers(cfg.Slots, Now()),
		sends:   make(map[Sock]blockedSend),
	}
	l.fire = func(s Sock) { l.complete(OpTimeout, s, 0, 0) }
	l.linger.wake = l.waker.wake
	if e := l.control(unix.EPOLL_CTL_ADD, wakefd, unix.EPOLLIN|unix.EPOLLET, 0, wakeMark); e != 0 {
		_ = unix.Close(epfd)
		_ = unix.Close(wakefd)
		return nil, &Error{Call: "epoll_ctl", Errno: e}
	}
	return l, nil
}

func (l *epoll) Name() string { return "epoll" }
func (l *epoll) Now() int64   { return Now() }

func (l *epoll) submit(r request) {
	r.epoch = l.socks[r.s].epoch
	l.queue = append(l.queue, r)
}

func (l *epoll) Dial(s Sock, d *Dial) {
	l.submit(request{op: OpConnect, s: s, remote: d.Remote, local: d.Local, opts: d.Opts, p: d.First})
}

func (l *epoll) Send(s Sock, p []byte) { l.submit(request{op: OpSend, s: s, p: p}) }
func (l *epoll) Recv(s Sock, n int)    { l.submit(request{op: OpRecv, s: s, n: n}) }
func (l *epoll) Poll(s Sock)           { l.submit(request{op: OpPoll, s: s}) }
func (l *epoll) Shutdown(s Sock)       { l.submit(request{op: OpShutdown, s: s}) }

func (l *epoll) SetLinger(s Sock, seconds int) {
	l.submit(request{op: OpSetsockopt, s: s, n: seconds})
}

func (l *epoll) Close(s Sock, lingers bool) {
	l.Cancel(s)
	l.submit(request{op: OpClose, s: s, flag: lingers})
}

func (l *epoll) SetTimer(s Sock, at int64) { l.timers.set(s, at) }
func (l *epoll) StopTimer(s Sock)          { l.timers.stop(s) }

func (l *epoll) Cancel(s Sock) {
	k := &l.socks[s]
	if k.flag&(pendSend|pendConnect) != 0 {
		delete(l.sends, s)
	}
	k.flag &^= pending
	k.epoch++
}

func (l *epoll) Wake() {
	l.waker.asked.Store(true)
	l.waker.wake()
}

func (l *epoll) complete(op Op, s Sock, errno Errno, n int) {
	l.completeAt(op, s, errno, n, Now())
}

func (l *epoll) completeAt(op Op, s Sock, errno Errno, n int, at int64) {
	l.delivered++
	l.c = Completion{Op: op, Sock: s, Errno: errno, N: n, At: at}
	if op == OpConnect {
		l.c.Began = l.socks[s].began
	}
	l.handler.Complete(&l.c)
}

// Wait implements Loop.
func (l *epoll) Wait(until int64) error {
	l.delivered = 0
	for {
		l.budget = performBudget // again where nothing completed, or this would spin
		l.perform()
		now := Now()
		if l.timers.expire(now, l.fire) > 0 {
			l.perform()
		}
		if l.retryAt != 0 && now >= l.retryAt {
			l.retryAt = 0
			l.acceptAgain()
		}
		sleep := int64(0)
		if l.delivered == 0 && l.head == len(l.queue) {
			next := min(until, l.timers.next())
			if l.retryAt != 0 {
				next = min(next, l.retryAt)
			}
			sleep = max(next, now) - now
			if next == Never {
				sleep = Never
			}
		}
		n, errno := l.epollWait(sleep)
		if errno != 0 && errno != unix.EINTR {
			return &Error{Call: "epoll_wait", Errno: errno}
		}
		for i := range n {
			l.event(&l.events[i])
			l.perform()
		}
		if l.delivered > 0 || Now() >= until {
			return nil
		}
	}
}

// perform does what is queued, and what that queues in turn, within this Wait's budget: a
// peer that always has more must not keep the caller from its other duties.
func (l *epoll) perform() {
	for ; l.budget > 0 && l.head < len(l.queue); l.budget-- {
		r := l.queue[l.head] // a copy: handlers append to the queue, which may move it
		l.head++
		l.do(&r)
	}
	// To move the rest down only when half is done moves each request once on average.
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
		if k.flag&(sockReadable|sockHup|sockFresh) != 0 {
			l.recv(k, r.s)
			return
		}
		k.flag |= pendRecv
		l.register(k, r.s, false)
	case OpPoll:
		if k.flag&sockHup != 0 || k.flag&sockReadable != 0 && unread(k.fd()) {
			l.polled(k, r.s)
			return
		}
		k.flag = k.flag&^sockReadable | pendPoll
		l.register(k, r.s, false)
	case OpShutdown:
		if _, _, e := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(k.fd()), unix.SHUT_WR, 0); e != 0 {
			l.complete(OpShutdown, r.s, e, 0)
		}
	case OpSetsockopt:
		o := NewLinger(r.n)
		if e := setsockopt(k.fd(), &o); e != 0 {
			l.complete(OpSetsockopt, r.s, e, 0)
		}
	case OpClose:
		l.close(k, r.s, r.flag)
	}
}

func (l *epoll) dial(k *epollSock, r *request) {
	family := uintptr(unix.AF_INET)
	if r.remote.V6() {
		family = unix.AF_INET6
	}
	fd, _, e := unix.RawSyscall(unix.SYS_SOCKET, family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
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
	k.began = Now()
	e = connect(k.fd(), r.remote)
	at := Now()
	taken := 0
	if e == unix.EINPROGRESS {
		taken = 1
	}
	if e == unix.EINPROGRESS && l.early.worthwhile() {
		if r.p != nil {
			n, se := send(k.fd(), r.p)
			if l.early.note(se != unix.EAGAIN) {
				l.firstSent(k, r, n, se, at)
				return
			}
		} else if e = connect(k.fd(), r.remote); !l.early.note(e != unix.EALREADY) {
			e = unix.EINPROGRESS
		}
	}
	switch e = l.afterHandshake(k, e); {
	case e == unix.EINPROGRESS:
		if r.p != nil {
			l.sends[r.s] = blockedSend{p: r.p}
		}
		k.flag |= pendConnect
		l.register(k, r.s, true)
	case e != 0:
		l.completeAt(OpConnect, r.s, e, taken, at)
	default:
		l.completeAt(OpConnect, r.s, 0, 0, at)
		if r.p != nil && k.epoch == r.epoch {
			l.send(k, r.s, blockedSend{p: r.p})
		}
	}
}

// firstSent reports a send that was tried before the connect was known to be over.
func (l *epoll) firstSent(k *epollSock, r *request, n int, e Errno, at int64) {
	if e != 0 && !IsReset(e) {
		l.completeAt(OpConnect, r.s, e, 1, at) // the connect's error: ECONNREFUSED, EHOSTUNREACH
		return
	}
	l.completeAt(OpConnect, r.s, 0, 0, at)
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
			l.sends[s] = b
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

func (l *epoll) polled(k *epollSock, s Sock) {
	n := 1
	if k.flag&sockHup != 0 {
		n = 0
	}
	l.complete(OpPoll, s, 0, n)
}

// recv reads what k.want asks for, or leaves the recv pending.
func (l *epoll) recv(k *epollSock, s Sock) {
	k.flag &^= sockFresh
	if k.flag&sockReset != 0 {
		l.complete(OpRecv, s, unix.ECONNRESET, 0)
		return
	}
	for {
		n, e := recv(k.fd(), l.buf[:k.want])
		switch {
		case e == unix.EINTR:
			continue
		case e == unix.EAGAIN:
			k.flag = k.flag&^sockReadable | pendRecv
			l.register(k, s, false)
			return
		case e != 0:
			l.complete(OpRecv, s, e, 0)
			return
		}
		if n < int(k.want) {
			// What comes later makes a new edge; a FIN that is there already does not, but
			// then EPOLLRDHUP stood beside this one.
			k.flag &^= sockReadable
		}
		l.delivered++
		l.c = Completion{Op: OpRecv, Sock: s, N: n, At: Now(), Data: l.buf[:n]}
		l.handler.Complete(&l.c)
		return
	}
}

func (l *epoll) close(k *epollSock, s Sock, lingers bool) {
	if k.file == 0 {
		l.complete(OpClose, s, unix.ECANCELED, 0)
		return
	}
	fd := k.forget()
	if lingers {
		l.linger.close(s, fd)
		return
	}
	_, _, e := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	l.closed(s, e)
}

func (l *epoll) closed(s Sock, e Errno) {
	l.free(s)
	l.complete(OpClose, s, e, 0)
}

// register puts s into the epoll set when it first has to wait. Adding reports
// what is ready already, so no edge is lost.
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

// fail completes whatever is pending on s with e.
func (l *epoll) fail(k *epollSock, s Sock, e Errno) {
	flag := k.flag
	l.Cancel(s)
	epoch := k.epoch
	switch {
	case flag&pendConnect != 0:
		l.complete(OpConnect, s, e, 1)
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
			b := l.sends[s]
			delete(l.sends, s)
			l.send(k, s, b)
		}
	}
	if k.flag&(sockReadable|sockHup) == 0 {
		return
	}
	switch {
	case k.flag&pendRecv != 0:
		k.flag &^= pendRecv
		l.recv(k, s)
	case k.flag&pendPoll != 0:
		k.flag &^= pendPoll
		l.polled(k, s)
	}
}

// afterHandshake keeps an error of connect that came after the handshake for the
// operation that follows, as if connect had not taken it: a reset before the
// handshake is ECONNREFUSED (tcp_reset).
func (l *epoll) afterHandshake(k *epollSock, e Errno) Errno {
	if IsReset(e) {
		k.flag |= sockReset | sockHup
		return 0
	}
	return e
}

func (l *epoll) connected(k *epollSock, s Sock, events uint32) {
	k.flag &^= pendConnect
	b, first := l.sends[s]
	delete(l.sends, s)
	if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		v, err := unix.GetsockoptInt(int(k.fd()), unix.SOL_SOCKET, unix.SO_ERROR)
		e := Errno(v)
		if err != nil {
			e = err.(Errno)
		}
		if e = l.afterHandshake(k, e); e != 0 {
			l.complete(OpConnect, s, e, 1)
			return
		}
	}
	epoch := k.epoch
	l.complete(OpConnect, s, 0, 0)
	if first && k.epoch == epoch {
		l.send(k, s, b)
	}
}

// lingered reports the closes that have come back.
func (l *epoll) lingered() {
	l.back = l.linger.take(l.back)
	for _, c := range l.back {
		l.free(c.s)
		l.completeAt(OpClose, c.s, c.errno, 0, c.at)
	}
}

func (l *epoll) Info(s Sock, into *sockstate.TCPInfo) error {
	return tcpInfo(int(l.socks[s].fd()), into)
}

func (l *epoll) LocalAddr(s Sock) (netip.AddrPort, error) {
	return localAddr(int(l.socks[s].fd()))
}

func (l *epoll) CloseAll(abort bool) error {
	o := NewLinger(0)
	for i := range l.socks {
		k := &l.socks[i]
		if k.file == 0 {
			continue
		}
		if abort {
			_ = setsockopt(k.fd(), &o) // the close below is what counts
		}
		_ = unix.Close(k.forget())
	}
	l.linger.finish(abort)
	l.waker.close()
	if err := unix.Close(l.epfd); err != nil {
		return &Error{Call: "close", Errno: err.(Errno)}
	}
	return nil
}
