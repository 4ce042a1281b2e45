package socktest

import (
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// Target is a listener in a namespace. It and its connections are closed when the test ends.
type Target struct {
	Namespace *netns.NS // nil: the process's
	Listener  *net.TCPListener
	Addr      netip.AddrPort // the address to dial: loopback if it listens on all addresses
	t         testing.TB
}

// Listen listens on an address. With deferred, a connection stays in SYN_RECV until data
// arrives (TCP_DEFER_ACCEPT).
func Listen(t testing.TB, ns *netns.NS, addr string, deferred bool) *Target {
	t.Helper()
	g := &Target{Namespace: ns, t: t}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if deferred {
			_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 60) })
		}
		return err
	}}
	lc.SetMultipathTCP(false) // takes fewer socket options
	err := ns.Do(func() error {
		l, err := lc.Listen(t.Context(), "tcp", addr)
		if err == nil {
			g.Listener = l.(*net.TCPListener)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Listener.Close() })
	g.Addr = netip.MustParseAddrPort(g.Listener.Addr().String())
	if g.Addr.Addr().IsUnspecified() {
		g.Addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), g.Addr.Port())
	}
	return g
}

// Dial opens n connections.
func (g *Target) Dial(n int) []*net.TCPConn {
	g.t.Helper()
	var cs []*net.TCPConn
	err := g.Namespace.Do(func() error {
		for range n {
			c, err := net.Dial("tcp", g.Addr.String())
			if err != nil {
				return err
			}
			cs = append(cs, c.(*net.TCPConn))
		}
		return nil
	})
	g.t.Cleanup(func() { CloseAll(cs) })
	if err != nil {
		g.t.Fatal(err)
	}
	return cs
}

// Pair opens and accepts a connection.
func (g *Target) Pair() (client, server *net.TCPConn) {
	g.t.Helper()
	client = g.Dial(1)[0]
	server, err := g.Listener.AcceptTCP()
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = server.Close() })
	return client, server
}

// Pairs opens and accepts n connections, one after the other.
func (g *Target) Pairs(n int) (clients, servers []*net.TCPConn) {
	g.t.Helper()
	for range n {
		c, s := g.Pair()
		clients, servers = append(clients, c), append(servers, s)
	}
	return clients, servers
}

// CloseAll closes all of cs.
func CloseAll(cs []*net.TCPConn) {
	for _, c := range cs {
		_ = c.Close()
	}
}
