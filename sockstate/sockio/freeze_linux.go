package sockio

import "golang.org/x/sys/unix"

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

func (l *epoll) Freeze(s Sock, filter bool) error { return freeze(int(l.socks[s].fd()), filter) }

func (l *uring) Freeze(s Sock, filter bool) error {
	return l.withPlain(s, func(fd int) error { return freeze(fd, filter) })
}

func freeze(fd int, filter bool) error {
	if filter && dropData(fd) == nil {
		return nil
	}
	if err := unix.Shutdown(fd, unix.SHUT_RDWR); err != nil {
		return &Error{Call: "shutdown", Errno: errnoOf(err)}
	}
	return nil
}

func dropData(fd int) error {
	const dataOffset = 12
	return attachFilter(fd, []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: dataOffset},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf0},
		{Code: unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K, K: 2}, // from words in the upper nibble to bytes
		{Code: unix.BPF_MISC | unix.BPF_TAX},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_X, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: filterDrop},
		{Code: unix.BPF_RET | unix.BPF_K, K: filterKeep},
	})
}
