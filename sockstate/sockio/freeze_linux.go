package sockio

import "golang.org/x/sys/unix"

// Freezer is a Loop that can have a socket take no more data. Both backends can.
type Freezer interface {
	// Freeze has the kernel drop every segment with data that comes for s from now on (SO_ATTACH_FILTER): what is there
	// can still be read, and nothing is added to it. To the peer such data was never received: it is not
	// acknowledged, and once s is closed it draws an RST, but not before the peer has the FIN, whose acknowledgment still
	// comes through. So after a close() the peer can tell by what was acknowledged (tcpi_bytes_acked) what
	// this end had received. What was under way in the kernel may still come: see AwaitDelivery.
	Freeze(s Sock) error
}

func (l *epoll) Freeze(s Sock) error { return freeze(int(l.socks[s].fd())) }

func (l *uring) Freeze(s Sock) error { return l.withPlain(s, freeze) }

func freeze(fd int) error {
	const dataOffset = 12
	err := attachFilter(fd, []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: dataOffset},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf0},
		{Code: unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K, K: 2}, // words in the upper half, to bytes
		{Code: unix.BPF_MISC | unix.BPF_TAX},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
		{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_X, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: filterDrop},
		{Code: unix.BPF_RET | unix.BPF_K, K: filterKeep},
	})
	if err != nil {
		return &Error{Call: "setsockopt SO_ATTACH_FILTER", Errno: errnoOf(err)}
	}
	return nil
}
