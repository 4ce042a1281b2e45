package sockio

import (
	"net/netip"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/sockio/ring"
)

// The calls below go through RawSyscall: they do not block, and telling the Go
// scheduler of each would cost more than some of them do.

func setsockopt(fd int32, o *Opt) Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(o.level), uintptr(o.name), uintptr(unsafe.Pointer(&o.val)), uintptr(o.len), 0)
	return e
}

func bind(fd int32, a *Addr) Errno {
	_, _, e := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(a.len))
	return e
}

func connect(fd int32, a *Addr) Errno {
	_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(a.len))
	return e
}

func send(fd int32, p []byte) (int, Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), e
}

func recv(fd int32, p []byte) (int, Errno) {
	n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
	return int(n), e
}

// pollNow is what can be read, as poll(2) spells it; 0: nothing yet.
func pollNow(fd int32) int16 {
	p := unix.PollFd{Fd: fd, Events: unix.POLLIN | unix.POLLRDHUP}
	var zero unix.Timespec
	_, _, e := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&zero)), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return p.Revents
}

// discardAtMost is more than a receive queue holds (tcp_rmem).
const discardAtMost = 1 << 30

// peerEnd tells whether the peer has ended a connection, and by which error if not by FIN. It discards what there is to
// read (tcp(7), MSG_TRUNC), or leaves it all.
func peerEnd(fd int32, keep bool) (e Errno, ended bool) {
	if keep {
		return endOf(pollNow(fd))
	}
	for range 2 { // data, and the end behind it
		n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), 0, discardAtMost, unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
		if e == unix.EAGAIN || e == unix.EINTR {
			return 0, false
		}
		if e != 0 || n == 0 {
			return e, true
		}
	}
	return 0, false
}

// endOf tells the peer's end from what poll(2) says of a socket with data (tcp_poll).
func endOf(ready int16) (e Errno, ended bool) {
	if ready&unix.POLLERR != 0 {
		e = unix.ECONNRESET
	}
	return e, ready&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}

// yield lets the other threads of this CPU have their turn.
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// blockingClose closes with all signals blocked. Any that is pending ends the wait of SO_LINGER (sk_stream_wait_close), and
// the runtime sends SIGURG to preempt a goroutine.
func blockingClose(fd int) Errno {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before) == nil {
		defer func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) }()
	}
	_, _, e := unix.Syscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	return e
}

func (l *epoll) control(op, fd int, events, data, mark uint32) Errno {
	ev := unix.EpollEvent{Events: events, Fd: int32(data), Pad: int32(mark)}
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(l.epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return e
}

// epollWait sleeps for so many nanoseconds; 0: only looks; Never: without end. It
// takes epoll_pwait2 (Linux 5.11), whose timeout is not cut to milliseconds.
func (l *epoll) epollWait(sleep int64) (int, Errno) {
	events := uintptr(unsafe.Pointer(&l.events))
	if sleep <= 0 {
		n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epfd), events, uintptr(len(l.events)), 0, 0, 0)
		return count(n, e), e
	}
	if !l.noPwait2 {
		var ts *ring.Timespec
		if sleep != Never {
			t := ring.NewTimespec(sleep)
			ts = &t
		}
		n, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(l.epfd), events, uintptr(len(l.events)), uintptr(unsafe.Pointer(ts)), 0, 0)
		if e != unix.ENOSYS && e != unix.EPERM {
			return count(n, e), e
		}
		l.noPwait2 = true
	}
	ms := -1
	if sleep != Never {
		ms = int(min((sleep+999999)/1e6, int64(time.Hour/time.Millisecond)))
	}
	n, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epfd), events, uintptr(len(l.events)), uintptr(ms), 0, 0)
	return count(n, e), e
}

func count(n uintptr, e Errno) int {
	if e != 0 {
		return 0
	}
	return int(n)
}

func localAddr(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, &Error{Call: "getsockname", Errno: err.(Errno)}
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, &Error{Call: "getsockname", Errno: unix.EAFNOSUPPORT}
}

// tcpInfo reads TCP_INFO. Older kernels fill less of the structure; the rest stays zero.
func tcpInfo(fd int, into *sockstate.TCPInfo) error {
	var ti unix.TCPInfo
	size := uint32(unsafe.Sizeof(ti))
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO, uintptr(unsafe.Pointer(&ti)), uintptr(unsafe.Pointer(&size)), 0)
	if e != 0 {
		return &Error{Call: "getsockopt TCP_INFO", Errno: e}
	}
	us := func(v uint32) time.Duration { return time.Duration(v) * time.Microsecond }
	*into = sockstate.TCPInfo{
		State:       sockstate.State(ti.State),
		RTT:         us(ti.Rtt),
		MinRTT:      us(ti.Min_rtt),
		Retransmits: ti.Total_retrans,
		Lost:        ti.Lost,
		SndMSS:      ti.Snd_mss,
		SndCwnd:     ti.Snd_cwnd,
		Unacked:     ti.Unacked,
	}
	return nil
}

// ThreadID is the calling thread's, as /proc/self/task names it.
func ThreadID() int { return unix.Gettid() }

// ThreadCPU is the CPU time of the calling thread, in nanoseconds.
func ThreadCPU() int64 { return cpuTime(unix.CLOCK_THREAD_CPUTIME_ID) }

// ProcessCPU is the CPU time of all threads of this process, in nanoseconds.
func ProcessCPU() int64 { return cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID) }

func cpuTime(id int32) int64 {
	var t unix.Timespec
	if unix.ClockGettime(id, &t) != nil {
		return 0
	}
	return t.Nano()
}

// ThreadRun is how long the calling thread has run, and how long it has waited for a CPU while it could have run, in nanoseconds
// (/proc/thread-self/schedstat, sched_info_arrive). ok is false where only the first is known: a kernel without
// CONFIG_SCHED_INFO, no /proc, or no descriptor to read it with. It allocates nothing, unlike unix.Open.
func ThreadRun() (ran, waited int64, ok bool) {
	fd, _, e := unix.Syscall6(unix.SYS_OPENAT, schedstatDir, uintptr(unsafe.Pointer(&schedstatPath[0])), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if e != 0 {
		return ThreadCPU(), 0, false
	}
	var buf [64]byte
	n, _, e := unix.Syscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&buf)), uintptr(len(buf)))
	_, _, _ = unix.Syscall(unix.SYS_CLOSE, fd, 0, 0) // read only
	if e != 0 {
		return ThreadCPU(), 0, false
	}
	if ran, waited, ok = parseSchedstat(buf[:n]); !ok {
		ran = ThreadCPU()
	}
	return ran, waited, ok
}

// schedstatDir is not looked at: the path is absolute.
const schedstatDir = 0

var schedstatPath = append([]byte("/proc/thread-self/schedstat"), 0)

// parseSchedstat reads "RAN WAITED TIMESLICES" (proc_pid_schedstat), which is "0 0 0" where nothing is counted.
func parseSchedstat(p []byte) (ran, waited int64, ok bool) {
	field := 0
	for _, c := range p {
		switch {
		case c == ' ':
			if field++; field == 2 {
				return ran, waited, ran > 0
			}
		case c < '0' || c > '9':
			return 0, 0, false
		case field == 0:
			ran = ran*10 + int64(c-'0')
		default:
			waited = waited*10 + int64(c-'0')
		}
	}
	return 0, 0, false
}

// Suspended is how long this machine has been suspended since it was booted.
func Suspended() time.Duration {
	var mono, boot unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - mono.Nano())
}

// promptSlice is the shortest that the kernel takes (__setparam_fair).
const promptSlice = 100_000

// SchedShortSlice gives the calling thread short slices, for life: the shorter they are, the sooner it
// runs when it wakes (EEVDF, Linux 6.12: a request for less has the earlier deadline). It needs no privilege;
// where it is refused everything works as before.
func SchedShortSlice() {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Runtime: promptSlice}
	_ = unix.SchedSetAttr(0, &attr, 0)
}

// SchedBatch puts the calling thread under SCHED_BATCH, for life: when it wakes it
// does not preempt who is running. Workers of both sides that share CPUs then do more in
// each turn: about a fifth more lifecycles/s on two CPUs. It needs no privilege; where it
// is refused everything works as before. A thread that has to be on time should not.
func SchedBatch() {
	var param struct{ priority int32 }
	_, _, _ = unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, 0, unix.SCHED_BATCH, uintptr(unsafe.Pointer(&param)))
}
