package sockio

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Listener is a listening socket, for Loop.Accept.
type Listener struct {
	FD   int
	Addr netip.AddrPort
}

// ListenConfig says how to listen.
type ListenConfig struct {
	// Backlog is passed to listen(). The accept queue holds one more; net.core.somaxconn caps it.
	Backlog int
	// ReusePort lets several listeners share the address, each with its own queue.
	ReusePort bool
}

// Listen opens a listener in the calling thread's namespace. SO_REUSEADDR lets it bind a port
// that has only TIME_WAIT sockets left. An unspecified IPv6 address also accepts IPv4.
func Listen(addr netip.AddrPort, cfg ListenConfig) (*Listener, error) {
	a := NewAddr(addr)
	family := unix.AF_INET
	if a.V6() {
		family = unix.AF_INET6
	}
	fail := func(call string, err error) error {
		return &Error{Call: call, On: addr.String(), Errno: err.(Errno)}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fail("socket", err)
	}
	steps := []struct {
		call string
		do   func() error
	}{
		{"setsockopt SO_REUSEADDR", func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }},
		{"setsockopt SO_REUSEPORT", func() error {
			if !cfg.ReusePort {
				return nil
			}
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}},
		{"bind", func() error {
			if e := bind(int32(fd), a); e != 0 {
				return e
			}
			return nil
		}},
		{"listen", func() error { return unix.Listen(fd, cfg.Backlog) }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			_ = unix.Close(fd)
			return nil, fail(s.call, err)
		}
	}
	at, err := localAddr(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &Listener{FD: fd, Addr: at}, nil
}

// Close closes the listener. Connections in its accept queue are reset
// (inet_csk_listen_stop).
func (l *Listener) Close() error {
	if err := unix.Close(l.FD); err != nil {
		return &Error{Call: "close", On: l.Addr.String(), Errno: err.(Errno)}
	}
	return nil
}
