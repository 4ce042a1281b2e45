package ring

// Op is the opcode of a struct io_uring_sqe.
type Op uint8

// The operations used here (include/uapi/linux/io_uring.h).
const (
	OpNop            Op = 0
	OpPollAdd        Op = 6
	OpAccept         Op = 13
	OpAsyncCancel    Op = 14
	OpConnect        Op = 16
	OpClose          Op = 19
	OpSend           Op = 26
	OpRecv           Op = 27
	OpShutdown       Op = 34
	OpSocket         Op = 45
	OpURingCmd       Op = 46
	OpFixedFdInstall Op = 54
	OpBind           Op = 56
)

// Flags of an entry.
const (
	FixedFile      uint8 = 1 << 0 // FD is an index into the registered table
	Async          uint8 = 1 << 4 // a kernel thread does it
	BufferSelect   uint8 = 1 << 5 // the kernel takes a buffer of group BufIndex
	CQESkipSuccess uint8 = 1 << 6 // only a failure completes
)

// Flags of a completion.
const (
	CQEBuffer   uint32 = 1 << 0 // the upper 16 bits are the buffer's id
	CQEMore     uint32 = 1 << 1 // the request will complete again
	CQENonempty uint32 = 1 << 2 // of a recv: there is more to read, or EOF
	bufferShift        = 16
)

// Values of single operations.
const (
	// FileIndexAlloc in FileIndex lets the kernel choose a free index of the file table.
	FileIndexAlloc = ^uint32(0)
	// AcceptMultishot and PollMultishot go into Ioprio and Len.
	AcceptMultishot uint16 = 1 << 0
	PollMultishot   uint32 = 1 << 0
	// CmdSetsockopt goes into Off of OpURingCmd (SOCKET_URING_OP_SETSOCKOPT).
	CmdSetsockopt uint64 = 3
	// CmdGetsockopt likewise, for SOL_SOCKET only (SOCKET_URING_OP_GETSOCKOPT). The result is optlen.
	CmdGetsockopt uint64 = 2
)

// SQE is struct io_uring_sqe: a request.
type SQE struct {
	Op        Op
	Flags     uint8
	Ioprio    uint16
	FD        int32
	Off       uint64
	Addr      uint64
	Len       uint32
	OpFlags   uint32 // msg_flags, accept_flags, poll32_events, cancel_flags ...
	UserData  uint64
	BufIndex  uint16
	_         uint16
	FileIndex uint32 // an index plus 1, or FileIndexAlloc; optlen of CmdSetsockopt
	Addr3     uint64 // optval of CmdSetsockopt
	_         uint64
}

// CQE is struct io_uring_cqe: a completion.
type CQE struct {
	UserData uint64
	Res      int32 // negative: an errno
	Flags    uint32
}

// Buffer is the id of the completion's buffer.
func (c *CQE) Buffer() uint16 { return uint16(c.Flags >> bufferShift) }

const (
	setupCQSize       = 1 << 3
	setupSubmitAll    = 1 << 7
	setupTaskrunFlag  = 1 << 9
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13
	setupNoSQArray    = 1 << 16

	enterGetEvents = 1 << 0
	enterExtArg    = 1 << 3

	sqCQOverflow = 1 << 1
	sqTaskrun    = 1 << 2

	offRings = 0
	offSQEs  = 0x10000000

	registerEventfd  = 4
	registerUpdate   = 6
	registerProbe    = 8
	registerFiles2   = 13
	registerPbufRing = 22
	resourceSparse   = 1 << 0
	opSupported      = 1 << 0
)

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	resv                                                                   [3]uint32
	sq                                                                     sqOffsets
	cq                                                                     cqOffsets
}

type sqOffsets struct {
	head, tail, ringMask, ringEntries, flags, dropped, array, resv1 uint32
	userAddr                                                        uint64
}

type cqOffsets struct {
	head, tail, ringMask, ringEntries, overflow, cqes, flags, resv1 uint32
	userAddr                                                        uint64
}

// getEventsArg is struct io_uring_getevents_arg.
type getEventsArg struct {
	sigmask   uint64
	sigmaskSz uint32
	minWait   uint32
	ts        uint64
}

// Timespec is struct __kernel_timespec, the argument of newer calls: 64-bit fields on every architecture, unlike unix.Timespec.
type Timespec struct{ sec, nsec int64 }

// NewTimespec converts nanoseconds.
func NewTimespec(ns int64) Timespec { return Timespec{ns / 1e9, ns % 1e9} }

// resourceRegister is struct io_uring_rsrc_register.
type resourceRegister struct {
	nr, flags  uint32
	_          uint64
	data, tags uint64
}

// filesUpdate is struct io_uring_files_update.
type filesUpdate struct {
	offset uint32
	_      uint32
	fds    uint64
}

// bufferRingRegister is struct io_uring_buf_reg.
type bufferRingRegister struct {
	addr    uint64
	entries uint32
	group   uint16
	flags   uint16
	_       [3]uint64
}

// buffer is struct io_uring_buf. The first one's last field is the ring's tail.
type buffer struct {
	addr uint64
	len  uint32
	id   uint16
	tail uint16
}

type probe struct {
	lastOp, opsLen uint8
	_              uint16
	_              [3]uint32
	ops            [256]probeOp
}

type probeOp struct {
	op, _ uint8
	flags uint16
	_     uint32
}
