package ring

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring is one io_uring. It belongs to the thread that made it: on another thread Enter
// fails with EEXIST.
type Ring struct {
	fd       int
	mem      []byte // both queues, without the submission entries
	entries  []SQE
	sqTail   *uint32
	sqHead   *uint32
	sqFlags  *uint32
	cqHead   *uint32
	cqTail   *uint32
	overflow *uint32 // completions that the kernel had no memory to keep
	cqes     []CQE
	queue    []SQE            // requests not yet copied to entries
	done     int              // of queue: those before it are copied
	points   []unsafe.Pointer // what each request of queue points to
	reading  []unsafe.Pointer // what the requests being submitted point to
	spilled  []CQE            // completions moved out of the shared queue to make room
	unsent   uint32           // entries that the kernel has not consumed

	fd32 int32 // what Replace points to
	ts   Timespec
	arg  getEventsArg
}

// New makes a ring with a submission queue of entries and a completion queue of completed, both
// powers of two. Further completions overflow into kernel memory. It needs Linux 6.6 and fails
// with an *os.SyscallError: EPERM or ENOSYS if io_uring is forbidden, ENOMEM without memory.
func New(entries, completed uint32) (*Ring, error) {
	p := params{
		flags:     setupCQSize | setupSubmitAll | setupSingleIssuer | setupDeferTaskrun | setupTaskrunFlag | setupNoSQArray,
		cqEntries: completed,
	}
	fd, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(&p)), 0)
	if e != 0 {
		return nil, os.NewSyscallError("io_uring_setup", e)
	}
	r := &Ring{fd: int(fd)}
	unix.CloseOnExec(r.fd)
	if err := r.mapQueues(&p); err != nil {
		_ = r.Close() // err matters more
		return nil, err
	}
	return r, nil
}

func (r *Ring) mapQueues(p *params) (err error) {
	size := int(p.cq.cqes + p.cqEntries*uint32(unsafe.Sizeof(CQE{})))
	r.mem, err = unix.Mmap(r.fd, offRings, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	sqes, err := unix.Mmap(r.fd, offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(SQE{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	word := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.mem[offset])) }
	r.entries = unsafe.Slice((*SQE)(unsafe.Pointer(unsafe.SliceData(sqes))), p.sqEntries)
	r.cqes = unsafe.Slice((*CQE)(unsafe.Pointer(&r.mem[p.cq.cqes])), p.cqEntries)
	r.sqHead, r.sqTail, r.sqFlags = word(p.sq.head), word(p.sq.tail), word(p.sq.flags)
	r.cqHead, r.cqTail, r.overflow = word(p.cq.head), word(p.cq.tail), word(p.cq.overflow)
	return nil
}

// Close closes the ring. The kernel releases what is still registered or pending a little
// later (io_ring_exit_work).
func (r *Ring) Close() error {
	if r.entries != nil {
		p := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(r.entries))), len(r.entries)*int(unsafe.Sizeof(SQE{})))
		_ = unix.Munmap(p) // it was mapped with this length
	}
	if r.mem != nil {
		_ = unix.Munmap(r.mem) // it was mapped with this length
	}
	if err := unix.Close(r.fd); err != nil {
		return os.NewSyscallError("close", err)
	}
	return nil
}

// Queue appends a request, to be submitted by Enter.
func (r *Ring) Queue(e SQE) { r.QueueWith(e, nil) }

// QueueWith is Queue and keeps p, which the request points to, reachable until it is submitted.
func (r *Ring) QueueWith(e SQE, p unsafe.Pointer) {
	r.queue = append(r.queue, e)
	r.points = append(r.points, p)
}

// Queued returns the requests that Enter has not copied yet. They may be changed: to OpNop with
// CQESkipSuccess to withdraw one.
func (r *Ring) Queued() []SQE { return r.queue[r.done:] }

// QueueFirst inserts a request before the others.
func (r *Ring) QueueFirst(e SQE) {
	r.queue = slices.Insert(r.queue, r.done, e)
	r.points = slices.Insert(r.points, r.done, nil)
}

// Refused reports whether the kernel has not consumed all that the last Enter gave it, for want of memory.
func (r *Ring) Refused() bool { return r.unsent != 0 }

// Waits reports whether a request for which is holds is yet to be submitted: it is queued, or was refused.
func (r *Ring) Waits(is func(*SQE) bool) bool {
	mask := uint32(len(r.entries) - 1)
	for i, end := atomic.LoadUint32(r.sqHead), atomic.LoadUint32(r.sqTail); i != end; i++ {
		if is(&r.entries[i&mask]) {
			return true
		}
	}
	for i := range r.Queued() {
		if is(&r.Queued()[i]) {
			return true
		}
	}
	return false
}

// Takes is how many of the queued requests the next Enter submits: as many as fit.
func (r *Ring) Takes() int {
	room := len(r.entries) - int(atomic.LoadUint32(r.sqTail)-atomic.LoadUint32(r.sqHead))
	return min(room, len(r.queue)-r.done)
}

// fill copies queued requests to the shared queue.
func (r *Ring) fill() {
	tail := atomic.LoadUint32(r.sqTail)
	mask := uint32(len(r.entries) - 1)
	for range r.Takes() {
		r.entries[tail&mask] = r.queue[r.done]
		if p := r.points[r.done]; p != nil {
			r.reading = append(r.reading, p)
			r.points[r.done] = nil
		}
		r.done++
		tail++
		r.unsent++
	}
	// Moving the rest down when half is done moves each request once on average.
	if r.done >= len(r.queue)/2 {
		r.queue = r.queue[:copy(r.queue, r.queue[r.done:])]
		left := copy(r.points, r.points[r.done:])
		clear(r.points[left:])
		r.points, r.done = r.points[:left], 0
	}
	atomic.StoreUint32(r.sqTail, tail)
}

// Forever is a sleep for Enter without a timeout.
const Forever = int64(-1)

// Enter submits as many queued requests as the ring has room for, and runs the task work
// of pending ones. If sleep (in nanoseconds, or Forever) is not 0, it then waits for a
// completion. It returns early for a signal.
func (r *Ring) Enter(sleep int64) unix.Errno {
	r.fill()
	flags, least := uintptr(enterGetEvents), uintptr(0)
	var arg unsafe.Pointer
	var size uintptr
	if sleep != 0 {
		least = 1
	}
	if sleep > 0 {
		r.ts = NewTimespec(sleep)
		r.arg.ts = uint64(uintptr(unsafe.Pointer(&r.ts)))
		arg, size = unsafe.Pointer(&r.arg), unsafe.Sizeof(r.arg)
		flags |= enterExtArg
	}
	// Not RawSyscall: a batch takes as long as its operations, and the sleep longer.
	n, _, e := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(r.unsent), least, flags, uintptr(arg), size)
	switch e {
	case 0:
		r.unsent -= min(uint32(n), r.unsent)
		if r.unsent == 0 {
			clear(r.reading)
			r.reading = r.reading[:0]
		}
		return 0
	case unix.EINTR, unix.ETIME, unix.EAGAIN, unix.EBUSY:
		// Interrupted, timed out, or short of memory or of room for completions until the caller has
		// taken some: what was not submitted is still in the queue.
		r.unsent = atomic.LoadUint32(r.sqTail) - atomic.LoadUint32(r.sqHead)
		return 0
	}
	return e
}

// Fetch runs the task work of pending requests and submits nothing.
func (r *Ring) Fetch() unix.Errno {
	_, _, e := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 0, 0, enterGetEvents, 0, 0)
	if e == unix.EINTR || e == unix.EBUSY {
		return 0
	}
	return e
}

// Do submits one request alone, ahead of the queue, and returns its result. Other completions
// are kept for Next. The request must complete at once.
func (r *Ring) Do(e SQE) (int32, error) {
	mask := uint32(len(r.entries) - 1)
	tail := atomic.LoadUint32(r.sqTail)
	if r.unsent != 0 {
		return 0, fmt.Errorf("%d requests are waiting to be submitted: %w", r.unsent, unix.EBUSY)
	}
	r.entries[tail&mask] = e
	atomic.StoreUint32(r.sqTail, tail+1)
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 1, 0, 0, 0, 0); errno != 0 {
		r.unsent = atomic.LoadUint32(r.sqTail) - atomic.LoadUint32(r.sqHead)
		return 0, os.NewSyscallError("io_uring_enter", errno)
	}
	if res, ok := r.find(e.UserData); ok {
		return res, nil
	}
	// It overflowed, behind all that overflowed before.
	for range doRounds {
		var c CQE
		for r.next(&c) {
			r.spilled = append(r.spilled, c)
		}
		if errno := r.Fetch(); errno != 0 {
			return 0, os.NewSyscallError("io_uring_enter", errno)
		}
		if res, ok := r.find(e.UserData); ok {
			return res, nil
		}
	}
	return 0, os.NewSyscallError("io_uring_enter", unix.EOVERFLOW)
}

// doRounds bounds the search for a completion that overflowed.
const doRounds = 1000

// find removes a completion from the shared queue, out of order.
func (r *Ring) find(userData uint64) (int32, bool) {
	mask := uint32(len(r.cqes) - 1)
	head := atomic.LoadUint32(r.cqHead)
	for i, end := head, atomic.LoadUint32(r.cqTail); i != end; i++ {
		if c := &r.cqes[i&mask]; c.UserData == userData {
			c.UserData = 0
			if i == head {
				atomic.StoreUint32(r.cqHead, head+1)
			}
			return c.Res, true
		}
	}
	return 0, false
}

// Next removes the oldest completion. One with a zero UserData is to be ignored.
func (r *Ring) Next(into *CQE) bool {
	if len(r.spilled) > 0 {
		*into = r.spilled[0]
		r.spilled = r.spilled[1:]
		return true
	}
	return r.next(into)
}

func (r *Ring) next(into *CQE) bool {
	head := atomic.LoadUint32(r.cqHead)
	if head == atomic.LoadUint32(r.cqTail) {
		return false
	}
	*into = r.cqes[head&uint32(len(r.cqes)-1)]
	atomic.StoreUint32(r.cqHead, head+1)
	return true
}

// Pending reports whether Enter has work: requests to submit, task work, completions, or
// overflowed completions to fetch.
func (r *Ring) Pending() bool {
	return r.Unsubmitted() || len(r.spilled) > 0 || atomic.LoadUint32(r.sqFlags)&(sqTaskrun|sqCQOverflow) != 0 ||
		atomic.LoadUint32(r.cqHead) != atomic.LoadUint32(r.cqTail)
}

// Deferred reports whether the kernel has task work of pending requests, for Enter or Fetch.
func (r *Ring) Deferred() bool { return atomic.LoadUint32(r.sqFlags)&sqTaskrun != 0 }

// Unsubmitted reports whether a request is still to be submitted.
func (r *Ring) Unsubmitted() bool { return len(r.queue) > 0 || r.unsent > 0 }

// Overflowed reports whether completions have overflowed, for Fetch.
func (r *Ring) Overflowed() bool { return atomic.LoadUint32(r.sqFlags)&sqCQOverflow != 0 }

// Lost is the number of completions that the kernel dropped for want of memory. They never
// arrive.
func (r *Ring) Lost() uint32 { return atomic.LoadUint32(r.overflow) }
