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

// RegisterTable makes an empty file table for n direct descriptors. It fails with EMFILE if n
// exceeds RLIMIT_NOFILE, which bounds each ring's table separately.
func (r *Ring) RegisterTable(n int) error {
	p := resourceRegister{nr: uint32(n), flags: resourceSparse}
	return r.register("io_uring_register files", registerFiles2, unsafe.Pointer(&p), unsafe.Sizeof(p))
}

// Replace puts fd at an index of the file table and releases the file that was there, at once.
func (r *Ring) Replace(index int32, fd int) error {
	r.fd32 = int32(fd)
	p := filesUpdate{offset: uint32(index), fds: uint64(uintptr(unsafe.Pointer(&r.fd32)))}
	return r.register("io_uring_register files", registerUpdate, unsafe.Pointer(&p), 1)
}

// RegisterEventfd makes the kernel signal an eventfd when the ring has work for Enter
// (io_req_local_work_add). Polling the ring's descriptor does not always report that.
func (r *Ring) RegisterEventfd(fd int) error {
	p := int32(fd)
	return r.register("io_uring_register eventfd", registerEventfd, unsafe.Pointer(&p), 1)
}

// Supports returns those of ops that the kernel lacks.
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

// Buffers is memory for received data. The kernel takes a buffer only when data arrives, so a
// waiting request holds none. Rings may share it if their thread handles the completions of
// one before it enters the next.
type Buffers struct {
	mem  []byte
	size int
}

// NewBuffers makes n buffers of size bytes outside the Go heap. Untouched ones take no memory.
func NewBuffers(n, size int) (*Buffers, error) {
	mem, err := unix.Mmap(-1, 0, n*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return &Buffers{mem: mem, size: size}, nil
}

// Free frees the memory. No ring may use it any more.
func (b *Buffers) Free() { _ = unix.Munmap(b.mem) } // it was mapped with this length

// Size is the size of one buffer in bytes.
func (b *Buffers) Size() int { return b.size }

func (b *Buffers) count() int { return len(b.mem) / b.size }

// Data is the part of buffer id that a completion filled.
func (b *Buffers) Data(id uint16, n int32) []byte {
	from := int(id) * b.size
	return b.mem[from : from+int(n) : from+int(n)]
}

// Group is a ring's list of the Buffers that the kernel may take.
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
	g.list[0].tail = g.tail // not atomic: see the package's memory ordering
}

// Free frees the list. The ring must be closed.
func (g *Group) Free() { _ = unix.Munmap(g.mem) } // it was mapped with this length
