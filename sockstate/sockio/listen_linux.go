package sockio

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Listen opens a listener in the calling thread's namespace. SO_REUSEADDR lets it bind a port
// that has only TIME_WAIT sockets left. An unspecified IPv6 address also accepts IPv4.
func Listen(addr netip.AddrPort, cfg ListenConfig) (*Listener, error) {
	fd, err := bound(addr, unix.SOCK_NONBLOCK, true, cfg.ReusePort)
	if err != nil {
		return nil, err
	}
	l := &Listener{FD: fd}
	if err = failed("listen", addr.String(), unix.Listen(fd, cfg.Backlog)); err == nil {
		l.Addr, err = localAddr(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return l, nil
}

// bound makes a socket and binds it to addr.
func bound(addr netip.AddrPort, flags int, reuseAddr, reusePort bool) (fd int, err error) {
	a := NewAddr(addr)
	fd, err = unix.Socket(a.family(), unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0)
	if err != nil {
		return -1, failed("socket", addr.String(), err)
	}
	for _, o := range []struct {
		set  bool
		name string
		opt  int
	}{{reuseAddr, "SO_REUSEADDR", unix.SO_REUSEADDR}, {reusePort, "SO_REUSEPORT", unix.SO_REUSEPORT}} {
		if o.set && err == nil {
			err = failed("setsockopt "+o.name, addr.String(), unix.SetsockoptInt(fd, unix.SOL_SOCKET, o.opt, 1))
		}
	}
	if err == nil {
		if e := bind(int32(fd), a); e != 0 {
			err = failed("bind", addr.String(), e)
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// CanBind tries whether a server could bind to addr now, with or without SO_REUSEADDR, in the calling thread's namespace.
// It leaves nothing behind. The error is an *Error: EADDRINUSE if the address is taken (inet_csk_bind_conflict).
func CanBind(addr netip.AddrPort, reuse bool) error {
	fd, err := bound(addr, 0, reuse, false)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

// Close closes the listener. Connections in its accept queue are reset
// (inet_csk_listen_stop).
func (l *Listener) Close() error {
	return l.fail("close", unix.Close(l.FD))
}
