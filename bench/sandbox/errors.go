package sandbox

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"lastack/bench/process"
)

// step is the step of setting up a sandbox that failed.
type step string

// The steps, in order.
const (
	stepSpec       step = "check what is wanted"
	stepHandoff    step = "prepare the job for the process inside"
	stepNamespaces step = "make the namespaces"
	stepStart      step = "start inside"
	stepFresh      step = "check that the namespace is new"
	stepLoopback   step = "bring lo up"
	stepVeth       step = "join client and server by a veth pair"
	stepSources    step = "make the source addresses local"
	stepWrite      step = "write a sysctl"
	stepConnect    step = "connect inside"
	stepSysctl     step = "apply the sysctls"
	stepLoss       step = "drop packets with nftables"
)

// Error says why there is no sandbox. It wraps the errno, if any.
type Error struct {
	step step
	// Mode is the mode that was tried.
	Mode Mode
	Err  error
	// Cause is the likely reason and the remedy; empty if unknown.
	Cause string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("no sandbox: could not %s", e.step)
	if e.Mode != "" {
		s += fmt.Sprintf(" (as %s)", e.Mode)
	}
	s += fmt.Sprintf(": %v", e.Err)
	if e.Cause != "" {
		s += ": " + e.Cause
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// DiedError is a cell whose process ended by a signal, by a crash, or because this process killed it.
type DiedError struct {
	// Signal is what ended it, 0 if it exited with Code.
	Signal syscall.Signal
	Code   int
	// OutOfMemory is set if Signal is SIGKILL and the kernel killed processes for lack of memory at that time.
	OutOfMemory bool
	// Stderr is the start and the end of its stderr: after a crash, the trace.
	Stderr string
	// Err is why this process killed it, or why its exit status is unknown; otherwise nil.
	Err error
}

func (e *DiedError) Error() string {
	const what = "the sandbox's process "
	switch {
	case e.Err != nil:
		return what + "was ended: " + e.Err.Error()
	case e.OutOfMemory:
		return what + "was killed by the kernel, which had no memory left"
	case e.Signal != 0:
		return fmt.Sprintf(what+"was ended by signal %d (%v)", int(e.Signal), e.Signal)
	case e.Code == 0:
		return what + "ended without a result"
	}
	return fmt.Sprintf(what+"crashed (exit status %d)", e.Code)
}

func (e *DiedError) Unwrap() error { return e.Err }

// Interrupted reports whether a signal ended it that ends a run in good order, like that of Ctrl-C, which the whole process group gets.
func (e *DiedError) Interrupted() bool {
	return slices.Contains(process.Endings(), os.Signal(e.Signal))
}

// SysctlError is a sysctl that a sandbox refuses: a mistake in the spec, not in the
// sandbox. It wraps the errno of the refusal.
type SysctlError struct {
	Sysctl Sysctl
	// HostWide is set for a key that exists on the host but not in a namespace.
	HostWide bool
	// RootOnly is set for a key that only the namespaces of root have.
	RootOnly bool
	// Hidden is set if that is unknown: only the initial network namespace shows the host's keys, and this process is
	// in another, as in a container.
	Hidden bool
	// Held is the kernel's value after a write that it accepted and changed, when Err is nil, or whose value it did not accept.
	Held string
	Err  error
}

// OfValue reports whether the namespace has the key, and another value may be accepted.
func (e *SysctlError) OfValue() bool {
	switch errnoOf(e.Err) {
	case syscall.EINVAL, syscall.ERANGE, syscall.EPERM:
		return true
	case syscall.ENOENT:
		return e.Held != "" // like the name of an algorithm that the kernel does not have
	}
	return e.Err == nil
}

func (e *SysctlError) Error() string {
	switch {
	case e.Err == nil:
		return fmt.Sprintf("sysctl %s: the kernel took %q, but holds %q then: want a value that it keeps as it is", e.Sysctl.Key, e.Sysctl.Value, strings.Join(strings.Fields(e.Held), " "))
	case e.HostWide:
		return fmt.Sprintf("sysctl %s: not per network namespace, so a sandbox cannot have its own, and the host's is never written: want one of a network namespace, like net.ipv4.tcp_fin_timeout", e.Sysctl.Key)
	case e.Hidden:
		return fmt.Sprintf("sysctl %s: not per network namespace: either it is the whole host's, which a container does not see and lastack never writes, or this kernel does not have it: want one that is below /proc/sys/net", e.Sysctl.Key)
	case e.RootOnly:
		return fmt.Sprintf("sysctl %s: only the namespaces of root have it: want one that yours have too, like net.ipv4.tcp_fin_timeout, or start lastack by sudo", e.Sysctl.Key)
	case e.OfValue():
		s := fmt.Sprintf("sysctl %s: the kernel does not accept the value %q: %v", e.Sysctl.Key, e.Sysctl.Value, e.Err)
		if e.Held != "" {
			s += fmt.Sprintf(": want one like %q, which it has", e.Held)
		}
		return s
	case errors.Is(e.Err, syscall.EACCES):
		// With CAP_NET_ADMIN over the namespace every writable file can be opened (net_ctl_permissions).
		return fmt.Sprintf("sysctl %s: read-only in a sandbox, for root too: want one that a network namespace can set, like net.ipv4.tcp_fin_timeout", e.Sysctl.Key)
	case errors.Is(e.Err, syscall.ENOENT):
		return fmt.Sprintf("sysctl %s: this kernel does not have it: want one that is below /proc/sys/net", e.Sysctl.Key)
	}
	return fmt.Sprintf("sysctl %s: could not set %q: %v", e.Sysctl.Key, e.Sysctl.Value, e.Err)
}

func (e *SysctlError) Unwrap() error { return e.Err }

// errnoOf is the errno that err wraps, or 0.
func errnoOf(err error) syscall.Errno {
	errno, _ := errors.AsType[syscall.Errno](err)
	return errno
}
