package sockio

import (
	"errors"
	"fmt"
	"syscall"
)

// Errno is a kernel error number, 0 for success.
type Errno = syscall.Errno

// Error is a failed system call. It wraps the Errno, so that errors.Is(err,
// unix.EADDRINUSE) works.
type Error struct {
	Call  string // as the manual names it: "bind"
	On    string // the address or path; may be empty
	Errno Errno
}

func (e *Error) Error() string {
	if e.On == "" {
		return fmt.Sprintf("%s: %v", e.Call, e.Errno)
	}
	return fmt.Sprintf("%s %s: %v", e.Call, e.On, e.Errno)
}

func (e *Error) Unwrap() error { return e.Errno }

// failed is the *Error of a call that returned err, nil if that is nil.
func failed(call, on string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Call: call, On: on, Errno: errnoOf(err)}
}

func errnoOf(err error) Errno {
	if e, ok := errors.AsType[Errno](err); ok {
		return e
	}
	return syscall.EIO
}

// IsReset reports whether e is the peer's RST, not another failure (ETIMEDOUT, EHOSTUNREACH).
func IsReset(e Errno) bool { return e == syscall.ECONNRESET || e == syscall.EPIPE }
