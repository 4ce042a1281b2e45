package sockdiag

import (
	"errors"
	"fmt"
	"syscall"

	"lastack/sockstate"
)

// Error is a failed sock_diag operation. It wraps the errno.
type Error struct {
	// Op is the operation: socket, connect, setsockopt, send, receive, dump, find or destroy.
	Op string
	// Tuple is the socket to find or destroy, otherwise zero.
	Tuple sockstate.Tuple
	Err   error
}

func (e *Error) Error() string {
	on := ""
	if e.Tuple.Local.IsValid() {
		on = fmt.Sprintf(" %v > %v", e.Tuple.Local, e.Tuple.Remote)
	}
	return fmt.Sprintf("sock_diag: %s%s: %v%s", e.Op, on, e.Err, e.remedy())
}

// remedy explains the errno and says what to do.
func (e *Error) remedy() string {
	switch {
	case e.Op == "destroy" && errors.Is(e.Err, syscall.EPERM):
		return " (needs CAP_NET_ADMIN in the user namespace that owns the network namespace)"
	case e.Op == "destroy" && errors.Is(e.Err, syscall.EOPNOTSUPP):
		return " (the kernel is built without CONFIG_INET_DIAG_DESTROY)"
	case e.Op == "dump" && errors.Is(e.Err, syscall.ENOENT):
		return " (the kernel lacks inet_diag or tcp_diag: CONFIG_INET_DIAG, or load the modules)"
	case e.Op == "socket" && (errors.Is(e.Err, syscall.EPROTONOSUPPORT) || errors.Is(e.Err, syscall.EAFNOSUPPORT)):
		return " (the kernel has no NETLINK_SOCK_DIAG)"
	case e.Op == "socket" && (errors.Is(e.Err, syscall.EPERM) || errors.Is(e.Err, syscall.EACCES)):
		return " (a seccomp filter or security module forbids netlink sockets)"
	}
	return ""
}

func (e *Error) Unwrap() error { return e.Err }
