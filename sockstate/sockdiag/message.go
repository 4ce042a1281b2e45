package sockdiag

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"lastack/sockstate"
)

// Socket is one entry of a dump.
type Socket struct {
	sockstate.Socket
	// V6Only is set for an IPv6 listener that does not accept IPv4 (IPV6_V6ONLY).
	V6Only bool

	// The address family and struct inet_diag_sockid, with its cookie, by which DestroyAll
	// identifies the socket.
	family uint8
	id     [sizeofSockID]byte
}

// Sizes and offsets of the structs in include/uapi/linux/netlink.h and inet_diag.h.
const (
	sizeofHeader = 16 // nlmsghdr { u32 len; u16 type, flags; u32 seq, pid }
	sizeofSockID = 48 // inet_diag_sockid { be16 sport, dport; be32 src[4], dst[4]; u32 if, cookie[2] }
	sizeofMsg    = 72 // inet_diag_msg { u8 family, state, timer, retrans; id; u32 expires, rqueue, wqueue, uid, inode }

	offID      = 4
	offExpires = offID + sizeofSockID
	offRqueue  = offExpires + 4
	offWqueue  = offExpires + 8
	offInode   = offExpires + 16
)

// Message types (include/uapi/linux/netlink.h, sock_diag.h, inet_diag.h).
const (
	typeNoop     = 1  // NLMSG_NOOP
	typeError    = 2  // NLMSG_ERROR
	typeDone     = 3  // NLMSG_DONE
	typeGetSock  = 18 // TCPDIAG_GETSOCK
	typeByFamily = 20 // SOCK_DIAG_BY_FAMILY
	typeDestroy  = 21 // SOCK_DESTROY
)

// Address families and idiag_timer as the kernel numbers them.
const (
	afInet        = 2
	afInet6       = 10
	timerTimeWait = 3 // inet_twsk_diag_fill
)

// ParseError is a malformed message.
type ParseError struct {
	// Offset is in bytes from the start of the received datagram.
	Offset int
	What   string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("sock_diag message at byte %d: %s", e.Offset, e.What)
}

// reply handles the messages that reply to the requests seq to last.
type reply struct {
	// Messages outside seq to last are left from an abandoned dump and skipped.
	seq, last uint32
	socket    Socket
	// entry is called for each socket.
	entry func(*Socket)
	// failed is called for each request that the kernel refused.
	failed func(seq uint32, errno syscall.Errno)
	// done is set when the reply to last is complete.
	done bool
}

// messages parses a received datagram.
func (r *reply) messages(b []byte) error {
	at := 0
	for len(b)-at > 0 {
		m := b[at:]
		if len(m) < sizeofHeader {
			return &ParseError{at, fmt.Sprintf("%d bytes are too few for a header", len(m))}
		}
		length := binary.NativeEndian.Uint32(m)
		if length < sizeofHeader || uint64(length) > uint64(len(m)) {
			return &ParseError{at, fmt.Sprintf("length %d, of %d bytes left", length, len(m))}
		}
		typ := binary.NativeEndian.Uint16(m[4:])
		seq := binary.NativeEndian.Uint32(m[8:])
		if seq-r.seq <= r.last-r.seq {
			if what := r.message(typ, seq, m[sizeofHeader:length]); what != "" {
				return &ParseError{at, what}
			}
		}
		at += min(align4(int(length)), len(m))
	}
	return nil
}

// align4 is NLMSG_ALIGN: (len + NLMSG_ALIGNTO - 1) & ~(NLMSG_ALIGNTO - 1).
func align4(n int) int { return (n + 3) &^ 3 }

// message handles one message and returns what is wrong with it.
func (r *reply) message(typ uint16, seq uint32, payload []byte) string {
	switch typ {
	case typeNoop:
	case typeGetSock, typeByFamily:
		if what := parseSocket(payload, &r.socket); what != "" {
			return what
		}
		if r.entry != nil {
			r.entry(&r.socket)
		}
	case typeError, typeDone:
		// Both carry a negative errno or 0; a DONE of Linux before 4.16 may be empty.
		var code int32
		switch {
		case len(payload) >= 4:
			code = int32(binary.NativeEndian.Uint32(payload))
		case typ == typeError:
			return "an error without a code"
		}
		// A positive number in DONE is a length: the dump's last return value.
		if code < 0 && r.failed != nil {
			r.failed(seq, syscall.Errno(-int64(code)))
		}
		r.done = r.done || seq == r.last
	default:
		return fmt.Sprintf("unexpected type %d", typ)
	}
	return ""
}

// parseSocket parses struct inet_diag_msg; only a listener's attributes matter.
func parseSocket(b []byte, s *Socket) string {
	if len(b) < sizeofMsg {
		return fmt.Sprintf("a socket of %d bytes, which needs %d", len(b), sizeofMsg)
	}
	state := sockstate.State(b[1])
	if state < sockstate.Established || state > sockstate.NewSynRecv {
		return fmt.Sprintf("socket state %d", state)
	}
	s.family = b[0]
	s.id = [sizeofSockID]byte(b[offID:])
	var local, remote netip.Addr
	switch s.family {
	case afInet:
		local, remote = netip.AddrFrom4([4]byte(s.id[4:])), netip.AddrFrom4([4]byte(s.id[20:]))
	case afInet6:
		local, remote = netip.AddrFrom16([16]byte(s.id[4:])).Unmap(), netip.AddrFrom16([16]byte(s.id[20:])).Unmap()
	default:
		return fmt.Sprintf("address family %d", s.family)
	}
	s.Socket = sockstate.Socket{
		Tuple: sockstate.Tuple{
			Local:  netip.AddrPortFrom(local, binary.BigEndian.Uint16(s.id[0:])),
			Remote: netip.AddrPortFrom(remote, binary.BigEndian.Uint16(s.id[2:])),
		},
		State: state,
		Inode: uint64(binary.NativeEndian.Uint32(b[offInode:])),
	}
	s.V6Only = false
	switch {
	case state == sockstate.Listen:
		s.V6Only = s.family == afInet6 && isV6Only(b[sizeofMsg:])
		s.AcceptQueue = int(binary.NativeEndian.Uint32(b[offRqueue:]))
		s.Backlog = int(binary.NativeEndian.Uint32(b[offWqueue:]))
	case b[2] == timerTimeWait:
		s.Mini = true
		s.Left = time.Duration(binary.NativeEndian.Uint32(b[offExpires:])) * time.Millisecond
	}
	return ""
}

// isV6Only reads INET_DIAG_SKV6ONLY, which the kernel adds to each IPv6 listener (inet_diag_msg_attrs_fill). It stops
// at a malformed attribute (struct nlattr { u16 len, type }).
func isV6Only(attrs []byte) bool {
	const skV6Only = 11
	for len(attrs) >= 4 {
		n := int(binary.NativeEndian.Uint16(attrs))
		if n < 4 || n > len(attrs) {
			return false
		}
		if binary.NativeEndian.Uint16(attrs[2:]) == skV6Only {
			return n > 4 && attrs[4] != 0
		}
		attrs = attrs[min(align4(n), len(attrs)):]
	}
	return false
}
