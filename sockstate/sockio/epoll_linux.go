package sockio

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
)

// epoll is the Loop that performs operations itself: at once where the kernel can, else
// when epoll, edge-triggered, says so.
//
// Against arming every step it saves this: a non-blocking connect says EINPROGRESS even
// where, as on loopback, the handshake was over before it returned (__inet_stream_connect
// looks before the backlog is processed); so the first send, or a second connect, is tried at
// once. A connection is registered when it first has to wait, and an accepted one is
// read before that, for the request is mostly there. With Config.GivesWay, what has to
// wait is looked at once more before that, after the peer has had its turn (see retryDeferred).
//
// Two client and two server workers on two CPUs, medians of paired runs of 1 s, with that look to without it:
//
//	echo:1,1  client:rst 1.30  client:fin 1.34  client:half 1.24  server:fin 1.03
//	none      client:rst 1.06
//
// What did not pay: client worker i and server worker i on CPU i, with listeners of that
// CPU's own (SO_INCOMING_CPU): 18,356 lifecycles/s against 18,339 without, 19,764 against
// 18,947, 19,245 against 18,491, 18,717 against 19,242.
type epoll struct {
	handler   Handler
	epfd      int
	waker     waker
	socks     []epollSock
	slots     Slots // for accepted connections
	queue     []request
	askedAt   int64 // when epoll was last asked
	head      int   // of queue: what is before it is done
	buf       []byte
	timers    *timers
	waits     map[Sock]waiting
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
	early     speculation
	late      speculation
	givesWay  bool
	deferred  []Sock // what retryDeferred is to look at
	linger    lingerer
	back      []lingered
}

// epollSock is one slot. Zero is one without a socket, so that slots nobody uses cost no memory.
type epollSock struct {
	file  int32  // the descriptor plus 1
	gen   uint32 // tells the events of a slot's successive sockets apart
	want  int32  // bytes of the pending recv
	flag  uint16
	epoch uint16 // counts cancels: what was queued before one is not done after it
}

// waiting is what a dial or send that has to wait needs besides its slot: few do at once.
type waiting struct {
	began, sent int64 // when connect was called, and came back
	blockedSend       // for a dial what is to be sent first, if anything
}

type blockedSend struct {
	p    []byte
	sent int
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

type epollListener struct{ fd, index int }

const (
	acceptBatch   = 64
	acceptLeast   = 8 // also where the sockets that there are have used up the Wait's budget: they may always do so
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
		handler:  cfg.Handler,
		epfd:     epfd,
		waker:    waker{fd: wakefd},
		socks:    make([]epollSock, cfg.Slots),
		buf:      make([]byte, cfg.Buffer),
		timers:   newTimers(cfg.Slots, clock.Now()),
		waits:    make(map[Sock]waiting),
		givesWay: cfg.GivesWay,
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
func (l *epoll) Now() int64   { return clock.Now() }

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
func (l *epoll) PeerEnd(s Sock, keep bool) {
	l.submit(request{op: OpPeerEnd, s: s, flag: keep})
}

func (l *epoll) Shutdown(s Sock) { l.submit(request{op: OpShutdown, s: s}) }

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
		delete(l.waits, s)
	}
	k.flag &^= pending
	k.epoch++
}

func (l *epoll) Wake() {
	l.waker.asked.Store(true)
	l.waker.wake()
}

func (l *epoll) complete(op Op, s Sock, errno Errno, n int) {
	l.completeAt(op, s, errno, n, clock.Now())
}

func (l *epoll) completeAt(op Op, s Sock, errno Errno, n int, at int64) {
	l.delivered++
	l.c = Completion{Op: op, Sock: s, Errno: errno, N: n, At: at}
	l.handler.Complete(&l.c)
}

func (l *epoll) completeConnect(s Sock, errno Errno, n int, began, at int64) {
	l.delivered++
	l.c = Completion{Op: OpConnect, Sock: s, Errno: errno, N: n, Began: began, At: at}
	l.handler.Complete(&l.c)
}

func (l *epoll) Info(s Sock, into *sockstate.TCPInfo) error {
	return tcpInfo(int(l.socks[s].fd()), into)
}

func (l *epoll) LocalAddr(s Sock) (netip.AddrPort, error) {
	return localAddr(int(l.socks[s].fd()))
}
