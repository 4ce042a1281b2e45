package capture

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
	"lastack/sockstate/netns"
	"lastack/sockstate/socktest"
)

// step is a packet that is expected, and the call that it was sent in: later than the mark before, earlier than
// the one after.
type step struct {
	Server bool
	Flags  Flags
	Call   int
}

// talk runs calls one after the other while capturing, and returns the packets. All are of the client, if it is given.
func talk(t *testing.T, cfg Config, client func() netip.AddrPort, calls ...func()) []step {
	t.Helper()
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	marks := []int64{clock.Now()}
	for _, call := range calls {
		call()
		marks = append(marks, clock.Now())
	}
	tr, err := c.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if tr.Dropped != 0 || tr.ClockStep != 0 {
		t.Errorf("%d dropped, clock stepped by %v", tr.Dropped, tr.ClockStep)
	}
	var got []step
	for _, p := range tr.Packets {
		if client != nil && p.clientAddr() != client() {
			t.Errorf("a packet of %v, want only %v", p.clientAddr(), client())
		}
		// When it was is known with an error.
		e := int64(tr.ClockError)
		call := -1
		for i := range calls {
			if p.At >= marks[i]-e && p.At <= marks[i+1]+e {
				call = i
				break
			}
		}
		got = append(got, step{p.FromServer, p.Flags, call})
	}
	return got
}

// Each close is seen as what it is, in order, once, at its time.
func TestLoopback(t *testing.T) {
	socktest.Guard(t)
	ns := socktest.NewNamespace(t)
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		target := socktest.Listen(t, ns, addr, false)
		closes(t, addr, target, ns, Config{Namespace: ns, Server: target.Addr})
	}
	t.Run("v4-mapped", func(t *testing.T) {
		// An IPv6 socket that speaks IPv4; and a server's address that is written so.
		target := socktest.Listen(t, ns, "[::]:0", false)
		mapped := netip.AddrPortFrom(netip.AddrFrom16(target.Addr.Addr().As16()), target.Addr.Port())
		var client *net.TCPConn
		got := talk(t, Config{Namespace: ns, Server: mapped}, func() netip.AddrPort { return local(client) },
			func() { client, _ = target.Pair() })
		if d := cmp.Diff([]step{{false, SYN, 0}, {true, SYN | ACK, 0}}, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

// closes goes through the ways to open and to end a connection.
func closes(t *testing.T, name string, target *socktest.Target, clients *netns.NS, cfg Config) {
	var client, server *net.TCPConn
	address := func() netip.AddrPort { return local(client) }
	open := func() { client, server = pair(t, target, clients) }
	opened := []step{{false, SYN, 0}, {true, SYN | ACK, 0}}

	tests := []struct {
		name  string
		calls []func()
		want  []step
	}{
		{
			"client closes first",
			[]func(){open, func() { _ = client.Close(); eof(t, server) }, func() { _ = server.Close() }},
			[]step{{false, FIN | ACK, 1}, {true, FIN | ACK, 2}},
		},
		{
			"server closes first",
			[]func(){open, func() { _ = server.Close(); eof(t, client) }, func() { _ = client.Close() }},
			[]step{{true, FIN | ACK, 1}, {false, FIN | ACK, 2}},
		},
		{
			"client resets",
			[]func(){open, func() { _ = client.SetLinger(0); _ = client.Close(); reset(t, server) }},
			[]step{{false, RST | ACK, 1}},
		},
		{
			"server resets",
			[]func(){open, func() { _ = server.SetLinger(0); _ = server.Close(); reset(t, client) }},
			[]step{{true, RST | ACK, 1}},
		},
	}
	for _, tt := range tests {
		t.Run(name+" "+tt.name, func(t *testing.T) {
			got := talk(t, cfg, address, tt.calls...)
			if d := cmp.Diff(append(opened[:2:2], tt.want...), got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
	t.Run(name+" refused", func(t *testing.T) {
		_ = target.Listener.Close()
		got := talk(t, cfg, nil, func() { refused(t, target.Addr, clients) })
		if d := cmp.Diff([]step{{false, SYN, 0}, {true, RST | ACK, 0}}, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

// pair opens a connection from a namespace and accepts it.
func pair(t *testing.T, target *socktest.Target, clients *netns.NS) (client, server *net.TCPConn) {
	t.Helper()
	err := clients.Do(func() error {
		c, err := net.Dial("tcp", target.Addr.String())
		if err == nil {
			client = c.(*net.TCPConn)
		}
		return err
	})
	if err == nil {
		server, err = target.Listener.AcceptTCP()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socktest.CloseAll([]*net.TCPConn{client, server}) })
	return client, server
}

func refused(t *testing.T, server netip.AddrPort, clients *netns.NS) {
	t.Helper()
	err := clients.Do(func() error {
		c, err := net.Dial("tcp", server.String())
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Fatalf("connect to a closed port: %v, want ECONNREFUSED", err)
	}
}

func local(c *net.TCPConn) netip.AddrPort {
	a := netip.MustParseAddrPort(c.LocalAddr().String())
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func eof(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); err == nil || n != 0 || errors.Is(err, unix.ECONNRESET) {
		t.Errorf("read %d bytes, %v, want EOF", n, err)
	}
}

func reset(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("read: %v, want ECONNRESET", err)
	}
}
