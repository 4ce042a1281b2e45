package sockio

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
)

// epoll is the Loop that performs operations itself: at once if the kernel can, otherwise
// when edge-triggered epoll says so.
//
// It registers a connection only when it first has to wait. A non-blocking connect returns
// EINPROGRESS even if, as on loopback, the handshake is over by then (__inet_stream_connect
// checks before the backlog is processed), so the first send, or a second connect, is tried at
// once. An accepted connection is read at once: the request is usually there. With
// Config.GivesWay the loop yields and tries again before it registers (see retryDeferred).
//
// Two client and two server workers on two CPUs, medians of paired runs of 1 s, with retryDeferred to without it:
//
//	echo:1,1  client:rst 1.30  client:fin 1.34  client:half 1.24  server:fin 1.03
//	none      client:rst 1.06
//
// Pinning client worker i and server worker i to CPU i, with a listener for each CPU
// (SO_INCOMING_CPU), did not pay: 18,356 lifecycles/s against 18,339 without, 19,764 against
// 18,947, 19,245 against 18,491, 18,717 against 19,242.
type epoll struct {
	shared
	epfd      int
	socks     []epollSock
	slots     Slots // for accepted connections
	queue     []request
	polledAt  int64 // when epoll last had no more events
	head      int   // of queue: those before it are done
	buf       []byte
	waits     map[Sock]waiting
	accepts   bool // accept allocates the slots
	listeners []epollListener
	events    [128]unix.EpollEvent
	budget    int // operations that this Wait may still perform
	noPwait2  bool
	early     speculation
	late      speculation
	deferred  []Sock // for retryDeferred
}

// epollSock is one slot. The zero value has no socket, so unused slots cost no memory.
type epollSock struct {
	file  int32  // the descriptor plus 1
	gen   uint32 // distinguishes the successive sockets of a slot
	want  int32  // bytes of the pending recv
	flag  uint16
	epoch uint16 // counts cancels: a request of an earlier epoch is dropped
}

// waiting is the state of a dial or send that has to wait. Few do at once, so it is not in the slot.
type waiting struct {
	began, sent int64 // when connect was called, and returned
	blockedSend       // for a dial, the data to send first, if any
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

// forget removes the descriptor from the slot and returns it, to be closed.
func (k *epollSock) forget() int {
	fd := int(k.fd())
	k.file = 0
	k.gen = (k.gen + 1) & genMask
	return fd
}

const (
	sockRegistered uint16 = 1 << iota // in the epoll set
	sockOut                           // registered for EPOLLOUT too
	sockReadable                      // an edge, and no short read since: there may be data
	sockHup                           // EOF or an error is queued: always readable
	sockFresh                         // accepted, not yet read
	sockReset                         // SO_ERROR returned a reset that no completion has reported yet
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
	acceptMin     = 8 // even if the open sockets have used up the Wait's budget
	acceptRetry   = int64(10e6)
	performBudget = 512 // operations of one Wait

	// The high half of an event's data is a generation or one of these.
	wakeMark   = ^uint32(0)
	acceptMark = wakeMark - 1
	genMask    = 1<<31 - 1
)

// NewEpoll makes an epoll loop. It fails with an *Error if the process is out of descriptors.
func NewEpoll(cfg Config) (Loop, error) {
	if cfg.Buffer <= 0 {
		cfg.Buffer = 64 << 10
	}
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, failed("epoll_create1", "", err)
	}
	l := &epoll{epfd: epfd, socks: make([]epollSock, cfg.Slots), buf: make([]byte, cfg.Buffer), waits: make(map[Sock]waiting)}
	if err := l.open(&cfg); err != nil {
		_ = unix.Close(epfd)
		return nil, err
	}
	l.fire = func(s Sock) { l.complete(OpTimeout, s, 0, 0) }
	if e := l.control(unix.EPOLL_CTL_ADD, l.waker.fd, unix.EPOLLIN|unix.EPOLLET, 0, wakeMark); e != 0 {
		_ = unix.Close(epfd)
		l.waker.close()
		return nil, &Error{Call: "epoll_ctl", Errno: e}
	}
	return l, nil
}

func (l *epoll) Name() string { return "epoll" }

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

func (l *epoll) Cancel(s Sock) {
	k := &l.socks[s]
	if k.flag&(pendSend|pendConnect) != 0 {
		delete(l.waits, s)
	}
	k.flag &^= pending
	k.epoch++
}

func (l *epoll) complete(op Op, s Sock, errno Errno, n int) {
	l.completeAt(op, s, errno, n, clock.Now())
}

func (l *epoll) Info(s Sock, into *sockstate.TCPInfo) error {
	return tcpInfo(int(l.socks[s].fd()), into)
}

func (l *epoll) LocalAddr(s Sock) (netip.AddrPort, error) {
	return localAddr(int(l.socks[s].fd()))
}
