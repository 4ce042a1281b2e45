package sockio

import (
	"math/bits"

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
	if err == nil && i > 0 {
		err = l.listen(r)
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

// listen has the loop's rings, of which r is the newest, ring a bell when they have work: a loop with several
// cannot sleep in one.
func (l *uring) listen(r *uringRing) error {
	if l.bell >= 0 {
		return r.RegisterEventfd(l.bell)
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return &Error{Call: "eventfd", Errno: err.(Errno)}
	}
	for _, r := range []*uringRing{l.rings[0], r} {
		if err := r.RegisterEventfd(fd); err != nil {
			_ = unix.Close(fd)
			return err
		}
	}
	l.bell = fd
	return nil
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
	if l.bell >= 0 {
		_ = unix.Close(l.bell)
	}
}
