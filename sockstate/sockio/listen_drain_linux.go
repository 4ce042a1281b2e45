package sockio

import (
	"errors"

	"golang.org/x/sys/unix"
)

// RefuseSYNs has the kernel refuse new connections by RST, while those that are complete can still be accepted, and handshakes
// that have begun end as ever: closing the listener would reset them all (inet_csk_listen_stop). It binds
// the listener to a network device that there is not (SO_BINDTOIFINDEX), where no SYN finds it (inet_lhash2_lookup, compute_score);
// of a connection the kernel keeps the device of its SYN (tcp_v4_syn_recv_sock). It needs no privilege since Linux 5.7, and
// CAP_NET_RAW before. A listener that another process shares the port with still gets its part of the SYNs
// (inet_lookup_reuseport looks at no device): see DropSYNs.
//
// Other ways lose connections, or do not stop them: shutdown() resets the queue as close() does, and a
// backlog of 0 still takes one connection at a time.
func (l *Listener) RefuseSYNs() error {
	const nowhere = 1<<31 - 1
	return l.fail("setsockopt SO_BINDTOIFINDEX", unix.SetsockoptInt(l.FD, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, nowhere))
}

// DropSYNs has the kernel drop every SYN that comes to the listener (SO_ATTACH_FILTER): its client sends it again
// after a second (TCP_TIMEOUT_INIT), to whoever listens then. Otherwise it is like RefuseSYNs. Linux 6.18.44 wants CAP_NET_ADMIN for a filter
// on a TCP socket (EPERM), earlier kernels nothing.
//
// The filter sees a segment from its TCP header on (tcp_v4_rcv, tcp_filter). Accepted connections inherit
// it (sk_clone), to which no peer sends a SYN.
func (l *Listener) DropSYNs() error {
	const flags, synAck, syn = 13, 0x12, 0x02
	return l.fail("setsockopt SO_ATTACH_FILTER", attachFilter(l.FD, []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: synAck},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: filterDrop},
		{Code: unix.BPF_RET | unix.BPF_K, K: filterKeep},
	}))
}

// QueueLength is the number of connections that are complete and wait for accept
// (sk_ack_backlog, which TCP_INFO of a listener shows as tcpi_unacked: tcp_get_info).
func (l *Listener) QueueLength() (int, error) {
	info, err := unix.GetsockoptTCPInfo(l.FD, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, l.fail("getsockopt TCP_INFO", err)
	}
	return int(info.Unacked), nil
}

func (l *Listener) fail(call string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Call: call, On: l.Addr.String(), Errno: errnoOf(err)}
}

// What a filter returns: how many bytes of the segment are kept.
const (
	filterDrop = 0
	filterKeep = 0xffffffff
)

func attachFilter(fd int, program []unix.SockFilter) error {
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &p)
}

// AwaitDelivery returns when every segment that the kernel was delivering has met what the caller had set up before,
// or has been delivered: it waits for a grace period of RCU, under which all of them are delivered (membarrier's
// synchronize_rcu; some 20 ms). errors.ErrUnsupported: this kernel refuses (EINVAL under nohz_full, ENOSYS).
func AwaitDelivery() error {
	const global = 1 // MEMBARRIER_CMD_GLOBAL
	_, _, e := unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0)
	switch e {
	case 0:
		return nil
	case unix.EINVAL, unix.ENOSYS, unix.EPERM:
		return errors.Join(errors.ErrUnsupported, &Error{Call: "membarrier", Errno: e})
	}
	return &Error{Call: "membarrier", Errno: e}
}
