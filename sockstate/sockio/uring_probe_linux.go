package sockio

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"lastack/sockstate/sockio/ring"
)

// NoRingError says why io_uring cannot be used, in a sentence.
type NoRingError struct {
	Why string
	Err error // what the kernel said; may be nil
}

func (e *NoRingError) Error() string { return e.Why }
func (e *NoRingError) Unwrap() error { return e.Err }

// neededOps are what a loop asks of a ring, with the Linux that brought each.
var neededOps = map[ring.Op]string{
	ring.OpPollAdd: "poll", ring.OpAccept: "accept", ring.OpAsyncCancel: "cancel", ring.OpConnect: "connect", ring.OpClose: "close",
	ring.OpSend: "send", ring.OpRecv: "recv", ring.OpShutdown: "shutdown",
	ring.OpSocket: "socket (Linux 5.19)", ring.OpURingCmd: "setsockopt (Linux 6.7)",
	ring.OpFixedFdInstall: "installing a descriptor (Linux 6.8)", ring.OpBind: "bind (Linux 6.11)",
}

// ProbeRing returns nil where the kernel lets this process use io_uring as NewUring does, else a
// *NoRingError. It tries what cannot be asked: a seccomp filter refuses calls, not
// operations, and setsockopt hides behind another operation.
func ProbeRing() error {
	runtime.LockOSThread() // the ring is this thread's
	defer runtime.UnlockOSThread()
	r, err := ring.New(4, 8)
	if err != nil {
		return noRing(err)
	}
	defer r.Close()
	ops := make([]ring.Op, 0, len(neededOps))
	for op := range neededOps {
		ops = append(ops, op)
	}
	missing, err := r.Supports(ops...)
	if err != nil {
		return noRing(err)
	}
	if len(missing) > 0 {
		var names []string
		for _, op := range missing {
			names = append(names, neededOps[op])
		}
		return &NoRingError{Why: "the kernel's io_uring lacks " + strings.Join(names, ", ")}
	}
	return trySocket(r)
}

// trySocket makes a socket and sets an option of it.
func trySocket(r *ring.Ring) error {
	if err := r.RegisterTable(1); err != nil {
		return noRing(err)
	}
	buffers, err := ring.NewBuffers(1, os.Getpagesize())
	if err != nil {
		return noRing(err)
	}
	defer buffers.Free()
	group, err := r.RegisterBuffers(buffers)
	if err != nil {
		return noRing(err)
	}
	defer group.Free()
	o := new(Opt)
	*o = NewLinger(0)
	for _, step := range []struct {
		call string
		e    ring.SQE
	}{
		{"io_uring socket", ring.SQE{Op: ring.OpSocket, FD: unix.AF_INET, Off: unix.SOCK_STREAM, FileIndex: 1, UserData: 1}},
		{"io_uring setsockopt", o.entry(0)},
		{"io_uring close", ring.SQE{Op: ring.OpClose, FileIndex: 1, UserData: 1}},
	} {
		step.e.UserData = 1
		res, err := r.Do(step.e)
		if err == nil && res < 0 {
			err = os.NewSyscallError(step.call, Errno(-res))
		}
		if err != nil {
			return noRing(err)
		}
	}
	runtime.KeepAlive(o)
	return nil
}

func noRing(err error) error {
	why := fmt.Sprintf("io_uring cannot be used here: %v", err)
	switch e := errnoOf(err); {
	case errors.Is(err, unix.EPERM):
		why = "io_uring is forbidden to this process: a seccomp filter, as containers have, refuses it"
		if b, rerr := os.ReadFile("/proc/sys/kernel/io_uring_disabled"); rerr == nil && strings.TrimSpace(string(b)) != "0" {
			why = "io_uring is switched off on this host (kernel.io_uring_disabled=" + strings.TrimSpace(string(b)) + ")"
		}
	case e == unix.ENOSYS:
		why = "there is no io_uring: the kernel was built without it, or a seccomp filter hides it"
	case e == unix.EINVAL:
		why = fmt.Sprintf("the kernel's io_uring is too old, Linux 6.11 is needed (%v)", err)
	case e == unix.ENOMEM:
		why = "the kernel has no memory for io_uring's queues (RLIMIT_MEMLOCK, or the control group's limit)"
	}
	return &NoRingError{Why: why, Err: err}
}
