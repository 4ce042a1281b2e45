package sockio

import "net/netip"

// Listener is a listening socket, for Loop.Accept.
type Listener struct {
	FD   int
	Addr netip.AddrPort
}

// ListenConfig says how to listen.
type ListenConfig struct {
	// Backlog is passed to listen(). The accept queue holds one more; net.core.somaxconn caps it.
	Backlog int
	// ReusePort lets several listeners share the address, each with its own queue.
	ReusePort bool
}

// Freezer is a Loop that can stop a socket from receiving. Both backends can.
type Freezer interface {
	// Freeze makes the kernel accept no more data for s. Data received before can still be read; then follows
	// nothing, EOF or ECONNRESET. Later data is not acknowledged, so once the peer has the FIN it knows from
	// tcpi_bytes_acked what this end received. Segments inside the kernel may still be delivered: see AwaitDelivery.
	//
	// With filter it drops segments that carry data (SO_ATTACH_FILTER: about 5 KB of kernel memory, and
	// CAP_NET_ADMIN on Linux 6.18.44). Once s is closed such data is answered by RST, but only after the peer has the
	// FIN, whose acknowledgment passes the filter.
	// Without filter, or if it is refused, Freeze calls shutdown(SHUT_RDWR): the FIN is sent at once, and data that arrives
	// later is answered by RST (tcp_rcv_state_process), which can overtake the FIN on the loopback of a busy host.
	Freeze(s Sock, filter bool) error
}
