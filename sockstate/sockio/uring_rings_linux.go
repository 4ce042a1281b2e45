package sockio

import (
	"math/bits"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate/sockio/ring"
)

const (
	// uringBatch is the most requests of one system call.
	uringBatch = 128
	// The size of a ring's completion queue. It also sizes the hash table in which the kernel looks up a
	// request to cancel (io_uring_ctx_alloc: 64 lists for 2048), once per socket in a mass close. A larger
	// one leaves fewer indexes to multishot accept, see acceptor.
	minCompletions, maxCompletions = 256, 2048
	// maxTable bounds a ring's table if RLIMIT_NOFILE is huge: the kernel zeroes all of it.
	maxTable = 1 << 16

	uringBuffer  = 16 << 10
	uringBuffers = 256 // a power of two
)

// completions is the size of the completion queue of a ring with a table of a given size.
func completions(table int) uint32 {
	n := uint32(1) << (bits.Len(uint(max(table/4, 1))) - 1)
	return min(max(n, minCompletions), maxCompletions)
}

// RingMemory returns how many rings a loop of openUring has once used of its slots have been in use at the
// same time, and the bytes that they charge to RLIMIT_MEMLOCK. nofile is RLIMIT_NOFILE, which bounds a ring's table.
// accepts is set for a loop that accepts: it makes a ring before the others are full (see acceptor).
//
// A ring's charge is its two queues and its buffer list, in pages: at least 5, and 12 for a table of 8192 or more.
// The kernel sums it over all rings of all processes of a user without CAP_IPC_LOCK in the initial user namespace
// (io_uring_create, __io_account_mem); with it there is no charge. A closed ring is charged until the kernel has destroyed
// it, a little later.
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

// ringBytes is the memlock charge of a ring with a table of a given size.
func ringBytes(table int) int64 {
	const (
		header = 64 // at least: struct io_rings, before the completions
		cqe    = int64(unsafe.Sizeof(ring.CQE{}))
		sqe    = int64(unsafe.Sizeof(ring.SQE{}))
		buffer = 16 // struct io_uring_buf
	)
	page := int64(os.Getpagesize())
	sum := int64(0)
	for _, size := range []int64{header + cqe*int64(completions(table)), sqe * uringBatch, buffer * uringBuffers} {
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
		err = l.signalEventfd(r)
	}
	if err != nil {
		r.free()
		return err
	}
	l.rings = append(l.rings, r)
	return nil
}

// growTo makes the rings up to that of slot s.
func (l *uring) growTo(s Sock) error {
	for int(s)/l.table >= len(l.rings) {
		if err := l.grow(); err != nil {
			return err
		}
	}
	return nil
}

// signalEventfd makes a ring signal the eventfd when it has work: a loop cannot sleep in several rings.
func (l *uring) signalEventfd(r *uringRing) error {
	if l.eventfd < 0 {
		fd, err := newEventfd()
		if err != nil {
			return err
		}
		l.eventfd = fd
	}
	return r.RegisterEventfd(l.eventfd)
}

func (r *uringRing) free() {
	_ = r.Close() // nothing uses it any more
	if r.group != nil {
		r.group.Free()
	}
}

// release frees the loop's kernel resources.
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
