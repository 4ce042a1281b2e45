package capture

import (
	"errors"
	"fmt"
	"syscall"
)

// Error is a capture that the kernel refused or interrupted. It wraps the errno.
type Error struct {
	// Call is what failed: socket, setsockopt, getsockopt, bind, mmap, route (the lookup of the server's link) or
	// link (it does not exist, or is or was down).
	Call string
	// On is the option, the address or the link; it may be empty.
	On  string
	Err error
}

func (e *Error) Error() string {
	on := ""
	if e.On != "" {
		on = " " + e.On
	}
	return fmt.Sprintf("packet capture: %s%s: %v%s", e.Call, on, e.Err, e.remedy())
}

// remedy explains the errno and says what to do.
func (e *Error) remedy() string {
	switch {
	case e.Call == "socket" && (errors.Is(e.Err, syscall.EPERM) || errors.Is(e.Err, syscall.EACCES)):
		return " (needs CAP_NET_RAW in the user namespace that owns the network namespace: be root, or in a sandbox)"
	case e.Call == "socket" && errors.Is(e.Err, syscall.EAFNOSUPPORT):
		return " (the kernel has no packet sockets: CONFIG_PACKET, or load af_packet)"
	case e.Call == "setsockopt" && errors.Is(e.Err, syscall.ENOMEM):
		return " (the kernel has no 10 MiB for the ring)"
	}
	return ""
}

func (e *Error) Unwrap() error { return e.Err }

// failed is the *Error of a call that returned err, nil if that is nil.
func failed(call, on string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{call, on, err}
}
