package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reapTimeout is how long a parent may take to reap: until then the kernel does not tell how a process ended.
const reapTimeout = 100 * time.Millisecond

// handle is a process held by a pidfd, in the runtime's poller.
type handle struct {
	file *os.File
	pid  int
}

// newHandle takes the descriptor over.
func newHandle(fd int) (*handle, error) {
	h := &handle{}
	b, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err == nil {
		h.pid, err = parsePid(b)
	}
	if err == nil {
		// Without it the runtime does not poll.
		err = os.NewSyscallError("fcntl", unix.SetNonblock(fd, true))
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	h.file = os.NewFile(uintptr(fd), "pidfd")
	return h, nil
}

// parsePid reads the number from a pidfd's fdinfo (pidfd_show_fdinfo): -1 if the process was reaped, 0 if it
// is in no PID namespace that this procfs knows.
func parsePid(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		if v, ok := bytes.CutPrefix(line, []byte("Pid:")); ok {
			return strconv.Atoi(string(bytes.TrimSpace(v)))
		}
	}
	return 0, fmt.Errorf("fdinfo of a pidfd has no Pid: %q", b)
}

// wait returns when the process has ended (a zombie has), or with an error when the handle is closed.
func (h *handle) wait() error { return h.poll(unix.POLLIN) }

// poll waits for one of the events.
func (h *handle) poll(events int16) error {
	conn, err := h.file.SyscallConn()
	if err != nil {
		return err
	}
	return conn.Read(func(fd uintptr) bool { return pollNow(fd)&events != 0 })
}

// ended reports whether the process has ended: nobody may have reaped it yet. It needs no wait.
func (h *handle) ended() bool {
	conn, err := h.file.SyscallConn()
	if err != nil {
		return true // let go
	}
	ended := true
	_ = conn.Control(func(fd uintptr) { ended = hasEnded(fd) })
	return ended
}

func hasEnded(pidfd uintptr) bool { return pollNow(pidfd) != 0 }

func pollNow(fd uintptr) int16 {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	_, _ = unix.Poll(p, 0) // interrupted or not, Revents tells
	return p[0].Revents
}

// signal checks first whether the process has ended: a zombie takes every signal without an error (lock_task_sighand).
func (h *handle) signal(sig syscall.Signal) error {
	conn, err := h.file.SyscallConn()
	if err != nil {
		return unix.ESRCH
	}
	errno := error(unix.ESRCH)
	_ = conn.Control(func(fd uintptr) { // closed: ESRCH
		if hasEnded(fd) {
			return
		}
		errno = unix.PidfdSendSignal(int(fd), sig, nil, 0)
		if denied(errno) {
			errno = byNumber(h.pid, sig, errno, func() bool { return !hasEnded(fd) })
		}
	})
	return errno
}

// denied reports whether a signal failed for another reason than the end of the process: a seccomp filter answers pidfd_send_signal with
// EPERM, ENOSYS or any errno, Linux before 5.1 with ENOSYS.
func denied(err error) bool { return err != nil && !errors.Is(err, unix.ESRCH) }

// byNumber sends a signal by kill(2), if pidfd_send_signal was refused with why. A number may be reused once its process was reaped, so
// lives is called just before. To hit another process, all numbers would have to be used once in between.
func byNumber(pid int, sig syscall.Signal, why error, lives func() bool) error {
	switch {
	case pid <= 0 || !ownNumbers():
		return why // kill gives such a number another meaning
	case !lives():
		return unix.ESRCH
	}
	return unix.Kill(pid, sig)
}

// ownNumbers reports whether /proc shows the numbers of this PID namespace, which kill(2) takes.
var ownNumbers = sync.OnceValue(func() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
})

// exit is how the process ended. The kernel keeps that for holders of a pidfd (pidfd_info, since Linux 6.15), from when the parent has
// reaped the process, which takes a moment.
func (h *handle) exit() Exit {
	conn, err := h.file.SyscallConn()
	if err != nil {
		return Exit{}
	}
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	ask := func() {
		if cerr := conn.Control(func(fd uintptr) { err = unix.IoctlPidfdInfo(int(fd), &info) }); cerr != nil {
			err = cerr
		}
	}
	if ask(); err == nil && info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		_ = h.file.SetReadDeadline(time.Now().Add(reapTimeout))
		_ = h.poll(unix.POLLHUP) // without it there is no answer either
		info = unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
		ask()
	}
	if err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return Exit{}
	}
	return exitOf(syscall.WaitStatus(info.Exit_code))
}

func (h *handle) close() error { return h.file.Close() }
