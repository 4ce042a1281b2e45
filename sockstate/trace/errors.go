package trace

import (
	"errors"
	"fmt"
	"syscall"
)

// Error is a part of the trace that the kernel refused. It wraps the errno where there is one.
type Error struct {
	// Op is what was refused: btf, map, load, attach, iterate or read.
	Op string
	// What is the map, the program or the type.
	What string
	Err  error
}

func (e *Error) Error() string {
	return fmt.Sprintf("eBPF: %s %s: %v%s", e.Op, e.What, e.cause(), e.remedy())
}

// cause is the errno where a privilege is missing: what cilium/ebpf adds to it (RLIMIT_MEMLOCK) misleads.
func (e *Error) cause() error {
	if errno, ok := errors.AsType[syscall.Errno](e.Err); ok && (errno == syscall.EPERM || errno == syscall.EACCES) {
		return errno
	}
	return e.Err
}

// remedy says what to do.
func (e *Error) remedy() string {
	switch {
	case e.Op == "btf" && !errors.As(e.Err, new(*missing)):
		return " (needs a kernel built with CONFIG_DEBUG_INFO_BTF)"
	case e.Op == "load" && errors.Is(e.Err, syscall.EPERM): // maps were allowed
		return " (needs CAP_BPF and CAP_PERFMON in the initial user namespace, and a kernel that is not locked down)"
	case errors.Is(e.Err, syscall.EPERM), errors.Is(e.Err, syscall.EACCES):
		return " (needs CAP_BPF and CAP_PERFMON in the initial user namespace)"
	case errors.Is(e.Err, syscall.ENOMEM):
		return " (out of memory, or above the memory limit of the cgroup)"
	}
	return ""
}

func (e *Error) Unwrap() error { return e.Err }

// fullError is a map without room for all pairs.
type fullError struct{ room uint32 }

func (e *fullError) Error() string {
	return fmt.Sprintf("there are more than %d pairs of a local address and a server: --census diag has room for any number", e.room)
}

// lostError is a queue that was full.
type lostError struct{ n uint64 }

func (e *lostError) Error() string {
	return fmt.Sprintf("%d changes of state were lost, because there is room for %d only", e.n, MaxEvents)
}

// missing is a name that the kernel's BTF lacks.
type missing struct{ name string }

func (e *missing) Error() string { return "this kernel has no " + e.name }

// Unwrap makes it the answer "unsupported".
func (e *missing) Unwrap() error { return syscall.EOPNOTSUPP }

// noBTFError is a kernel without BTF. Err says where it was looked for.
type noBTFError struct{ Err error }

func (e *noBTFError) Error() string { return "this kernel has no BTF" }

// Unwrap makes it the answer "unsupported".
func (e *noBTFError) Unwrap() []error { return []error{syscall.EOPNOTSUPP, e.Err} }
