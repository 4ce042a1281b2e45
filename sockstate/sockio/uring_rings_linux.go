package sockio

import (
	"math/bits"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate/sockio/ring"
)

const (
	// uringBatch is how many requests one system call takes.
	uringBatch = 128
	// Completions that a ring keeps. Their number also sizes the table in which the kernel looks for a
	// request to be cancelled (io_uring_ctx_alloc: 64 lists for 2048), which a mass close does for
	// each socket; more leave fewer places to multishot accept, see acceptor.
	minCompletions, maxCompletions = 256, 2048
	// maxTable bounds a ring's table where RLIMIT_NOFILE hardly does: the kernel fills it with zeros.
	maxTable = 1 << 16

	uringBuffer  = 16 << 10
	uringBuffers = 256 // a power of two
)

// completions is how many completions a ring with so many places keeps.
func completions(places int) uint32 {
	n := uint32(1) << (bits.Len(uint(max(places/4, 1))) - 1)
	return min(max(n, minCompletions), maxCompletions)
}

// RingMemory is how many rings a loop of NewUring has once so many of its slots have been used at the
// same time, and what they take of RLIMIT_MEMLOCK, in bytes. nofile is RLIMIT_NOFILE, which bounds a ring's table.
// accepts is set for a loop that gives its slots out by accepting: it makes a ring
// before the others are full (see acceptor).
//
// A ring is charged with its two queues and its list of buffers, in pages: 12 of them where its table has
// 8192 places or more, at least 5. They count together for all rings of all processes of a user who lacks
// CAP_IPC_LOCK over the first user namespace (io_uring_create, __io_account_mem); nobody else is charged. A ring that was closed
// is charged until the kernel has taken it down, a little later.
func RingMemory(slots, used, nofile int, accepts bool) (rings int, bytes int64) {
	slots = max(slots, 1)
	table := max(min(slots, nofile, maxTable), 1)
	if used = min(max(used, 1), slots); accepts {
		rings = used/max(table-int(completions(table))-1, 1) + 1
	} else {
		rings = (used + table - 1) / table
	}
	rings = min(rings, (slots+table-1)/table)
	for i := range rings {
		bytes += ringBytes(min(slots-i*table, table))
	}
	return rings, bytes
}

// ringBytes is what a ring with so many places is charged with.
func ringBytes(places int) int64 {
	const (
		header = 64 // at least, before the completions (struct io_rings)
		cqe    = int64(unsafe.Sizeof(ring.CQE{}))
		sqe    = int64(unsafe.Sizeof(ring.SQE{}))
		buffer = 16 // struct io_uring_buf
	)
	page := int64(os.Getpagesize())
	sum := int64(0)
	for _, size := range []int64{header + cqe*int64(completions(places)), sqe * uringBatch, buffer * uringBuffers} {
		sum += (size + page - 1) / page * page
	}
	return sum
}

// grow adds a ring.
func (l *uring) grow() error {
	i := len(l.rings)
	slots := min(max(len(l.socks)-i*l.table, 1), l.table)
	rg, err := ring.New(uringBatch, completions(slots))
	if err != nil {
		return err
	}
	r := &uringRing{Ring: rg, index: i, slots: slots}
	if err = r.RegisterTable(slots); err == nil {
		r.group, err = r.RegisterBuffers(l.buffers)
	}
	if err == nil && len(l.socks) > l.table {
		err = l.ringsBell(r)
	}
	if err != nil {
		r.free()
		return err
	}
	l.rings = append(l.rings, r)
	return nil
}

// reach makes the rings up to that of slot s.
func (l *uring) reach(s Sock) error {
	for int(s)/l.table >= len(l.rings) {
		if err := l.grow(); err != nil {
			return err
		}
	}
	return nil
}

// ringsBell has a ring of several signal that it has work: a loop cannot sleep in all of them.
func (l *uring) ringsBell(r *uringRing) error {
	if l.eventfd < 0 {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			return &Error{Call: "eventfd", Errno: err.(Errno)}
		}
		l.eventfd = fd
	}
	return r.RegisterEventfd(l.eventfd)
}

func (r *uringRing) free() {
	_ = r.Close() // nothing depends on it any more
	if r.group != nil {
		r.group.Free()
	}
}

// release gives back what the loop has of the kernel.
func (l *uring) release() {
	for _, r := range l.rings {
		r.free()
	}
	l.rings = nil
	if l.buffers != nil {
		l.buffers.Free()
	}
	l.waker.close()
	if l.eventfd >= 0 {
		_ = unix.Close(l.eventfd)
	}
}
