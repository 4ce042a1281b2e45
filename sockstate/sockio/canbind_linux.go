package sockio

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// CanBind tries whether a server could bind to addr now, with or without SO_REUSEADDR, in the calling thread's namespace.
// It leaves nothing behind. The error is an *Error: EADDRINUSE if the address is taken (inet_csk_bind_conflict).
func CanBind(addr netip.AddrPort, reuse bool) error {
	a := NewAddr(addr)
	family := unix.AF_INET
	if a.V6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return &Error{Call: "socket", On: addr.String(), Errno: err.(Errno)}
	}
	defer unix.Close(fd)
	if reuse {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return &Error{Call: "setsockopt SO_REUSEADDR", On: addr.String(), Errno: err.(Errno)}
		}
	}
	if e := bind(int32(fd), a); e != 0 {
		return &Error{Call: "bind", On: addr.String(), Errno: e}
	}
	return nil
}
