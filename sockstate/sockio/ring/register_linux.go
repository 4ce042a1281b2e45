package ring

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

func (r *Ring) register(call string, op uintptr, arg unsafe.Pointer, n uintptr) error {
	_, _, e := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), op, uintptr(arg), n, 0, 0)
	if e != 0 {
		return os.NewSyscallError(call, e)
	}
	return nil
}

// RegisterTable makes an empty table of n direct descriptors. EMFILE: n is beyond
// RLIMIT_NOFILE, which bounds each ring's table apart from the process's descriptors.
func (r *Ring) RegisterTable(n int) error {
	p := resourceRegister{nr: uint32(n), flags: resourceSparse}
	return r.register("io_uring_register files", registerFiles2, unsafe.Pointer(&p), unsafe.Sizeof(p))
}

// Replace puts a descriptor of the process in a place of the table and lets go of what was there, at once.
func (r *Ring) Replace(place int32, fd int) error {
	r.fd32 = int32(fd)
	p := filesUpdate{offset: uint32(place), fds: uint64(uintptr(unsafe.Pointer(&r.fd32)))}
	_, _, e := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerUpdate, uintptr(unsafe.Pointer(&p)), 1, 0, 0)
	if e != 0 {
		return os.NewSyscallError("io_uring_register files", e)
	}
	return nil
}

// RegisterEventfd has the kernel signal an eventfd when the ring has work for Enter
// (io_req_local_work_add). Being polled, the ring itself does not always tell.
func (r *Ring) RegisterEventfd(fd int) error {
	p := int32(fd)
	return r.register("io_uring_register eventfd", registerEventfd, unsafe.Pointer(&p), 1)
}

// Supports tells which of ops the kernel knows.
func (r *Ring) Supports(ops ...Op) (missing []Op, err error) {
	p := new(probe)
	if err := r.register("io_uring_register probe", registerProbe, unsafe.Pointer(p), uintptr(len(p.ops))); err != nil {
		return nil, err
	}
	for _, op := range ops {
		if op > Op(p.lastOp) || p.ops[op].flags&opSupported == 0 {
			missing = append(missing, op)
		}
	}
	return missing, nil
}

// Buffers are memory for received data, from which the kernel takes a buffer when there is data for
// it, so that a request that waits has none. Rings whose thread takes the completions of
// one before it enters the next may share them.
type Buffers struct {
	mem  []byte
	size int
}

// NewBuffers makes n buffers of size bytes; untouched they take no memory. Like a ring's queues they lie
// outside the Go heap.
func NewBuffers(n, size int) (*Buffers, error) {
	mem, err := unix.Mmap(-1, 0, n*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return &Buffers{mem: mem, size: size}, nil
}

// Free gives the memory back, when no ring uses it any more.
func (b *Buffers) Free() { _ = unix.Munmap(b.mem) } // it was mapped with this length

// Size is that of one buffer in bytes.
func (b *Buffers) Size() int { return b.size }

func (b *Buffers) count() int { return len(b.mem) / b.size }

// Data is the part of buffer id that a completion filled.
func (b *Buffers) Data(id uint16, n int32) []byte {
	from := int(id) * b.size
	return b.mem[from : from+int(n) : from+int(n)]
}

// Group is a ring's view of Buffers: those that the kernel may take.
type Group struct {
	ring *Ring
	mem  []byte // page-aligned, as the kernel wants it
	list []buffer
	tail uint16
}

// RegisterBuffers offers all of b to requests with BufferSelect and BufIndex 0. Their number
// must be a power of two.
func (r *Ring) RegisterBuffers(b *Buffers) (*Group, error) {
	n := b.count()
	mem, err := unix.Mmap(-1, 0, n*int(unsafe.Sizeof(buffer{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	g := &Group{ring: r, mem: mem, list: unsafe.Slice((*buffer)(unsafe.Pointer(unsafe.SliceData(mem))), n)}
	reg := bufferRingRegister{addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))), entries: uint32(n)}
	if err := r.register("io_uring_register buffers", registerPbufRing, unsafe.Pointer(&reg), 1); err != nil {
		g.Free()
		return nil, err
	}
	for id := range n {
		g.Return(b, uint16(id))
	}
	runtime.KeepAlive(b)
	return g, nil
}

// Return lets the kernel take buffer id again.
func (g *Group) Return(b *Buffers, id uint16) {
	e := &g.list[int(g.tail)&(len(g.list)-1)]
	e.addr = uint64(uintptr(unsafe.Pointer(&b.mem[int(id)*b.size])))
	e.len, e.id = uint32(b.size), id
	g.tail++
	g.list[0].tail = g.tail // of this thread alone: see the package's memory ordering
}

// Free gives the list's memory back, when the ring is closed.
func (g *Group) Free() { _ = unix.Munmap(g.mem) } // it was mapped with this length
