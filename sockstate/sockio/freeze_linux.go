package sockio

import "golang.org/x/sys/unix"

// Freezer is a Loop that can have a socket take no more data. Both backends can.
type Freezer interface {
	// Freeze has the kernel take no more data for s from now on: what is there can still be read, and then
	// comes nothing, or EOF, or ECONNRESET. To the peer, data that comes later was never received: it is not
	// acknowledged. So when it has the FIN it can tell by what was acknowledged (tcpi_bytes_acked) what this end had
	// received. What was under way in the kernel may still come: see AwaitDelivery.
	//
	// With filter it drops the segments that carry data (SO_ATTACH_FILTER, which costs some 5 KB of kernel memory, and on
	// Linux 6.18.44 CAP_NET_ADMIN). Such data draws an RST once s is closed, but not before the peer has the
	// FIN, whose acknowledgment comes through.
	// Without, or where that is refused, it is shutdown(SHUT_RDWR): the FIN is sent at once, and data that comes
	// after it draws an RST (tcp_rcv_state_process), which on loopback can overtake the FIN on a busy host.
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
		{Code: unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K, K: 2}, // words in the upper half, to bytes
		{Code: unix.BPF_MISC | unix.BPF_TAX},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_X, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: filterDrop},
		{Code: unix.BPF_RET | unix.BPF_K, K: filterKeep},
	})
}
