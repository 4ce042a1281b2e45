package capture

import (
	"errors"
	"net"
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
			if len(tr.Find(p.ClientAddr(), p.At, p.At)) == 0 {
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
