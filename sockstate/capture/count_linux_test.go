package capture

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/observe"
	"lastack/sockstate/socktest"
)

// Over thousands of connections the trace and the kernel's counters tell the same.
func TestCountsAgree(t *testing.T) {
	socktest.Guard(t)
	ns := socktest.NewNamespace(t)
	target, none := socktest.Listen(t, ns, "127.0.0.1:0", false), socktest.Listen(t, ns, "127.0.0.1:0", false)
	_ = none.Listener.Close()
	o, err := observe.New(observe.Config{Namespaces: []*netns.NS{ns}})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	read := func() sockstate.Counters {
		t.Helper()
		return o.Counters()[0]
	}

	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			c, err := target.Listener.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1)) // EOF or the reset
			_ = c.Close()
		}
	})
	before := read()
	var captures []*Capture
	for _, g := range []*socktest.Target{target, none} {
		c, err := Open(Config{Namespace: ns, Server: g.Addr})
		if err != nil {
			t.Fatal(err)
		}
		captures = append(captures, c)
	}
	const rounds = 1700
	err = ns.Do(func() error {
		for range rounds {
			fin, err := net.Dial("tcp", target.Addr.String())
			if err != nil {
				return err
			}
			_ = fin.Close()
			rst, err := net.Dial("tcp", target.Addr.String())
			if err != nil {
				return err
			}
			_ = rst.(*net.TCPConn).SetLinger(0)
			_ = rst.Close()
			if _, err := net.Dial("tcp", none.Addr.String()); !errors.Is(err, unix.ECONNREFUSED) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = target.Listener.Close()
	accepting.Wait()

	got := map[string]int64{}
	for _, c := range captures {
		tr, err := c.Stop()
		if err != nil {
			t.Fatal(err)
		}
		got["dropped"] += tr.Dropped
		for i := range tr.Packets {
			p := &tr.Packets[i]
			switch {
			case p.Flags == SYN && !p.FromServer:
				got["TcpActiveOpens"]++
			case p.Flags.Has(RST):
				got["TcpOutRsts"]++
			case p.Flags.Has(FIN) && !p.FromServer:
				got["FINs of clients"]++
			}
			if len(tr.Find(p.clientAddr(), p.At, p.At)) == 0 {
				t.Fatalf("%+v is not found", *p)
			}
		}
	}
	after := read()
	want := map[string]int64{"dropped": 0, "FINs of clients": rounds}
	for _, name := range []string{"TcpActiveOpens", "TcpOutRsts"} {
		want[name] = after[name] - before[name]
	}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s: %d, want %d", name, got[name], n)
		}
	}
	if want["TcpActiveOpens"] != 3*rounds || want["TcpOutRsts"] < 2*rounds {
		t.Errorf("the kernel counted %v in %d rounds", want, rounds)
	}
}

// All segments of one connection are there, each once, with their data; another connection's are not. The kernel's own counters
// of segments are the witness.
func TestAllOfOne(t *testing.T) {
	socktest.Guard(t)
	ns := socktest.NewNamespace(t)
	target := socktest.Listen(t, ns, "127.0.0.1:0", false)
	o, err := observe.New(observe.Config{Namespaces: []*netns.NS{ns}})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	const port, requests, size = 40_000, 50, 700
	client := netip.AddrPortFrom(target.Addr.Addr(), port)
	capture := func(f Filter) *Capture {
		t.Helper()
		c, err := Open(Config{Namespace: ns, Server: target.Addr, Filter: f})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, all, ends := capture(Filter{All: true, Client: client}), capture(Filter{All: true}), capture(Filter{})
	// talk goes through a connection and returns how many segments the kernel has sent meanwhile.
	talk := func(from *net.TCPAddr) int64 {
		t.Helper()
		before := o.Counters()[0]
		var c net.Conn
		err := ns.Do(func() (err error) {
			c, err = (&net.Dialer{LocalAddr: from}).Dial("tcp", target.Addr.String())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := target.Listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		for range requests {
			for _, way := range []struct{ from, to net.Conn }{{c, s}, {s, c}} {
				if _, err := way.from.Write(make([]byte, size)); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(way.to, make([]byte, size)); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = c.Close()
		_, _ = s.Read(make([]byte, 1)) // EOF
		_ = s.Close()
		// The last ACK is sent in a softirq within the close, on lo.
		after := o.Counters()[0]
		return after["TcpOutSegs"] - before["TcpOutSegs"] + after["TcpRetransSegs"] - before["TcpRetransSegs"]
	}
	sent := talk(&net.TCPAddr{IP: client.Addr().AsSlice(), Port: port})
	others := talk(nil)

	stop := func(c *Capture) []Packet {
		t.Helper()
		tr, err := c.Stop()
		if err != nil || tr.Dropped != 0 {
			t.Fatalf("%d dropped, %v", tr.Dropped, err)
		}
		return tr.Packets
	}
	var got int64
	var bytes, opens, closes uint32
	for _, p := range stop(one) {
		if p.clientAddr() != client {
			t.Errorf("a packet of %v", p.clientAddr())
		}
		got++
		bytes += p.Bytes
		if p.Flags.Has(SYN) {
			opens++
		}
		if p.Flags.Has(FIN) {
			closes++
		}
	}
	if got != sent || bytes != 2*requests*size || opens != 2 || closes != 2 {
		t.Errorf("%d segments with %d bytes, %d SYNs and %d FINs; the kernel sent %d with %d bytes", got, bytes, opens, closes, sent, 2*requests*size)
	}
	if n := int64(len(stop(all))); n != sent+others {
		t.Errorf("%d segments of all connections, the kernel sent %d", n, sent+others)
	}
	if n := len(stop(ends)); n != 8 {
		t.Errorf("%d segments that open or end the two connections, want 8", n)
	}
}

// What is beyond Max is counted, not kept.
func TestMax(t *testing.T) {
	socktest.Guard(t)
	ns := socktest.NewNamespace(t)
	target := socktest.Listen(t, ns, "127.0.0.1:0", false)
	c, err := Open(Config{Namespace: ns, Server: target.Addr, Max: 3})
	if err != nil {
		t.Fatal(err)
	}
	target.Pairs(4)
	tr, err := c.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.Packets) != 3 || tr.Dropped != 5 {
		t.Errorf("%d packets, %d dropped, want 3 and 5", len(tr.Packets), tr.Dropped)
	}
	if again, err := c.Stop(); again != tr || err != nil {
		t.Errorf("the second Stop: %p, %v, want %p", again, err, tr)
	}
}
