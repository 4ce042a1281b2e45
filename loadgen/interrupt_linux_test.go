package loadgen

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// A load that is stopped accounts for what is open, wherever it is in its life.
func TestInterrupted(t *testing.T) {
	const n = 8
	opened := func(s *Snapshot) bool { return s.Ledger.Opened == n }
	answered := func(s *Snapshot) bool { return s.Ledger.Requests == n }
	attempted := func(s *Snapshot) bool { return s.Ledger.Attempted == n }
	for _, tc := range []struct {
		name    string
		sysctls []string
		target  func(l *lab) netip.AddrPort
		peer    func(c *net.TCPConn)
		change  func(p *Plan, g *Group)
		reached func(s *Snapshot) bool
		want    map[string]int64
	}{
		{name: "dialing", target: (*lab).fillQueue, reached: attempted, want: map[string]int64{"interrupted": n}},
		{name: "asking", peer: stall, change: func(_ *Plan, g *Group) {
			g.Exchange = mustExchange("echo:50000000,1")
		}, reached: opened, want: map[string]int64{"interrupted": n}},
		{name: "reading", peer: toEOF, reached: opened, want: map[string]int64{"interrupted": n}},
		{name: "thinking", peer: func(c *net.TCPConn) { answer(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Requests, g.Think = 2, time.Hour
		}, reached: answered, want: map[string]int64{"interrupted": n}},
		{name: "holding", peer: func(c *net.TCPConn) { answer(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Hold = time.Hour
		}, reached: answered, want: map[string]int64{"interrupted": n}},
		{name: "in the plateau", peer: func(c *net.TCPConn) { answer(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Plateau = time.Hour
		}, reached: answered, want: map[string]int64{"interrupted": n}},
		{name: "before the plateau", target: (*lab).fillQueue, change: func(_ *Plan, g *Group) {
			g.Plateau = time.Hour
		}, reached: attempted, want: map[string]int64{"interrupted": n}},
		{name: "closing", peer: func(c *net.TCPConn) { answer(c); stall(c) }, change: func(_ *Plan, g *Group) {
			g.Close, g.CloseTimeout = mustPolicy("client:half"), time.Hour
		}, reached: answered, want: map[string]int64{"interrupted": n}},
		{name: "waiting for the server's close", peer: func(c *net.TCPConn) { answer(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Close, g.CloseTimeout = mustPolicy("server:fin"), time.Hour
		}, reached: answered, want: map[string]int64{"interrupted": n}},
		{name: "in CLOSE_WAIT", peer: func(c *net.TCPConn) { answer(c); _ = c.CloseWrite(); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.Close, g.OnEOF = mustPolicy("server:fin"), mustReaction("delay=1h")
		}, reached: answered, want: map[string]int64{"interrupted": n}},
		{name: "held", peer: toEOF, change: func(_ *Plan, g *Group) {
			g.Close, g.Exchange = teardown.Never, mustExchange("none")
		}, reached: opened, want: map[string]int64{"held": n}},
		{name: "resting", sysctls: []string{"net.ipv4.tcp_tw_reuse=0"}, peer: func(c *net.TCPConn) { answer(c); toEOF(c) }, change: func(_ *Plan, g *Group) {
			g.SourcePorts, g.Connections = sockstate.PortRange{Lo: 40_000, Hi: 40_000}, 1
		}, reached: func(s *Snapshot) bool { return s.Ledger.Outcomes[sockstate.OutcomeNoLocalPort] > 2 }, want: map[string]int64{"fin": 1}},
		{name: "waiting at the cap", peer: toEOF, change: func(_ *Plan, g *Group) {
			g.RateFrom, g.RateTo, g.Connections = 100_000, 100_000, n
		}, reached: opened, want: map[string]int64{"interrupted": n}},
		{name: "in the warm-up", peer: toEOF, change: func(p *Plan, g *Group) {
			p.Warmup = time.Hour
		}, reached: opened},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t, tc.sysctls...)
			if tc.target == nil {
				tc.target = func(l *lab) netip.AddrPort { return l.peer(tc.peer) }
			}
			p := loadOf(0, tc.target(l))
			g := &p.Groups[0]
			p.Count, p.Duration, p.Workers, g.Connections = 0, time.Hour, 2, n
			g.ConnectTimeout, g.RequestTimeout = time.Hour, time.Hour
			if tc.change != nil {
				tc.change(&p, g)
			}
			before := l.counter("TcpActiveOpens")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			load := l.start(ctx, p)
			until(t, load, tc.reached)
			cancel()
			r := finish(t, load)
			l.checkOpens(r, before)
			if !r.Interrupted {
				t.Error("the result does not say that it was interrupted")
			}
			got := outcomes(&r.Groups[0].Ledger)
			delete(got, "no_local_port")
			if tc.want == nil {
				tc.want = map[string]int64{}
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("outcomes (-want +got):\n%s", d)
			}
			if p.Warmup > 0 && r.Groups[0].Warmup.Outcomes[sockstate.OutcomeInterrupted] != n {
				t.Errorf("warm-up: %v, want %d interrupted", outcomes(&r.Groups[0].Warmup), n)
			}
			if g.OpenLoop() && r.Groups[0].Scheduled != 360_000_000 {
				t.Errorf("scheduled %d, want the 360000000 of the plan", r.Groups[0].Scheduled)
			}
		})
	}
}

// A load that is stopped in the midst of its dials, each of several steps, knows of each whether it sent its SYN.
func TestInterruptedDials(t *testing.T) {
	const n = 1500
	for name, backend := range backends(t) {
		for _, rate := range []float64{0, 1e6} {
			t.Run(fmt.Sprintf("%s, %v/s", name, rate), func(t *testing.T) {
				l := newLab(t)
				p := loadOf(0, l.peer(toEOF))
				p.Duration = time.Hour
				g := &p.Groups[0]
				g.Connections, g.RateFrom, g.RateTo, g.Hold = n, rate, rate, time.Hour
				g.Sources = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 2})}
				g.SourcePorts = sockstate.PortRange{Lo: 20_000, Hi: 40_000}
				before := l.counter("TcpActiveOpens")
				load := l.newLoad(Config{Plan: p, Backend: backend})
				mustStart(t.Context(), t, load)
				until(t, load, func(s *Snapshot) bool { return s.Ledger.Opened > 0 })
				load.Interrupt()
				l.checkOpens(finish(t, load), before)
			})
		}
	}
}

// An attempt whose connect was not called by the time the load is stopped has sent no SYN, though it may have a socket.
func TestInterruptedBeforeSYN(t *testing.T) {
	const n = 9
	p := fakePlan(0)
	p.Duration, p.Groups[0].Connections = time.Hour, n
	var asked atomic.Int64
	loops := &fakeLoops{on: func(l *fakeLoop, c call) {
		if c.s%3 == 0 {
			delete(l.sent, c.s)
		}
		asked.Add(1) // and no answer comes
	}}
	g, err := New(Config{Plan: p, Backend: sockio.Backend{New: loops.new}, Slots: n})
	if err != nil {
		t.Fatal(err)
	}
	mustStart(t.Context(), t, g)
	until(t, g, func(*Snapshot) bool { return asked.Load() == n })
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := g.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if l := &r.Groups[0].Ledger; l.Outcomes[sockstate.OutcomeInterrupted] != n || l.NoSYN != n/3 {
		t.Errorf("%v, %d without a SYN; want %d interrupted, %d without a SYN", outcomes(l), l.NoSYN, n, n/3)
	}
}
