package capture

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// openSocket opens a packet socket with its filter. Protocol 0 keeps it from receiving before it is bound.
func openSocket(server netip.AddrPort, f Filter, link *net.Interface) (fd int, err error) {
	// With SOCK_DGRAM packets begin at the network header on any link layer.
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, &Error{"socket", "", err}
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if err := attachFilter(fd, server, f, link); err != nil {
		return -1, err
	}
	return fd, nil
}

func attachFilter(fd int, server netip.AddrPort, f Filter, link *net.Interface) error {
	code, err := bpf.Assemble(append(onceEach(server, link.Flags&net.FlagLoopback != 0), f.compile(server)...))
	if err != nil {
		return &Error{"setsockopt", "SO_ATTACH_FILTER", err}
	}
	filter := make([]unix.SockFilter, len(code))
	for i, c := range code {
		filter[i] = unix.SockFilter{Code: c.Op, Jt: c.Jt, Jf: c.Jf, K: c.K}
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return failed("setsockopt", "SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog))
}

// listen makes the socket receive the packets sent and received on the link. Sent packets go only to sockets bound to
// all protocols (dev_queue_xmit_nit).
func listen(fd int, link *net.Interface) error {
	if err := bind(fd, link, unix.ETH_P_ALL); err != nil {
		return err
	}
	return linkError(fd, link)
}

// linkError reports that the link is down, or was since the last call: bind succeeds even so.
func linkError(fd int, link *net.Interface) error {
	errno, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		return &Error{"link", link.Name, unix.Errno(errno)}
	}
	return nil
}

// unlisten ends receiving. Binding to another protocol waits until no CPU is storing a packet
// (__unregister_prot_hook calls synchronize_net), so all packets are in the ring afterwards.
func unlisten(fd int, link *net.Interface) error {
	// For local experiments (IEEE 802).
	const protocol = 0x88b5
	return bind(fd, link, protocol)
}

func bind(fd int, link *net.Interface, protocol uint16) error {
	order := [2]byte{byte(protocol >> 8), byte(protocol)} // the network's
	at := &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(order[:]), Ifindex: link.Index}
	return failed("bind", link.Name, unix.Bind(fd, at))
}
