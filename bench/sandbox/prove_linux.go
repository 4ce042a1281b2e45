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

// proveTimeout bounds each wait of a test connection.
const proveTimeout = 5 * time.Second

// proveConnected opens a test connection on every path that a load may take. It leaves
// no socket or TIME_WAIT behind, only counts in the new namespace's counters.
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
	if !s.Topology.Split() {
		return nil
	}
	across := func() error {
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
	if s.Topology == Relayed {
		return s.whileRelayed(across)
	}
	return across()
}

// proveConnection listens at a in one namespace, connects from another, and resets
// the connection. It returns when the reset has arrived, so that no counter moves
// later. net's errors name the call and the address. For a numeric address, net stays on the calling
// thread until the socket exists. Multipath TCP, net's default for listeners, is off, as in a load.
func proveConnection(client, server *netns.NS, a netip.Addr) error {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	var l net.Listener
	err := server.Do(func() (err error) {
		l, err = config.Listen(context.Background(), "tcp", netip.AddrPortFrom(a, 0).String())
		return err
	})
	if err != nil {
		return err
	}
	defer l.Close()
	dialer := net.Dialer{Timeout: proveTimeout}
	dialer.SetMultipathTCP(false)
	var c net.Conn
	err = client.Do(func() (err error) {
		c, err = dialer.Dial("tcp", l.Addr().String())
		return err
	})
	if err != nil {
		return err
	}
	defer c.Close() // closed already, unless something fails
	deadline := time.Now().Add(proveTimeout)
	if err := l.(*net.TCPListener).SetDeadline(deadline); err != nil {
		return err
	}
	peer, err := l.Accept()
	if err != nil {
		return err
	}
	defer peer.Close()
	if err := errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close(), peer.SetReadDeadline(deadline)); err != nil {
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
