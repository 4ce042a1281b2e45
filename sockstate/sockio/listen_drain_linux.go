package sockio

import (
	"errors"

	"golang.org/x/sys/unix"
)

// RefuseSYNs makes the kernel answer new SYNs by RST. Complete connections can still be accepted, and handshakes under way
// finish; closing the listener would reset them all (inet_csk_listen_stop). It binds the listener to a nonexistent
// network device (SO_BINDTOIFINDEX), so no SYN finds it (inet_lhash2_lookup, compute_score); a connection keeps the device of
// its SYN (tcp_v4_syn_recv_sock). It needs no privilege since Linux 5.7, and CAP_NET_RAW before. If the listener shares
// its port (SO_REUSEPORT), it still gets its part of the SYNs (inet_lookup_reuseport ignores the device): see DropSYNs.
//
// The alternatives fail: shutdown() resets the queue as close() does, and a backlog of 0 still accepts one connection
// at a time.
func (l *Listener) RefuseSYNs() error {
	const nowhere = 1<<31 - 1
	return l.fail("setsockopt SO_BINDTOIFINDEX", unix.SetsockoptInt(l.FD, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, nowhere))
}

// DropSYNs makes the kernel drop every SYN to the listener (SO_ATTACH_FILTER). The client resends it after a second
// (TCP_TIMEOUT_INIT), to the listener of that time. Otherwise it is like RefuseSYNs. Linux 6.18.44 requires
// CAP_NET_ADMIN for a filter on a TCP socket (EPERM); earlier kernels require nothing.
//
// The filter sees a segment from its TCP header on (tcp_v4_rcv, tcp_filter). Accepted connections inherit
// it (sk_clone), harmlessly: no peer sends them a SYN.
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

// QueueLength is the length of the accept queue (sk_ack_backlog, which a listener's TCP_INFO
// shows as tcpi_unacked: tcp_get_info).
func (l *Listener) QueueLength() (int, error) {
	info, err := unix.GetsockoptTCPInfo(l.FD, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, l.fail("getsockopt TCP_INFO", err)
	}
	return int(info.Unacked), nil
}

func (l *Listener) fail(call string, err error) error { return failed(call, l.Addr.String(), err) }

// A filter returns how many bytes of the segment to keep.
const (
	filterDrop = 0
	filterKeep = 0xffffffff
)

func attachFilter(fd int, program []unix.SockFilter) error {
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &p)
}

// AwaitDelivery returns when the kernel has delivered every segment that did not meet a filter or shutdown set before the call.
// It waits for an RCU grace period (membarrier's synchronize_rcu; about 20 ms), as delivery runs under RCU. The
// error is errors.ErrUnsupported if the kernel refuses (EINVAL with nohz_full, ENOSYS).
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
