package capture

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is a PACKET_RX_RING with TPACKET_V2 (Documentation/networking/packet_mmap.rst): frames of equal size, which
// the kernel fills in order. A frame's status says who owns it.
//
//	struct tpacket2_hdr | struct sockaddr_ll | room for a link layer header | network header ...
type ring struct {
	mem  []byte
	next int
}

// A block is contiguous kernel memory, a multiple of any page size. A frame does not cross its end.
const (
	blockSize = 64 << 10
	blocks    = 160
	perBlock  = blockSize / frameSize
	frames    = blocks * perBlock

	// frameSize is TPACKET_ALIGN(TPACKET2_HDRLEN) + 16 of tpacket_rcv, and the headers that the filter passes;
	// a multiple of TPACKET_ALIGNMENT.
	frameSize = 160
)

// Does not compile if the headers do not fit behind the frame's own.
const _ = uint(frameSize - 80 - maxHeaders)

// mapRing makes and maps the ring of a packet socket. The socket must not be bound yet: earlier packets would stay
// in its buffer.
func mapRing(fd int) (*ring, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V2); err != nil {
		return nil, &Error{"setsockopt", "PACKET_VERSION", err}
	}
	req := unix.TpacketReq{Block_size: blockSize, Block_nr: blocks, Frame_size: frameSize, Frame_nr: frames}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return nil, &Error{"setsockopt", "PACKET_RX_RING", err}
	}
	mem, err := unix.Mmap(fd, 0, blocks*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, &Error{"mmap", "PACKET_RX_RING", err}
	}
	return &ring{mem: mem}, nil
}

func (r *ring) frame() []byte {
	at := r.next/perBlock*blockSize + r.next%perBlock*frameSize
	return r.mem[at : at+frameSize]
}

func header(frame []byte) *unix.Tpacket2Hdr {
	return (*unix.Tpacket2Hdr)(unsafe.Pointer(unsafe.SliceData(frame)))
}

// ready reports whether take will return a packet.
func (r *ring) ready() bool {
	return atomic.LoadUint32(&header(r.frame()).Status)&unix.TP_STATUS_USER != 0
}

// captured is a packet in the ring.
type captured struct {
	wall    int64 // CLOCK_REALTIME, nanoseconds
	headers []byte
}

// take passes packets to f until there are none, at most once around the ring.
func (r *ring) take(f func(captured)) (n int) {
	for ; n < frames && r.ready(); n++ {
		frame := r.frame()
		h := header(frame)
		// Bounded although the kernel writes them: the memory is shared.
		begin := min(int(h.Net), frameSize)
		end := min(begin+int(min(h.Snaplen, frameSize)), frameSize) // an int may have 32 bits
		f(captured{int64(h.Sec)*1e9 + int64(h.Nsec), frame[begin:end]})
		atomic.StoreUint32(&h.Status, unix.TP_STATUS_KERNEL)
		r.next = (r.next + 1) % frames
	}
	return n
}

func (r *ring) unmap() { _ = unix.Munmap(r.mem) }
