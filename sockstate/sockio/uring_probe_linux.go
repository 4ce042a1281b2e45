package sockio

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
	"lastack/sockstate/sockio/ring"
)

// NoRingError says why io_uring cannot be used.
type NoRingError struct {
	Why string // one sentence
	Err error  // the kernel's error; may be nil
}

func (e *NoRingError) Error() string { return e.Why }
func (e *NoRingError) Unwrap() error { return e.Err }

// neededOps are the operations that a loop uses, with the Linux version that has them.
var neededOps = map[ring.Op]string{
	ring.OpPollAdd: "poll", ring.OpAccept: "accept", ring.OpAsyncCancel: "cancel", ring.OpConnect: "connect", ring.OpClose: "close",
	ring.OpSend: "send", ring.OpRecv: "recv", ring.OpShutdown: "shutdown",
	ring.OpSocket: "socket (Linux 5.19)", ring.OpURingCmd: "setsockopt (Linux 6.7)",
	ring.OpFixedFdInstall: "installing a descriptor (Linux 6.8)", ring.OpBind: "bind (Linux 6.11)",
}

// ProbeRing returns nil if this process can use io_uring as openUring does, otherwise a
// *NoRingError. It tries what the kernel does not report: seccomp may refuse the calls, and
// setsockopt is a command of another operation.
//
// It runs on a thread that ends with the ring. Some milliseconds after a ring is closed the kernel queues task work to every
// thread that used it (io_ring_exit_work), which interrupts that thread like a signal: a close that lingers, for example.
func ProbeRing() error { return netns.OnOwnThread(probeRing) }

func probeRing() error {
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

// trySocket makes a socket and sets an option.
func trySocket(r *ring.Ring) error {
	if err := r.RegisterTable(2); err != nil {
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
	// The value is in buffer memory, off the stack, which may move.
	o := newLinger(0)
	value := buffers.Data(0, int32(copy(buffers.Data(0, int32(len(o.val))), o.val[:])))
	setsockopt := o.entry(0)
	setsockopt.Addr3 = pointer(unsafe.SliceData(value))
	for _, step := range []struct {
		call string
		e    ring.SQE
	}{
		{"io_uring socket", ring.SQE{Op: ring.OpSocket, FD: unix.AF_INET, Off: unix.SOCK_STREAM, FileIndex: 1, UserData: 1}},
		{"io_uring setsockopt", setsockopt},
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
	return tryClose(r)
}

// tryClose closes one of two direct descriptors, the writing end of a pipe, while a request waits on the other. Before
// Linux 6.13 the file stays open until that request is over (io_rsrc_node_ref_zero).
func tryClose(r *ring.Ring) error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return noRing(os.NewSyscallError("pipe2", err))
	}
	defer unix.Close(pipe[0])
	err := errors.Join(r.Replace(0, pipe[0]), r.Replace(1, pipe[1]))
	_ = unix.Close(pipe[1]) // the table keeps it open
	if err != nil {
		return noRing(err)
	}
	r.Queue(ring.SQE{Op: ring.OpPollAdd, Flags: ring.FixedFile, FD: 0, OpFlags: unix.POLLIN, UserData: 1})
	if e := r.Enter(0); e != 0 {
		return noRing(os.NewSyscallError("io_uring_enter", e))
	}
	if _, err := r.Do(ring.SQE{Op: ring.OpClose, FileIndex: 2, UserData: 2}); err != nil {
		return noRing(err)
	}
	var b [1]byte
	if n, err := unix.Read(pipe[0], b[:]); n != 0 || err != nil {
		return &NoRingError{Why: "the kernel's io_uring keeps a closed socket open while another waits: Linux 6.13 fixes that"}
	}
	return nil
}

func noRing(err error) error {
	why := fmt.Sprintf("io_uring cannot be used here: %v", err)
	switch e := errnoOf(err); {
	case errors.Is(err, unix.EPERM):
		why = "io_uring is forbidden to this process: a seccomp filter refuses it, as in many containers"
		if b, rerr := os.ReadFile("/proc/sys/kernel/io_uring_disabled"); rerr == nil && strings.TrimSpace(string(b)) != "0" {
			why = "io_uring is switched off on this host (kernel.io_uring_disabled=" + strings.TrimSpace(string(b)) + ")"
		}
	case e == unix.ENOSYS:
		why = "there is no io_uring: the kernel was built without it, or a seccomp filter hides it"
	case e == unix.EINVAL:
		why = fmt.Sprintf("the kernel's io_uring is too old: Linux 6.13 is needed (%v)", err)
	case e == unix.ENOMEM:
		why = "the kernel has no memory for io_uring's queues (RLIMIT_MEMLOCK, or the control group's limit)"
	}
	return &NoRingError{Why: why, Err: err}
}
