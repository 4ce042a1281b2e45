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

// uring is the Loop whose operations are io_uring requests. The kernel performs them in queue order,
// a batch per system call. Sockets are direct descriptors (indexes into a ring's file table), not
// descriptors of the process.
//
// RLIMIT_NOFILE bounds each ring's table, so a loop has as many rings as its slots need. Each is made
// when its first slot is used. Slot s has index s%table of ring s/table.
//
// Times are those of batches: Began is when the batch with the connect was submitted, At when the batch
// with its completion returned. Under full load a batch is some tens of requests and takes as long as they do.
//
// Variants relative to the code as it is: throughput and, in brackets, CPU time per lifecycle of both sides in us (64 to 68 as it
// is). Two client and two server workers on two CPUs, 64 connections, echo:1,1, client:rst, 1 s each, medians of 7 to 9 rounds:
//
//	plain descriptors, epoll               0.78 (88)    io_uring to epoll 1.1 to 1.3 in most rounds
//	recvs submitted without yielding       0.88 (72)    see submitDeferred
//	pairs not kept on one CPU              0.91 (68)    see bench: it pays here, not with epoll
//	16, 32 and 512 requests a batch        0.87 (80), 0.91 (72), 0.91 (72)
//	the socket linked to its connect       0.99 (69)    task work starts a link: one more pass
//	one worker of each side, four          0.68 (70), 0.98 (72)
//	8, 16, 32 connections                  0.78 (90), 0.94 (78), 0.96 (68)
//	128, 512, 4096 connections             1.00 (61), 0.92 (68), 0.88 (75)
//	GOMAXPROCS of 24, not 6                1.00 (65)
//	the serial floor                       1.04         the kernel's work alone
//
// In a profile 3 % is this package and the state machines above it, and 3 % is io_connect's second
// check of each handshake; the rest is TCP.
type uring struct {
	shared
	table   int // size of a ring's file table
	rings   []*uringRing
	socks   []uringSock
	buffers *ring.Buffers
	// unfiltered is Config.Unfiltered: a connect's success needs no verification.
	unfiltered bool

	// deferred are the recvs to submit after a yield.
	deferred []deferredRecv
	// lingering are the closes that block, until the requests queued before them are submitted.
	lingering []Sock
	// local are the completions that need no request to the kernel.
	local     []localCompletion
	localHead int
	// sends holds the data being sent, or to be sent once the connection is open. The kernel reads it,
	// invisibly to the garbage collector, until the request has completed.
	sends map[Sock]sending
	// connects are the connects of the last submitted batch.
	connects []Sock
	// kept is where keptError reads the error.
	kept int32
	// remotes is where the dials that are preparing go to.
	remotes map[Sock]*Addr
	// slow is when the batch of a connect returned, for slow batches only.
	slow map[Sock]int64
	// stash holds the data of recvs that were cancelled too late.
	stash map[Sock][]byte
	// recvLimit is the n of the recvs for less than a buffer.
	recvLimit map[Sock]int
	// cancelled is the data that the kernel may still send, by the request's user data.
	cancelled map[uint64]sending
	// opts holds every option ever set, each once: a request may point to one for long.
	opts  map[Opt]*Opt
	abort *Opt // SO_LINGER {1, 0}

	acceptor acceptor
	eventfd  int   // signalled by all rings, if the loop may have several; -1: it has one
	now      int64 // when the last batch returned
	caughtUp int64 // when no ring had task work left
	waiting  bool  // in Wait
}

type uringRing struct {
	*ring.Ring
	group *ring.Group
	index int
	open  int    // accepted sockets in its table
	lost  uint32 // lost completions reported so far
	// entered is when the last batch was submitted.
	entered int64
	// singles is the number of single-shot accepts under way, each with an index reserved.
	singles int
	slots   int // size of its table
}

// uringSock is one slot. The zero value has no socket.
type uringSock struct {
	began    int64  // when connect was called
	gen      uint16 // distinguishes the successive sockets of a slot
	epoch    uint16 // counts cancels: completions of an earlier epoch are dropped
	flag     uint16
	inflight uint8 // requests that will complete
}

const (
	ringOpen      uint16 = 1 << iota // the socket exists, or will once the queue is submitted
	ringClosing                      // OpClose is to complete
	ringClosed                       // the kernel has closed it
	ringFresh                        // accepted, not yet read
	ringReset                        // a reset that no completion has reported yet
	ringPreparing                    // the connect waits for the steps before it, and is not queued yet
	ringUndialled                    // the dial ended before its SYN
	ringLingers                      // a lingerer thread is closing it
	ringQueued                       // one of its requests is not submitted yet
	ringConnect                      // this and the following: pending operations
	ringSend
	ringRecv
	ringPoll

	ringWanted = ringConnect | ringSend | ringRecv | ringPoll
)

// The kind of a request, in its user data. A completion of kind zero is ignored.
const (
	markSocket  uint8 = iota + 1
	markOpt           // an option of a dial, with another step behind it
	markLastOpt       // one with only the connect behind it
	markBind
	markConnect
	markSend
	markRecv
	markPoll
	markPeek
	markPeerEnd
	markPeerEndKeep
	markLinger
	markShutdown
	markClose
	markAccept // the slot is the listener's index, for markListen too
	markListen // poll of a listener, without a free index
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

// openUring makes an io_uring loop. Only the calling thread may use it, except for Wake. It
// fails with an *Error if the kernel refuses: see Choose.
func openUring(cfg Config) (Loop, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, failed("getrlimit", "", err)
	}
	return newUring(cfg, int(min(limit.Cur, maxTable)))
}

// newUring makes a loop with file tables of a given size.
func newUring(cfg Config, table int) (Loop, error) {
	if cfg.Buffer <= 0 {
		cfg.Buffer = uringBuffer
	}
	l := &uring{
		table:      min(table, max(cfg.Slots, 1)),
		socks:      make([]uringSock, cfg.Slots),
		unfiltered: cfg.Unfiltered,
		sends:      make(map[Sock]sending),
		remotes:    make(map[Sock]*Addr),
		connects:   make([]Sock, 0, uringBatch),
		slow:       make(map[Sock]int64, uringBatch),
		stash:      make(map[Sock][]byte),
		recvLimit:  make(map[Sock]int),
		opts:       make(map[Opt]*Opt),
		cancelled:  make(map[uint64]sending),
		eventfd:    -1,
	}
	err := l.open(&cfg)
	if err != nil {
		return nil, err
	}
	l.abort = l.intern(newLinger(0))
	l.fire = func(s Sock) { l.complete(OpTimeout, s, 0, 0) }
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

// ringError converts an error of package ring to an *Error.
func ringError(err error) error {
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		return failed(e.Syscall, "", err)
	}
	return err
}

func (l *uring) Name() string { return "uring" }

// at is the ring of a slot and its index in the ring's file table.
func (l *uring) at(s Sock) (*uringRing, int32) {
	return l.rings[int(s)/l.table], int32(int(s) % l.table)
}

func (l *uring) complete(op Op, s Sock, errno Errno, n int) {
	l.completeAt(op, s, errno, n, l.now)
}

// localCompletion is a completion without a request, dropped if its operation is cancelled first.
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

// localComplete makes Wait deliver a completion that needs no request to the kernel.
func (l *uring) localComplete(c Completion) {
	l.local = append(l.local, localCompletion{c, l.socks[c.Sock].epoch})
}

// withPlain calls f with a plain descriptor of a socket, for system calls that io_uring lacks.
func (l *uring) withPlain(s Sock, f func(fd int) error) error {
	fd, err := l.install(s)
	if err != nil {
		return err
	}
	err = f(fd)
	if e := unix.Close(fd); err == nil {
		return failed("close", "", e)
	}
	return err
}

// install gives a socket a plain descriptor beside its direct one.
func (l *uring) install(s Sock) (int, error) {
	k := &l.socks[s]
	if k.flag&ringOpen == 0 || l.unsubmitted(s, markSocket) {
		return -1, &Error{Call: "io_uring install", Errno: unix.EBADF}
	}
	r, file := l.at(s)
	res, err := r.Do(ring.SQE{Op: ring.OpFixedFdInstall, Flags: ring.FixedFile, FD: file, UserData: k.data(markInstall, s)})
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

// unsubmitted reports whether a request of s is yet to be submitted.
func (l *uring) unsubmitted(s Sock, mark uint8) bool {
	r, _ := l.at(s)
	if l.socks[s].flag&ringQueued == 0 && mark != markLinger && !r.Refused() {
		return false
	}
	const anyEpoch = uint64(ringCountMask) << 32
	k := &l.socks[s]
	return r.Waits(func(e *ring.SQE) bool { return e.UserData|anyEpoch == k.data(mark, s)|anyEpoch })
}

// watchWaker polls the waker in ring 0.
func (l *uring) watchWaker() {
	l.rings[0].Queue(ring.SQE{
		Op: ring.OpPollAdd, FD: int32(l.waker.fd), Len: ring.PollMultishot, OpFlags: unix.POLLIN,
		UserData: uint64(markWake) << 56,
	})
}

// woken handles a wake: by Loop.Wake, or by a lingerer thread that has closed a socket.
func (l *uring) woken() {
	l.waker.reset()
	l.back = l.linger.take(l.back)
	for _, c := range l.back {
		// Its index was kept taken until now.
		k := &l.socks[c.s]
		k.flag &^= ringLingers
		l.closeDirect(k, c.s, 0)
	}
	l.now = clock.Now()
	if l.waker.asked.Swap(false) {
		l.complete(OpWake, -1, 0, 0)
	}
}

// lostError says that the kernel has lost n completions.
func lostError(n uint32) error {
	return &Error{Call: fmt.Sprintf("io_uring_enter (%d completions lost)", n), Errno: unix.ENOMEM}
}
