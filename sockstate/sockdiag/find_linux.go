package sockdiag

import (
	"encoding/binary"
	"errors"
	"syscall"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// Find looks up the socket with these two addresses (inet_diag_find_one_icsk): it does not walk the kernel's table, and sees the socket as
// it is at this instant. ok is false if there is none. A lookup of an address that is not one of a connection finds its listener, which
// does not count.
func (c *Conn) Find(t sockstate.Tuple) (s Socket, ok bool, err error) {
	c.dump.seq++
	c.request = findRequest(c.request[:0], c.dump.seq, t)
	if err := c.dump.send(c.request); err != nil {
		return s, false, err
	}
	var errno syscall.Errno
	r := reply{
		seq: c.dump.seq, last: c.dump.seq,
		entry:  func(found *Socket) { s, ok = *found, true },
		failed: func(_ uint32, e syscall.Errno) { errno = e },
	}
	for !r.done && !ok {
		n, err := c.dump.receive(c.buf)
		if err != nil {
			return s, false, err
		}
		if err := r.messages(c.buf[:n]); err != nil {
			return s, false, err
		}
	}
	if errno != 0 && !errors.Is(errno, unix.ENOENT) {
		return s, false, &Error{Op: "find", Tuple: t, Err: errno}
	}
	return s, ok && s.State != sockstate.Listen, nil
}

// findRequest appends a request for one socket: struct inet_diag_req_v2 without a cookie (INET_DIAG_NOCOOKIE).
func findRequest(b []byte, seq uint32, t sockstate.Tuple) []byte {
	b = header(b, typeByFamily, unix.NLM_F_REQUEST, seq)
	family := byte(afInet6)
	if t.Local.Addr().Is4() {
		family = afInet
	}
	b = append(b, family, unix.IPPROTO_TCP, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, allStates)
	at := len(b)
	b = append(b, make([]byte, sizeofSockID)...)
	id := b[at:]
	binary.BigEndian.PutUint16(id, t.Local.Port())
	binary.BigEndian.PutUint16(id[2:], t.Remote.Port())
	copy(id[4:], t.Local.Addr().AsSlice())
	copy(id[20:], t.Remote.Addr().AsSlice())
	for i := range 8 {
		id[40+i] = 0xff
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}
