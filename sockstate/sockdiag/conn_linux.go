package sockdiag

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/netns"
)

var _ sockstate.Source = (*Conn)(nil)

// bufferSize holds the result of one receive call: the kernel builds at most 32 KiB of a dump
// at a time (netlink_recvmsg bounds nlk->max_recvmsg_len).
const bufferSize = 64 << 10

// replyTimeout is in seconds. The kernel builds the reply within the send call, so having to
// wait at all means that something is wrong.
const replyTimeout = 30

// allStates selects ESTABLISHED to NEW_SYN_RECV (1 << state). The next bit, BOUND_INACTIVE,
// would add bound and unconnected sockets, which /proc/net/tcp does not show.
const allStates = 1<<sockstate.NumStates - 2

// Conn speaks sock_diag for one network namespace. It is not safe for concurrent use.
type Conn struct {
	// Two sockets, because sockets are destroyed during a dump.
	dump, destroy socket
	buf, ackBuf   []byte
	// compat is set if one dump covers both address families.
	compat bool
	seen   int

	request []byte

	// add is one closure over these two for the life of the Conn.
	filter *sockstate.Filter
	census *sockstate.Census
	add    func(*Socket)
}

// Open opens sock_diag in a namespace, or in the calling thread's if ns is nil, and tries a
// dump. It needs no privilege beyond that of netns.NS.Do. The error is an *Error:
// EPROTONOSUPPORT, EPERM or EACCES of the socket, or ENOENT of the dump, mean that this
// kernel or container does not offer sock_diag.
//
// The sockets belong to the namespace and keep it alive until Close.
func Open(ns *netns.NS) (*Conn, error) {
	c := &Conn{
		dump: socket{fd: -1}, destroy: socket{fd: -1},
		buf: make([]byte, bufferSize), ackBuf: make([]byte, bufferSize),
	}
	err := ns.Do(func() error {
		if err := c.dump.open(); err != nil {
			return err
		}
		return c.destroy.open()
	})
	if err == nil {
		err = c.probe()
	}
	if err != nil {
		_ = c.Close() // err matters more
		return nil, err
	}
	c.add = func(s *Socket) { c.census.Add(c.filter, &s.Socket) }
	return c, nil
}

// probe chooses the request. TCPDIAG_GETSOCK, the first version of the interface, dumps
// all address families in one walk of the hash table (inet_diag_dump_compat sets AF_UNSPEC);
// SOCK_DIAG_BY_FAMILY walks it once for each. The probe requests only listeners, which does
// not walk the table of connections.
func (c *Conn) probe() error {
	const listeners = 1 << sockstate.Listen
	c.compat = true
	if c.walkFamily(afInet, listeners, nil, nil) == nil {
		return nil
	}
	c.compat = false
	return c.walkFamily(afInet, listeners, nil, nil)
}

// Census adds the load's sockets to into. After an error (an *Error or a *ParseError) it
// holds a part of them.
func (c *Conn) Census(f *sockstate.Filter, into *sockstate.Census) error {
	c.filter, c.census = f, into
	defer func() { c.filter, c.census = nil, nil }()
	c.seen = 0
	if len(f.Servers) == 0 {
		return nil
	}
	return c.walk(allStates, f, c.add)
}

// Each calls each for every TCP socket of the namespace, in a Socket that it reuses. With a
// filter it calls it only for the sockets with one of its ports at either end, which include
// the load's.
func (c *Conn) Each(f *sockstate.Filter, each func(*Socket)) error {
	return c.walk(allStates, f, each)
}

// Listeners is Each for the listeners of the namespace. It receives only them, however many
// connections there are.
func (c *Conn) Listeners(each func(*Socket)) error {
	return c.walk(1<<sockstate.Listen, nil, each)
}

// Handshakes counts the handshakes under way (NEW_SYN_RECV) at the filter's ports, whatever
// their load. It receives only them.
func (c *Conn) Handshakes(f *sockstate.Filter) (n int, err error) {
	err = c.walk(1<<sockstate.SynRecv|1<<sockstate.NewSynRecv, f, func(*Socket) { n++ })
	return n, err
}

// Seen is the number of sockets that the last call received: with a filter, those with one of
// its ports, whatever their load.
func (c *Conn) Seen() int { return c.seen }

// Close closes the connection.
func (c *Conn) Close() error { return errors.Join(c.dump.close(), c.destroy.close()) }

// walk dumps the sockets of both address families in the states, with a filter those with one
// of its ports.
func (c *Conn) walk(states uint32, f *sockstate.Filter, each func(*Socket)) error {
	c.seen = 0
	var ports []sockstate.PortRange
	if f != nil {
		ports = portRanges(f.Servers)
	}
	if err := c.walkFamily(afInet, states, ports, each); err != nil || c.compat {
		return err
	}
	// A kernel without IPv6 has no handler for its sockets.
	if err := c.walkFamily(afInet6, states, ports, each); !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// walkFamily dumps once. It always reads the kernel's reply to its end, even after an error, so
// that the socket is idle for the next dump.
func (c *Conn) walkFamily(family uint8, states uint32, ports []sockstate.PortRange, each func(*Socket)) error {
	c.dump.seq++
	c.request = dumpRequest(c.request[:0], c.compat, c.dump.seq, family, states, ports)
	if err := c.dump.send(c.request); err != nil {
		return err
	}
	var failure error
	r := reply{
		seq: c.dump.seq, last: c.dump.seq,
		entry: func(s *Socket) {
			c.seen++
			if each != nil {
				each(s)
			}
		},
		failed: func(_ uint32, errno syscall.Errno) {
			failure = &Error{Op: "dump", Err: errno}
		},
	}
	for !r.done {
		n, err := c.dump.receive(c.buf)
		if err != nil {
			return errors.Join(failure, err)
		}
		if err := r.messages(c.buf[:n]); err != nil && failure == nil {
			failure = err
		}
	}
	return failure
}

// dumpRequest appends a request for the sockets of a family (with compat, of all) in the
// states. If ports is not empty it requests only those with a port in one of the ranges.
//
//	struct inet_diag_req    { u8 family, src_len, dst_len, ext; sockid id; u32 states, dbs; }   compat
//	struct inet_diag_req_v2 { u8 family, protocol, ext, pad; u32 states; sockid id; }
func dumpRequest(b []byte, compat bool, seq uint32, family uint8, states uint32, ports []sockstate.PortRange) []byte {
	typ := uint16(typeByFamily)
	if compat {
		typ = typeGetSock
	}
	b = header(b, typ, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, seq)
	b = append(b, family, 0, 0, 0)
	if compat {
		b = append(b, make([]byte, sizeofSockID)...)
		b = binary.NativeEndian.AppendUint32(b, states)
		b = append(b, 0, 0, 0, 0)
	} else {
		b[len(b)-3] = unix.IPPROTO_TCP
		b = binary.NativeEndian.AppendUint32(b, states)
		b = append(b, make([]byte, sizeofSockID)...)
	}
	if len(ports) > 0 {
		const reqBytecode = 1 // INET_DIAG_REQ_BYTECODE
		code := portBytecode(ports)
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(code))) // nlattr { u16 len, type }
		b = binary.NativeEndian.AppendUint16(b, reqBytecode)
		b = append(b, code...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

// header appends a struct nlmsghdr; the caller fills in its length.
func header(b []byte, typ, flags uint16, seq uint32) []byte {
	b = append(b, 0, 0, 0, 0)
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	return append(b, 0, 0, 0, 0)
}

// socket is a netlink socket connected to the kernel: no other process can send to it
// (netlink_getsockbyportid).
type socket struct {
	fd  int
	seq uint32
}

func (s *socket) open() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return &Error{Op: "socket", Err: err}
	}
	s.fd = fd
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return &Error{Op: "connect", Err: err}
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: replyTimeout}); err != nil {
		return &Error{Op: "setsockopt", Err: err}
	}
	return nil
}

func (s *socket) close() error {
	if s.fd < 0 {
		return nil
	}
	err := unix.Close(s.fd)
	s.fd = -1
	return os.NewSyscallError("close", err)
}

func (s *socket) send(b []byte) error {
	for {
		_, err := unix.Write(s.fd, b)
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return &Error{Op: "send", Err: err}
		}
	}
}

// receive is recv(2) with MSG_TRUNC, which returns the length of the whole datagram.
// unix.Recvfrom would allocate the sender's address.
func (s *socket) receive(b []byte) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_TRUNC, 0, 0)
		runtime.KeepAlive(b)
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return 0, &Error{Op: "receive", Err: errno}
		case int(n) > len(b):
			return 0, &ParseError{len(b), "cut: " + strconv.Itoa(int(n)) + " bytes were sent"}
		default:
			return int(n), nil
		}
	}
}
