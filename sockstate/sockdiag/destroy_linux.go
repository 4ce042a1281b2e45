package sockdiag

import (
	"encoding/binary"
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// maxPasses bounds DestroyAll.
const maxPasses = 8

// DestroyAll destroys (SOCK_DESTROY) sockets of the load, or of the namespace if f is nil: those
// for which pick returns true, or all except listeners if pick is nil. It returns how many it
// destroyed. The peer gets an RST, the owning process ECONNABORTED; a TIME_WAIT just
// disappears. A peer ended by the RST does not count, nor does a socket that is already
// gone. The cookie protects a new socket with the same addresses.
//
// A dump misses sockets while others disappear, so it repeats until nothing is left to
// destroy, at most 8 times. What remains are the sockets of a running load, and orphans on
// kernels whose tcp_abort ignores them.
//
// It needs CAP_NET_ADMIN, at Open too, in the user namespace that owns the network namespace. The
// error is an *Error: EPERM, EOPNOTSUPP (a kernel without CONFIG_INET_DIAG_DESTROY), or the
// dump's error, which may also be a *ParseError.
func (c *Conn) DestroyAll(f *sockstate.Filter, pick func(*Socket) bool) (int, error) {
	total := 0
	for range maxPasses {
		b := batch{conn: c}
		var failure error
		err := c.Each(f, func(s *Socket) {
			if failure != nil {
				return
			}
			if f != nil {
				if _, ok := f.Side(s.Tuple); !ok {
					return
				}
			}
			if pick == nil && s.State == sockstate.Listen || pick != nil && !pick(s) {
				return
			}
			if b.add(s); b.full() {
				failure = b.flush()
			}
		})
		if failure == nil {
			failure = b.flush()
		}
		total += b.destroyed
		if err := errors.Join(failure, err); err != nil || b.destroyed == 0 {
			return total, err
		}
	}
	return total, nil
}

// CheckDestroy reports whether DestroyAll may end sockets. Its error is one of DestroyAll's. It asks to end a socket that cannot exist.
func (c *Conn) CheckDestroy() error {
	b := batch{conn: c}
	b.add(&Socket{family: afInet, Socket: sockstate.Socket{State: sockstate.TimeWait}})
	return b.flush()
}

// batch sends several SOCK_DESTROY at once. The kernel replies to each that fails, and to the
// last one, which requests an acknowledgment.
type batch struct {
	conn      *Conn
	request   []byte
	sockets   []sockstate.Tuple
	lastAt    int // offset of the last message in request
	destroyed int
}

// full bounds a batch so that its replies fit the socket's receive buffer.
func (b *batch) full() bool { return len(b.sockets) == 64 }

// add appends a struct inet_diag_req_v2 for s.
func (b *batch) add(s *Socket) {
	b.lastAt = len(b.request)
	b.request = header(b.request, typeDestroy, unix.NLM_F_REQUEST, b.conn.destroy.seq+1+uint32(len(b.sockets)))
	b.request = append(b.request, s.family, unix.IPPROTO_TCP, 0, 0)
	b.request = binary.NativeEndian.AppendUint32(b.request, 1<<s.State)
	b.request = append(b.request, s.id[:]...)
	binary.NativeEndian.PutUint32(b.request[b.lastAt:], uint32(len(b.request)-b.lastAt))
	b.sockets = append(b.sockets, s.Tuple)
}

func (b *batch) flush() error {
	n := len(b.sockets)
	if n == 0 {
		return nil
	}
	binary.NativeEndian.PutUint16(b.request[b.lastAt+6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	conn := &b.conn.destroy
	first := conn.seq + 1
	conn.seq += uint32(n)
	if err := conn.send(b.request); err != nil {
		return err
	}
	b.destroyed += n
	var failure error
	r := reply{
		seq: first, last: conn.seq,
		failed: func(seq uint32, errno syscall.Errno) {
			b.destroyed--
			if errno != unix.ENOENT && failure == nil {
				failure = &Error{Op: "destroy", Tuple: b.sockets[seq-first], Err: errno}
			}
		},
	}
	for !r.done {
		n, err := conn.receive(b.conn.ackBuf)
		if err != nil {
			return err
		}
		if err := r.messages(b.conn.ackBuf[:n]); err != nil {
			return err
		}
	}
	b.request, b.sockets = b.request[:0], b.sockets[:0]
	return failure
}
