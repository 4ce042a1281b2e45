package sockio

import "golang.org/x/sys/unix"

func (l *epoll) Freeze(s Sock, filter bool) error { return freeze(int(l.socks[s].fd()), filter) }

func (l *uring) Freeze(s Sock, filter bool) error {
	return l.withPlain(s, func(fd int) error { return freeze(fd, filter) })
}

func freeze(fd int, filter bool) error {
	if filter && dropData(fd) == nil {
		return nil
	}
	return failed("shutdown", "", unix.Shutdown(fd, unix.SHUT_RDWR))
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
