package sockio

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/sockio/ring"
)

// uring is the Loop whose operations are requests to io_uring, performed by the kernel in the order
// in which they were queued, a batch in a system call. Sockets are direct descriptors, places in a
// ring's table, not descriptors of the process.
//
// RLIMIT_NOFILE bounds each ring's table, so a loop has as many rings as its slots need, made when the
// first slot of theirs is used. Slot s is place s%table of ring s/table.
//
// Times are those of batches: Began is when the batch with the connect was submitted, At when the one
// with its completion came back. Under a full load a batch is some tens of requests and takes as long as they do.
//
// Measured with two client and two server workers on two CPUs, 64 connections, echo:1,1, client:rst, a second each,
// medians of 7 to 9 rounds against what is here; in brackets CPU time a lifecycle of both sides, here 64 to 68 us:
//
//	plain descriptors, epoll               0.78 (88)    io_uring to epoll 1.1 to 1.3 in most rounds
//	recvs asked for without giving way     0.88 (72)    see submitDeferred
//	not keeping a pair on one CPU          0.91 (68)    see bench: it pays here, not with epoll
//	16, 32 and 512 requests a batch        0.87 (80), 0.91 (72), 0.91 (72)
//	the socket linked to its connect       0.99 (69)    a link is started by task work, one more pass
//	one worker of each side, four          0.68 (70), 0.98 (72)
//	8, 16, 32 connections                  0.78 (90), 0.94 (78), 0.96 (68)
//	128, 512, 4096 connections             1.00 (61), 0.92 (68), 0.88 (75)
//	GOMAXPROCS of 24, not 6                1.00 (65)
//	the serial floor                       1.04         what the kernel's work alone allows
//
// Of a profile 3 % is this package and the state machines above it, and 3 % the second look that
// io_connect takes at each handshake; the rest is TCP's.
type uring struct {
	handler  Handler
	table    int // places of a ring
	rings    []*uringRing
	socks    []uringSock
	buffers  *ring.Buffers
	timers   *timers
	waker    waker
	linger   lingerer
	back     []lingered
	givesWay bool
	// unfiltered is set where a connect's success needs no proof.
	unfiltered bool

	// deferred are the recvs that are submitted when the other threads of this CPU have had their turn.
	deferred []deferredRecv
	// lingering are the closes that block, and wait for what was queued before them.
	lingering []Sock
	// local are completions that no ring will give: nothing was asked of the kernel for them.
	local     []localCompletion
	localHead int
	// sends holds what is being sent, or is to be on a connection that is not there yet; the kernel reads
	// it, unseen by the garbage collector, until its request has completed.
	sends map[Sock]sending
	// connects are those of the batch that was submitted last.
	connects []Sock
	// kept is what keptError reads.
	kept int32
	// slow is when the batch of a connect came back, where that took long.
	slow map[Sock]int64
	// stash holds what a recv had read when it was cancelled.
	stash map[Sock][]byte
	// least are the recvs that asked for less than a buffer.
	least map[Sock]int
	// cancelled is what the kernel may still send, by the request's user data.
	cancelled map[uint64]sending
	// opts are the options that were ever set, each once: a request may point to one for long.
	opts  map[Opt]*Opt
	abort *Opt // SO_LINGER {1, 0}

	acceptor  acceptor
	eventfd   int   // an eventfd that the rings of a loop that may have several signal; -1: there is one
	now       int64 // when the last batch came back
	waiting   bool  // in Wait
	delivered int
	c         Completion
	fire      func(Sock)
}

type uringRing struct {
	*ring.Ring
	group *ring.Group
	index int
	open  int    // accepted sockets in its table
	lost  uint32 // completions, as last seen
	// entered is when the last batch was submitted.
	entered int64
	// singles are the accepts under way that take one connection each.
	singles int
	slots   int // places that the loop has slots for
}

// uringSock is one slot. Zero is one without a socket.
type uringSock struct {
	began    int64  // when connect was called
	gen      uint16 // tells a slot's successive sockets apart
	epoch    uint16 // counts cancels: what was asked for before one is not wanted after it
	flag     uint16
	inflight uint8 // requests in the kernel that will complete
}

const (
	ringOpen      uint16 = 1 << iota // there is a socket, or will be when the queue is submitted
	ringClosing                      // OpClose is due
	ringClosed                       // the kernel has closed it
	ringFresh                        // accepted, not yet read
	ringReset                        // a reset is known of, which nobody was told yet
	ringUndialled                    // the connect was withdrawn before it was submitted
	ringLingers                      // a thread closes it
	ringQueued                       // a request of its is not submitted yet
	ringConnect                      // wanted and not yet complete, from here on
	ringSend
	ringRecv
	ringPoll

	ringWanted = ringConnect | ringSend | ringRecv | ringPoll
)

// What a request is for, in its user data. Zero is nobody's.
const (
	markSocket uint8 = iota + 1
	markOpt          // of a dial
	markBind
	markConnect
	markSend
	markRecv
	markPoll
	markLook
	markLookKeep
	markLinger
	markShutdown
	markClose
	markAccept // the slot is the listener's number, as for the next
	markListen // poll of a listener for which there is no room
	markWake
	markInstall
	markKept
)

// user data: mark 8 bits, generation 12, epoch 12, slot 32.
const (
	ringCountBits = 12
	ringCountMask = 1<<ringCountBits - 1
)

func (k *uringSock) data(mark uint8, s Sock) uint64 {
	return uint64(mark)<<56 | uint64(k.gen&ringCountMask)<<44 | uint64(k.epoch&ringCountMask)<<32 | uint64(uint32(s))
}

// NewUring makes an io_uring loop for the calling thread, which alone may use it but for
// Wake. It fails with an *Error where the kernel refuses: see Choose.
func NewUring(cfg Config) (Loop, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, &Error{Call: "getrlimit", Errno: err.(Errno)}
	}
	return newUring(cfg, int(min(limit.Cur, maxTable)))
}

// newUring makes a loop whose rings have a table of so many places each.
func newUring(cfg Config, table int) (Loop, error) {
	if cfg.Buffer <= 0 {
		cfg.Buffer = uringBuffer
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, &Error{Call: "eventfd", Errno: err.(Errno)}
	}
	l := &uring{
		handler:    cfg.Handler,
		table:      min(table, max(cfg.Slots, 1)),
		socks:      make([]uringSock, cfg.Slots),
		timers:     newTimers(cfg.Slots, clock.Now()),
		waker:      waker{fd: wakefd},
		givesWay:   cfg.GivesWay,
		unfiltered: cfg.Unfiltered,
		sends:      make(map[Sock]sending),
		connects:   make([]Sock, 0, uringBatch),
		slow:       make(map[Sock]int64, uringBatch),
		stash:      make(map[Sock][]byte),
		least:      make(map[Sock]int),
		opts:       make(map[Opt]*Opt),
		cancelled:  make(map[uint64]sending),
		eventfd:    -1,
	}
	l.abort = l.intern(newLinger(0))
	l.fire = func(s Sock) { l.complete(OpTimeout, s, 0, 0) }
	l.linger.wake = l.waker.wake
	if l.buffers, err = ring.NewBuffers(uringBuffers, cfg.Buffer); err == nil {
		err = l.grow()
	}
	if err != nil {
		l.release()
		return nil, ringError(err)
	}
	l.watchWaker()
	return l, nil
}

// ringError makes what package ring returns an *Error.
func ringError(err error) error {
	var e *os.SyscallError
	if !errors.As(err, &e) {
		return err
	}
	return &Error{Call: e.Syscall, Errno: errnoOf(err)}
}

func errnoOf(err error) Errno {
	var e Errno
	if !errors.As(err, &e) {
		return unix.EIO
	}
	return e
}

func (l *uring) Name() string { return "uring" }
func (l *uring) Now() int64   { return clock.Now() }

func (l *uring) SetTimer(s Sock, at int64) { l.timers.set(s, at) }
func (l *uring) StopTimer(s Sock)          { l.timers.stop(s) }

func (l *uring) Wake() {
	l.waker.asked.Store(true)
	l.waker.wake()
}

// at is the ring and the place of a slot.
func (l *uring) at(s Sock) (*uringRing, int32) {
	return l.rings[int(s)/l.table], int32(int(s) % l.table)
}

func (l *uring) complete(op Op, s Sock, errno Errno, n int) {
	l.delivered++
	l.c = Completion{Op: op, Sock: s, Errno: errno, N: n, At: l.now}
	l.handler.Complete(&l.c)
}

// localCompletion is one that is dropped if its operation is cancelled first.
type localCompletion struct {
	Completion
	epoch uint16
}

// intern returns the loop's own copy of an option.
func (l *uring) intern(o Opt) *Opt {
	if own := l.opts[o]; own != nil {
		return own
	}
	own := new(Opt)
	*own = o
	l.opts[o] = own
	return own
}

// locally has Wait deliver a completion for which nothing is asked of the kernel.
func (l *uring) locally(c Completion) {
	l.local = append(l.local, localCompletion{c, l.socks[c.Sock].epoch})
}

// withPlain calls f with a plain descriptor of a socket: some of what a socket can be asked has no
// request of its own.
func (l *uring) withPlain(s Sock, f func(fd int) error) error {
	fd, err := l.install(s)
	if err != nil {
		return err
	}
	err = f(fd)
	if e := unix.Close(fd); err == nil && e != nil {
		return &Error{Call: "close", Errno: e.(Errno)}
	}
	return err
}

// install gives a socket a plain descriptor beside its place in the table.
func (l *uring) install(s Sock) (int, error) {
	k := &l.socks[s]
	if k.flag&ringOpen == 0 || l.unsubmitted(s, markSocket) {
		return -1, &Error{Call: "io_uring install", Errno: unix.EBADF}
	}
	r, place := l.at(s)
	res, err := r.Do(ring.SQE{Op: ring.OpFixedFdInstall, Flags: ring.FixedFile, FD: place, UserData: k.data(markInstall, s)})
	if err != nil {
		return -1, ringError(err)
	}
	if res < 0 {
		return -1, &Error{Call: "io_uring install", Errno: Errno(-res)}
	}
	return int(res), nil
}

func (l *uring) Info(s Sock, into *sockstate.TCPInfo) error {
	return l.withPlain(s, func(fd int) error { return tcpInfo(fd, into) })
}

func (l *uring) LocalAddr(s Sock) (at netip.AddrPort, err error) {
	err = l.withPlain(s, func(fd int) (err error) {
		at, err = localAddr(fd)
		return err
	})
	return at, err
}

// unsubmitted reports whether a request of s is still queued.
func (l *uring) unsubmitted(s Sock, mark uint8) bool {
	if l.socks[s].flag&ringQueued == 0 && mark != markLinger {
		return false
	}
	const anyEpoch = uint64(ringCountMask) << 32
	k := &l.socks[s]
	r, _ := l.at(s)
	for _, e := range r.Queued() {
		if e.UserData|anyEpoch == k.data(mark, s)|anyEpoch {
			return true
		}
	}
	return false
}

// watchWaker has ring 0 say when the loop is woken.
func (l *uring) watchWaker() {
	l.rings[0].Queue(ring.SQE{
		Op: ring.OpPollAdd, FD: int32(l.waker.fd), Len: ring.PollMultishot, OpFlags: unix.POLLIN,
		UserData: uint64(markWake) << 56,
	})
}

// woken hears of a wake: Loop.Wake's, or of closes that have come back.
func (l *uring) woken() {
	l.waker.reset()
	l.back = l.linger.take(l.back)
	for _, c := range l.back {
		// Its place was kept, so that nobody else could take it.
		k := &l.socks[c.s]
		k.flag &^= ringLingers
		l.closeDirect(k, c.s, 0)
	}
	l.now = clock.Now()
	if l.waker.asked.Swap(false) {
		l.complete(OpWake, -1, 0, 0)
	}
}

// lostError is a ring whose completions the kernel could not keep.
func lostError(n uint32) error {
	return &Error{Call: fmt.Sprintf("io_uring_enter (%d completions lost)", n), Errno: unix.ENOMEM}
}
