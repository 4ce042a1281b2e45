package sandbox

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate/sockio"
)

// proveTimeout bounds each wait of the proof.
const proveTimeout = 5 * time.Second

// proveConnected opens a connection on every way that a load may take. It leaves
// neither sockets nor TIME_WAIT behind, only counts in fresh counters.
func (s *Sandbox) proveConnected() error {
	loopback := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	if s.ServerAddr6.IsValid() {
		loopback = append(loopback, netip.IPv6Loopback())
	}
	for _, ns := range s.namespaces() {
		for _, a := range loopback {
			if err := proveConnection(ns, ns, a); err != nil {
				return err
			}
		}
	}
	if s.Topology != Veth {
		return nil
	}
	for _, a := range []netip.Addr{s.ServerAddr4, s.ServerAddr6} {
		if !a.IsValid() {
			continue
		}
		if err := proveConnection(s.Client, s.Server, a); err != nil {
			return err
		}
	}
	return nil
}

// proveConnection listens at a in one namespace, connects from another, and resets
// the connection. It returns when the reset has arrived, so that nothing moves a
// counter later on.
func proveConnection(client, server *sockio.Namespace, a netip.Addr) error {
	listener, err := tcpSocket(server, a)
	if err != nil {
		return err
	}
	defer unix.Close(listener)
	if err := unix.Bind(listener, sockaddr(netip.AddrPortFrom(a, 0))); err != nil {
		return fmt.Errorf("bind %s: %w", a, err)
	}
	if err := unix.Listen(listener, 1); err != nil {
		return fmt.Errorf("listen on %s: %w", a, err)
	}
	at, err := unix.Getsockname(listener)
	if err != nil {
		return fmt.Errorf("getsockname: %w", err)
	}

	conn, err := tcpSocket(client, a)
	if err != nil {
		return err
	}
	open := true
	defer func() {
		if open {
			_ = unix.Close(conn)
		}
	}()
	if err := unix.SetsockoptLinger(conn, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return fmt.Errorf("setsockopt SO_LINGER: %w", err)
	}
	if err := unix.Connect(conn, at); err != nil && err != unix.EINPROGRESS {
		return fmt.Errorf("connect to %s: %w", a, err)
	}
	if err := await(listener, unix.POLLIN); err != nil {
		return fmt.Errorf("connect to %s: %w", a, err)
	}
	peer, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err != nil {
		return fmt.Errorf("accept on %s: %w", a, err)
	}
	defer unix.Close(peer)
	open = false
	if err := unix.Close(conn); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if err := await(peer, unix.POLLIN); err != nil {
		return fmt.Errorf("read on %s: %w", a, err)
	}
	n, err := unix.Read(peer, make([]byte, 1))
	switch {
	case err == nil:
		return fmt.Errorf("read on %s after a reset: %d bytes instead of an error", a, n)
	case !errors.Is(err, unix.ECONNRESET):
		return fmt.Errorf("read on %s after a reset: %w", a, err)
	}
	return nil
}

// await waits for events on fd. Non-blocking sockets and poll, because a blocking
// call with a timeout fails with EINTR at each of the runtime's signals.
func await(fd int, events int16) error {
	deadline := time.Now().Add(proveTimeout)
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
		n, err := unix.Poll(fds, int(max(0, time.Until(deadline)).Milliseconds()))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		default:
			return nil
		}
	}
}

// tcpSocket opens a non-blocking socket of a's family in ns.
func tcpSocket(ns *sockio.Namespace, a netip.Addr) (fd int, err error) {
	family := unix.AF_INET
	if a.Is6() {
		family = unix.AF_INET6
	}
	err = ns.Do(func() (err error) {
		fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	return fd, nil
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is6() {
		return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
}
