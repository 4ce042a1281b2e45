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

// The calls below use RawSyscall: they do not block, and notifying the Go scheduler
// would cost more than some of them do.

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

// pollNow returns the poll(2) events of a socket that is readable, 0 otherwise.
func pollNow(fd int32) int16 {
	p := unix.PollFd{Fd: fd, Events: unix.POLLIN | unix.POLLRDHUP}
	var zero unix.Timespec
	_, _, e := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&zero)), 0, 0, 0)
	if e != 0 {
		return 0
	}
	return p.Revents
}

// hasData reports whether a socket that poll(2) calls readable has data. tcp_poll takes no lock: a FIN that tcp_queue_rcv has taken counts
// as a byte there until tcp_fin has marked the end. SIOCINQ takes the lock (tcp_ioctl).
func hasData(fd int32) bool {
	var n int32
	_, _, e := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCINQ, uintptr(unsafe.Pointer(&n)))
	return e != 0 || n > 0
}

// discardAtMost is more than any receive queue holds (tcp_rmem).
const discardAtMost = 1 << 30

// peerEnd reports whether the peer has ended the connection: e is 0 for a FIN. It discards unread data (tcp(7), MSG_TRUNC)
// unless keep is set.
func peerEnd(fd int32, keep bool) (e Errno, ended bool) {
	if keep {
		return endOf(pollNow(fd))
	}
	for range 2 { // data, then the end behind it
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

// endOf reads the peer's end from the poll(2) events of a socket with data (tcp_poll).
func endOf(ready int16) (e Errno, ended bool) {
	if ready&unix.POLLERR != 0 {
		e = unix.ECONNRESET
	}
	return e, ready&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}

// yield lets the other threads of this CPU run.
func yield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }

// blockingClose closes with all signals blocked. A pending signal ends SO_LINGER's wait (sk_stream_wait_close), and the
// runtime sends SIGURG to preempt a goroutine.
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

// epollWait sleeps for up to sleep nanoseconds; 0 only polls, Never sleeps without limit. It
// prefers epoll_pwait2 (Linux 5.11), whose timeout is in nanoseconds.
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
		return netip.AddrPort{}, failed("getsockname", "", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, &Error{Call: "getsockname", Errno: unix.EAFNOSUPPORT}
}

// tcpInfo reads TCP_INFO. Fields that an older kernel does not fill stay zero.
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

// ThreadID is the calling thread's ID, as in /proc/self/task.
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

// ThreadRun returns how long the calling thread has run, and how long it was runnable and waited for a CPU, in nanoseconds
// (/proc/thread-self/schedstat, sched_info_arrive). ok is false if only the first is known: without CONFIG_SCHED_INFO, /proc
// or a free descriptor. It does not allocate, as unix.Open would.
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

// schedstatDir is ignored: the path is absolute.
const schedstatDir = 0

var schedstatPath = append([]byte("/proc/thread-self/schedstat"), 0)

// parseSchedstat parses "RAN WAITED TIMESLICES" (proc_pid_schedstat), which is "0 0 0" if the kernel does not count.
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

// Suspended is how long this machine has been suspended since boot.
func Suspended() time.Duration {
	var mono, boot unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - mono.Nano())
}

// promptSlice is the shortest slice that the kernel accepts (__setparam_fair).
const promptSlice = 100_000

// SchedShortSlice gives the calling thread the shortest time slice, for life, so that it runs sooner when it wakes
// (EEVDF, Linux 6.12: a shorter request has the earlier deadline). It needs no privilege; a refusal is harmless.
func SchedShortSlice() {
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Runtime: promptSlice}
	_ = unix.SchedSetAttr(0, &attr, 0)
}

// SchedBatch puts the calling thread under SCHED_BATCH, for life: when it wakes it does not
// preempt the running thread. Workers of both sides that share CPUs then do more in each time
// slice: about a fifth more lifecycles/s on two CPUs. It needs no privilege; a refusal is
// harmless. It is not for a thread that has to be on time.
func SchedBatch() {
	var param struct{ priority int32 }
	_, _, _ = unix.RawSyscall(unix.SYS_SCHED_SETSCHEDULER, 0, unix.SCHED_BATCH, uintptr(unsafe.Pointer(&param)))
}
