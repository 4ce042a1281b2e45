package loadgen

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// With nobody listening at a port of the local range, connect would choose that port now and then, and reach itself.
func TestNobodyIsNotOneself(t *testing.T) {
	const n = 400
	for _, tc := range []struct {
		name   string
		target string
		change func(g *Group)
	}{
		{"IPv4", "127.0.0.1:40001", nil},
		{"IPv6", "[::1]:40001", nil},
		{"from a source", "127.0.0.1:40001", func(g *Group) { g.Sources = []netip.Addr{netip.MustParseAddr("127.0.0.1")} }},
		{"several targets", "127.0.0.1:40001", func(g *Group) { g.Targets = append(g.Targets, netip.MustParseAddrPort("127.0.0.1:40003")) }},
		{"source ports", "127.0.0.1:40001", func(g *Group) { g.SourcePorts = sockstate.PortRange{Lo: 40000, Hi: 40002} }},
		// There is no way around: it is found out.
		{"no other port", "127.0.0.1:40001", func(g *Group) { g.SourcePorts, g.Connections = sockstate.PortRange{Lo: 40001, Hi: 40001}, 1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, b sockio.Backend) {
				l := newLab(t, "net.ipv4.ip_local_port_range=40000 40003")
				p := loadOf(n, netip.MustParseAddrPort(tc.target))
				if tc.change != nil {
					tc.change(&p.Groups[0])
				}
				g := l.newLoad(Config{Plan: p, Backend: b})
				mustStart(t.Context(), t, g)
				r := finish(t, g)
				if d := cmp.Diff(map[string]int64{"refused": n}, outcomes(&r.Groups[0].Ledger)); d != "" {
					t.Errorf("outcomes (-want +got):\n%s", d)
				}
				if got := r.Groups[0].Ledger.Opened; got != 0 {
					t.Errorf("%d opened", got)
				}
				l.checkOpens(r, 0)
				if k := l.counter("TcpExtTW"); k != 0 {
					t.Errorf("%d TIME_WAITs", k)
				}
				l.do(func() error { return sockio.CanBind(netip.MustParseAddrPort(tc.target), false) })
			})
		})
	}
}

// Going around its own port, a load still has all the others.
func TestDetourTakesAllPorts(t *testing.T) {
	eachEngine(t, func(t *testing.T, b sockio.Backend) {
		l := newLab(t, "net.ipv4.ip_local_port_range=40000 40003")
		target := l.peerAt("127.0.0.1:40001", func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
		p := loadOf(3, target)
		p.Groups[0].Close, p.Groups[0].Exchange, p.Groups[0].Connections = teardown.Never, mustExchange("none"), 3
		p.Duration = 50 * time.Millisecond
		g := l.newLoad(Config{Plan: p, Backend: b})
		mustStart(t.Context(), t, g)
		r := finish(t, g)
		if d := cmp.Diff(map[string]int64{"held": 3}, outcomes(&r.Groups[0].Ledger)); d != "" {
			t.Errorf("outcomes (-want +got):\n%s", d)
		}
		if n := r.Groups[0].DetourPorts; n != 3 {
			t.Errorf("%d ports on the way around, want 3", n)
		}
	})
}
