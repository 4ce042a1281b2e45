package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
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
// counter later on. The errors of net say which call failed, and where.
func proveConnection(client, server *netns.NS, a netip.Addr) error {
	listener, err := listenIn(server, a)
	if err != nil {
		return err
	}
	defer listener.Close()
	conn, err := dialIn(client, listener.Addr())
	if err != nil {
		return err
	}
	defer conn.Close() // closed already, unless something fails
	deadline := time.Now().Add(proveTimeout)
	if err := listener.SetDeadline(deadline); err != nil {
		return err
	}
	peer, err := listener.Accept()
	if err != nil {
		return err
	}
	defer peer.Close()
	if err := errors.Join(conn.SetLinger(0), conn.Close(), peer.SetReadDeadline(deadline)); err != nil {
		return err
	}
	n, err := peer.Read(make([]byte, 1))
	switch {
	case err == nil:
		return fmt.Errorf("read on %s after a reset: %d bytes instead of an error", a, n)
	case !errors.Is(err, unix.ECONNRESET):
		return fmt.Errorf("read on %s after a reset: %w", a, err)
	}
	return nil
}

// listenIn opens a listener at a in ns: for an address without a name, net stays on its
// caller's thread until the socket exists, here and in dialIn. Multipath TCP, its default
// for listeners, is not what a load uses.
func listenIn(ns *netns.NS, a netip.Addr) (*net.TCPListener, error) {
	var l net.Listener
	err := ns.Do(func() (err error) {
		var config net.ListenConfig
		config.SetMultipathTCP(false)
		l, err = config.Listen(context.Background(), "tcp", netip.AddrPortFrom(a, 0).String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

// dialIn connects from ns within proveTimeout.
func dialIn(ns *netns.NS, to net.Addr) (*net.TCPConn, error) {
	var c net.Conn
	err := ns.Do(func() (err error) {
		dialer := net.Dialer{Timeout: proveTimeout}
		dialer.SetMultipathTCP(false)
		c, err = dialer.Dial("tcp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
