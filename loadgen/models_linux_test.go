package loadgen

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/socktest"
	"lastack/sockstate/teardown"
)

// echoServer serves the group's exchange and policy.
func (l *lab) echoServer(g *Group) *server.Server {
	l.t.Helper()
	cfg := server.Config{Close: g.Close, OnEOF: g.OnEOF, Exchange: g.Exchange, Requests: g.Requests, Workers: 2, Slots: 4000}
	if g.Close.Active(sockstate.Server) {
		cfg.Hold = g.Hold
	}
	return l.serve(cfg)
}

// served runs a plan whose first group's target is a server that suits it.
func (l *lab) served(p Plan) (*Result, server.Stats) {
	l.t.Helper()
	s := l.echoServer(&p.Groups[0])
	for i := range p.Groups {
		p.Groups[i].Targets = s.Addrs()
	}
	r := l.run(p)
	// A client may be done with a connection that the server has yet to accept.
	total := r.Total()
	opened := total.Ledger.Opened + total.Warmup.Opened
	st := s.Stats()
	for end := time.Now().Add(bound); st.Accepted < opened && time.Now().Before(end); st = s.Stats() {
		time.Sleep(time.Millisecond)
	}
	return r, st
}

func wantOutcomes(t *testing.T, l *Ledger, want map[string]int64) {
	t.Helper()
	if d := cmp.Diff(want, outcomes(l)); d != "" {
		t.Errorf("outcomes (-want +got):\n%s", d)
	}
}

func TestClosedLoopKeepsItsConnections(t *testing.T) {
	const c = 30
	l := newLab(t)
	addr := l.peer(toEOF) // never answers, so that what is open stays open
	p := loadOf(0, addr)
	p.Count, p.Duration, p.Workers, p.Groups[0].Connections = 0, time.Hour, 4, c
	p.Groups[0].RequestTimeout = time.Hour
	g := l.start(context.Background(), p)
	until(t, g, func(s *Snapshot) bool { return s.Ledger.Opened == c })
	for range 5 {
		if s := g.Snapshot(); s.Open != c || s.Ledger.Attempted != c {
			t.Errorf("%d open of %d attempted, want %d", s.Open, s.Ledger.Attempted, c)
		}
	}
	g.Interrupt()
	if r := finish(t, g); r.Groups[0].PeakOpen != c {
		t.Errorf("peak %d, want %d", r.Groups[0].PeakOpen, c)
	}
}

func TestCountIsExact(t *testing.T) {
	for _, workers := range []int{1, 3} {
		l := newLab(t)
		p := loadOf(1001, l.nobody())
		p.Workers = workers
		p.Groups[0].Connections = 16
		p.Groups = append(p.Groups, p.Groups[0], p.Groups[0])
		p.Groups[1].Name, p.Groups[1].Connections = "fewer than workers", 2
		p.Groups[2].Name, p.Groups[2].Exchange = "reset", mustExchange("none")
		p.Groups[2].Close = mustPolicy("client:rst")
		s := l.echoServer(&p.Groups[0])
		none := l.serve(server.Config{Close: p.Groups[2].Close})
		p.Groups[0].Targets, p.Groups[1].Targets, p.Groups[2].Targets = s.Addrs(), s.Addrs(), none.Addrs()
		r := l.run(p)
		for i, end := range []string{"fin", "fin", "rst_sent"} {
			wantOutcomes(t, &r.Groups[i].Ledger, map[string]int64{end: 1001})
			if peak := r.Groups[i].PeakOpen; peak > int64(p.Groups[i].Connections) {
				t.Errorf("group %q: %d open at once, want at most %d", r.Groups[i].Name, peak, p.Groups[i].Connections)
			}
		}
		if r.Engine != "epoll" {
			t.Errorf("engine %q", r.Engine)
		}
	}
}

// The warm-up's lifecycles are not in the count, nor in the result.
func TestWarmup(t *testing.T) {
	l := newLab(t)
	p := loadOf(500, l.nobody())
	p.Workers, p.Warmup, p.Groups[0].Connections = 2, 50*time.Millisecond, 8
	r, _ := l.served(p)
	g := &r.Groups[0]
	wantOutcomes(t, &g.Ledger, map[string]int64{"fin": 500})
	if g.Warmup.Attempted == 0 || g.Warmup.Completed() != g.Warmup.Attempted {
		t.Errorf("warm-up: %v of %d", outcomes(&g.Warmup), g.Warmup.Attempted)
	}
	if n := g.Latency[sockstate.LatencyExchange].TotalCount(); n != 500 {
		t.Errorf("%d exchange times, want those of the result alone", n)
	}
	if r.MeasuredFrom-r.Started != int64(p.Warmup) {
		t.Errorf("measured from %v on", time.Duration(r.MeasuredFrom-r.Started))
	}
}

func TestOpenLoopIsExact(t *testing.T) {
	socktest.Guard(t)
	for _, tc := range []struct {
		name            string
		change          func(p *Plan, g *Group)
		measured, first int64 // first: in the warm-up
	}{
		{"4000/s for 1s", func(p *Plan, g *Group) { p.Duration, g.RateFrom, g.RateTo = time.Second, 4000, 4000 }, 4000, 0},
		{"lo..hi", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = 500, 1500 }, 400, 0},
		{"hi..lo", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = 1500, 500 }, 400, 0},
		{"from nothing", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = 0, 2000 }, 400, 0},
		{"ramp", func(p *Plan, g *Group) { p.Ramp, g.RateFrom, g.RateTo = 200*time.Millisecond, 1000, 1000 }, 300, 0},
		{"warm-up", func(p *Plan, g *Group) { p.Warmup, g.RateFrom, g.RateTo = 200*time.Millisecond, 1000, 1000 }, 400, 200},
		{"warm-up and ramp", func(p *Plan, g *Group) {
			p.Warmup, p.Ramp, g.RateFrom, g.RateTo = 200*time.Millisecond, 200*time.Millisecond, 1000, 1000
		}, 400, 100},
		{"a fraction of one a second", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = 0.5, 0.5 }, 1, 0},
		{"count", func(p *Plan, g *Group) { p.Duration, p.Count, g.RateFrom, g.RateTo = 0, 333, 2000, 2000 }, 333, 0},
		{"count after ramp and warm-up", func(p *Plan, g *Group) {
			p.Duration, p.Count, g.RateFrom, g.RateTo = 0, 333, 2000, 2000
			p.Warmup, p.Ramp = 100*time.Millisecond, 50*time.Millisecond
		}, 333, 150},
		{"count before the duration", func(p *Plan, g *Group) { p.Count, g.RateFrom, g.RateTo = 111, 2000, 2000 }, 111, 0},
		{"with a cap that is not met", func(_ *Plan, g *Group) { g.Connections, g.RateFrom, g.RateTo = 1900, 2000, 2000 }, 800, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			lab := newLabBeside
			if tc.measured > 1000 {
				lab = newLab // so fast that loads beside it could hold it up
			}
			l := lab(t)
			p := loadOf(0, l.nobody())
			p.Count, p.Duration, p.Workers, p.Groups[0].Connections = 0, 400*time.Millisecond, 3, 0
			tc.change(&p, &p.Groups[0])
			r, st := l.served(p)
			g := &r.Groups[0]
			if g.Scheduled != tc.measured || g.Ledger.Attempted != tc.measured || g.Warmup.Attempted != tc.first {
				t.Errorf("scheduled %d, attempted %d, in the warm-up %d; want %d, %d, %d",
					g.Scheduled, g.Ledger.Attempted, g.Warmup.Attempted, tc.measured, tc.measured, tc.first)
			}
			if g.Capped != 0 || g.Dropped != 0 {
				t.Errorf("capped %d, dropped %d", g.Capped, g.Dropped)
			}
			if st.Accepted != tc.measured+tc.first {
				t.Errorf("the server accepted %d", st.Accepted)
			}
			if n := g.Latency[sockstate.LatencyLag].TotalCount(); n != tc.measured {
				t.Errorf("%d lags", n)
			}
		})
	}
}

func TestOpenLoopAtItsCap(t *testing.T) {
	socktest.Guard(t)
	for _, tc := range []struct {
		name        string
		connections int
		slots       int
		change      func(p *Plan, g *Group)
		scheduled   int64
	}{
		{"cap", 8, 0, func(*Plan, *Group) {}, 500},
		{"cap below the workers", 2, 0, func(*Plan, *Group) {}, 500},
		{"no cap but the slots", 0, 9, func(*Plan, *Group) {}, 500},
		{"in the warm-up too", 8, 0, func(p *Plan, _ *Group) { p.Warmup = 50 * time.Millisecond }, 500},
		{"held for good", 8, 0, func(_ *Plan, g *Group) { g.Close, g.Exchange = teardown.Never, mustExchange("none") }, 500},
		{"held for good, by count", 8, 0, func(p *Plan, g *Group) {
			p.Duration, p.Count = 0, 100
			g.Close, g.Exchange = teardown.Never, mustExchange("none")
		}, 100},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLabBeside(t)
			p := loadOf(0, l.nobody())
			p.Count, p.Duration, p.Workers = 0, 500*time.Millisecond, 3
			g := &p.Groups[0]
			// Each takes 100 ms, so that a connection has room for a few arrivals of the 500.
			g.Connections, g.RateFrom, g.RateTo, g.Hold = tc.connections, 1000, 1000, 100*time.Millisecond
			tc.change(&p, g)
			if g.Close.Who != teardown.Nobody {
				g.Close = mustPolicy("client:half") // the client's end outlives the peer's
			}
			var open, peak atomic.Int64
			g.Targets = []netip.AddrPort{l.peer(func(c *net.TCPConn) {
				for n := open.Add(1); ; {
					if old := peak.Load(); old >= n || peak.CompareAndSwap(old, n) {
						break
					}
				}
				answer(c)
				toEOF(c)
				open.Add(-1)
			})}
			load, err := New(Config{Plan: p, Namespace: l.ns, Slots: tc.slots})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = load.Close() })
			mustStart(context.Background(), t, load)
			r := &finish(t, load).Groups[0]
			if r.Scheduled != tc.scheduled || r.Capped == 0 || r.Dropped == 0 || r.Capped > r.Scheduled {
				t.Errorf("scheduled %d, capped %d, dropped %d; want %d, and some capped and dropped", r.Scheduled, r.Capped, r.Dropped, tc.scheduled)
			}
			if limit := int64(max(tc.connections, tc.slots)); peak.Load() != limit || r.PeakOpen < limit {
				t.Errorf("the peer had %d open at once, the load says %d; the cap is %d", peak.Load(), r.PeakOpen, limit)
			}
		})
	}
}

func TestClosedLoopRamp(t *testing.T) {
	l := newLab(t)
	p := loadOf(0, l.peer(toEOF))
	p.Count, p.Duration, p.Ramp, p.Workers = 0, time.Hour, 200*time.Millisecond, 3
	p.Groups[0].Connections, p.Groups[0].RequestTimeout = 40, time.Hour
	p.Groups = append(p.Groups, p.Groups[0])
	p.Groups[1].Connections = 1 // the other workers have none of it
	g := l.start(context.Background(), p)
	until(t, g, func(s *Snapshot) bool { return s.Ledger.Opened == 41 })
	g.Interrupt()
	res := finish(t, g)
	if took := time.Duration(res.Ended - res.Started); took < 150*time.Millisecond {
		t.Errorf("all were open after %v of a ramp of %v", took, p.Ramp)
	}
	if a, b := res.Groups[0].PeakOpen, res.Groups[1].PeakOpen; a != 40 || b != 1 {
		t.Errorf("peaks %d and %d, want 40 and 1", a, b)
	}
}

func TestPlateau(t *testing.T) {
	socktest.Guard(t)
	type want = map[string]int64
	const n = 40
	for _, tc := range []struct {
		name     string
		change   func(p *Plan, g *Group)
		outcomes want
		least    time.Duration // how long it takes
	}{
		{"as fast as possible", func(*Plan, *Group) {}, want{"fin": n}, 50 * time.Millisecond},
		{"nothing exchanged", func(_ *Plan, g *Group) { g.Exchange = mustExchange("none") }, want{"fin": n}, 50 * time.Millisecond},
		{"with a close rate", func(_ *Plan, g *Group) { g.CloseRate = 200 }, want{"fin": n}, 50*time.Millisecond + (n-1)*5*time.Millisecond},
		{"opened at a rate", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = 400, 400 }, want{"fin": n}, 50*time.Millisecond + (n-1)*2500*time.Microsecond},
		{"by RST", func(_ *Plan, g *Group) { g.Close = mustPolicy("client:rst") }, want{"rst_sent": n}, 50 * time.Millisecond},
		{"by half", func(_ *Plan, g *Group) { g.Close = mustPolicy("client:half") }, want{"fin": n}, 50 * time.Millisecond},
		{"with data unread", func(_ *Plan, g *Group) { g.Close = mustPolicy("client:unread") }, want{"rst_sent": n}, 50 * time.Millisecond},
		{"for good", func(_ *Plan, g *Group) { g.Close = teardown.Never }, want{"held": n}, 50 * time.Millisecond},
		{"over before all are open", func(p *Plan, g *Group) { p.Duration, p.Ramp = 100*time.Millisecond, 100*time.Millisecond }, nil, 0},
		{"at a rate, over before all are open", func(p *Plan, g *Group) {
			p.Duration, g.RateFrom, g.RateTo = 50*time.Millisecond, 100, 100
		}, nil, 0},
		{"fewer than workers", func(p *Plan, g *Group) { g.Connections = 2 }, want{"fin": 2}, 50 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLabBeside(t)
			p := loadOf(0, l.nobody())
			p.Count, p.Workers = 0, 3
			p.Groups[0].Connections, p.Groups[0].Plateau = n, 50*time.Millisecond
			tc.change(&p, &p.Groups[0])
			r, st := l.served(p)
			g := &r.Groups[0]
			if tc.outcomes != nil {
				wantOutcomes(t, &g.Ledger, tc.outcomes)
			}
			all := g.Ledger.Attempted + g.Warmup.Attempted
			if g.PeakOpen != all || st.Accepted != all {
				t.Errorf("%d open at once, %d accepted, of %d", g.PeakOpen, st.Accepted, all)
			}
			if took := time.Duration(r.Ended - r.Started); took < tc.least {
				t.Errorf("it took %v, want at least %v", took, tc.least)
			}
		})
	}
}

// What cannot be opened does not keep the plateau waiting, and is not tried again.
func TestPlateauWithFailures(t *testing.T) {
	l := newLab(t)
	p := loadOf(0, l.nobody())
	p.Count, p.Workers = 0, 2
	g := &p.Groups[0]
	g.Connections, g.Plateau = 40, 50*time.Millisecond
	g.Targets = append(g.Targets, l.echoServer(g).Addrs()...)
	r := l.run(p)
	wantOutcomes(t, &r.Groups[0].Ledger, map[string]int64{"fin": 20, "refused": 20})
}

// A connection that is busy when the plateau ends is closed when it is done.
func TestPlateauEndsBeforeTheExchange(t *testing.T) {
	l := newLab(t)
	p := loadOf(0, l.nobody())
	p.Count, p.Workers = 0, 2
	g := &p.Groups[0]
	g.Connections, g.Plateau = 40, time.Millisecond
	s := l.serve(server.Config{Exchange: g.Exchange, Delay: 100 * time.Millisecond})
	g.Targets = s.Addrs()
	r := l.run(p)
	wantOutcomes(t, &r.Groups[0].Ledger, map[string]int64{"fin": 40})
}

func TestHold(t *testing.T) {
	socktest.Guard(t)
	const hold = 250 * time.Millisecond
	for _, policy := range []string{"client:fin", "client:half", "client:rst", "server:fin", "server:rst", "both:fin", "client:unread", "server:unread"} {
		t.Run(policy, func(t *testing.T) {
			l := newLabBeside(t)
			p := loadOf(20, l.nobody())
			g := &p.Groups[0]
			g.Connections, g.Hold, g.Close = 20, hold, mustPolicy(policy)
			if policy == "client:unread" {
				g.CloseTimeout = bound
			}
			r, _ := l.served(p)
			got := &r.Groups[0]
			if got.Ledger.Completed() != 20 {
				t.Errorf("outcomes %v", outcomes(&got.Ledger))
			}
			if took := time.Duration(r.Ended - r.Started); took < hold {
				t.Errorf("it took %v, held for %v", took, hold)
			}
			// A lifecycle's time leaves the hold out.
			if p50 := time.Duration(got.Latency[sockstate.LatencyLifecycle].ValueAtQuantile(50)); p50 >= hold {
				t.Errorf("lifecycle p50 %v, held for %v", p50, hold)
			}
		})
	}
}

func TestEveryPolicyAndExchange(t *testing.T) {
	socktest.Guard(t)
	const n = 300
	for _, policy := range []string{
		"client:fin", "server:fin", "client:half", "server:half", "client:rst", "server:rst", "both:fin",
		"client:linger=1s", "server:linger=1s", "client:unread", "server:unread",
	} {
		for _, x := range []string{"none", "echo:1,1", "echo:100000,300000", "http:/"} {
			p := loadOf(n, netip.AddrPort{})
			g := &p.Groups[0]
			g.Connections, g.Close, g.Exchange = 8, mustPolicy(policy), mustExchange(x)
			if g.Close.How == teardown.Unread && x == "none" {
				continue
			}
			t.Run(policy+" "+x, func(t *testing.T) {
				l := newLabBeside(t)
				p.Workers = 2
				r, st := l.served(p)
				got := &r.Groups[0].Ledger
				if policy == "server:rst" && g.Exchange.Response > 1 && got.Completed() < n && got.Completed()+got.Outcomes[sockstate.OutcomeCutInRequest] == n {
					return // the RST discards what the server has not sent yet
				}
				if got.Completed() != n || got.Opened != n {
					t.Errorf("opened %d, completed %d of %d: %v, server %v", got.Opened, got.Completed(), n, outcomes(got), st.ByName())
				}
				if st.Accepted != n {
					t.Errorf("the server accepted %d", st.Accepted)
				}
			})
		}
	}
}

func TestKeepAlive(t *testing.T) {
	socktest.Guard(t)
	const n, k = 60, 5
	for _, policy := range []string{"client:fin", "client:half", "client:rst", "client:unread", "server:fin", "server:half", "server:unread"} {
		for _, x := range []string{"echo:1,1", "echo:70000,70000", "http:/x"} {
			for _, think := range []time.Duration{0, time.Millisecond} {
				t.Run(policy+" "+x+" "+think.String(), func(t *testing.T) {
					l := newLabBeside(t)
					p := loadOf(n, l.nobody())
					g := &p.Groups[0]
					g.Connections, g.Requests, g.Think = 6, k, think
					g.Close, g.Exchange = mustPolicy(policy), mustExchange(x)
					r, st := l.served(p)
					got := &r.Groups[0]
					if got.Ledger.Completed() != n {
						t.Errorf("completed %d: %v, server %v", got.Ledger.Completed(), outcomes(&got.Ledger), st.ByName())
					}
					want := int64(n * k)
					if g.Close.How == teardown.Unread {
						want -= n // the last is the one left unread
					}
					if got.Ledger.Requests != want || got.Latency[sockstate.LatencyExchange].TotalCount() != want {
						t.Errorf("%d requests, %d exchange times, want %d", got.Ledger.Requests, got.Latency[sockstate.LatencyExchange].TotalCount(), want)
					}
				})
			}
		}
	}
}

// Every pair of source and target comes up, equally often.
func TestSourcesAndTargetsInTurn(t *testing.T) {
	for _, workers := range []int{1, 2} {
		l := newLab(t)
		type pair struct{ from, to string }
		var mu sync.Mutex
		got := make(map[pair]int)
		peer := func(c *net.TCPConn) {
			toEOF(c)
			mu.Lock()
			defer mu.Unlock()
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			got[pair{host, c.LocalAddr().String()}]++
		}
		p := loadOf(120, l.nobody())
		p.Workers = workers
		g := &p.Groups[0]
		g.Exchange, g.Close = mustExchange("none"), mustPolicy("client:half") // the peer has counted
		g.Targets = []netip.AddrPort{l.peer(peer), l.peerAt("127.0.0.9:0", peer), l.peer(peer)}
		g.Sources = []netip.Addr{netip.MustParseAddr("127.0.0.5"), netip.MustParseAddr("127.0.0.6")}
		r := l.run(p)
		wantOutcomes(t, &r.Groups[0].Ledger, map[string]int64{"fin": 120})
		mu.Lock()
		defer mu.Unlock()
		if len(got) != 6 {
			t.Errorf("%d workers: pairs %v, want 6", workers, got)
		}
		for pr, n := range got {
			if n != 20 && workers == 1 {
				t.Errorf("%v connected %d times, want 20", pr, n)
			}
		}
	}
}

func TestSourcePorts(t *testing.T) {
	l := newLab(t)
	var mu sync.Mutex
	outside := make(map[string]int)
	want := sockstate.PortRange{Lo: 41_000, Hi: 41_049}
	p := loadOf(50, l.peerAt("127.0.0.1:9000", func(c *net.TCPConn) { // no port of the range
		toEOF(c)
		if a := netip.MustParseAddrPort(c.RemoteAddr().String()); a.Port() < want.Lo || a.Port() > want.Hi {
			mu.Lock()
			outside[a.String()]++
			mu.Unlock()
		}
	}))
	g := &p.Groups[0]
	g.Exchange, g.Close, g.SourcePorts = mustExchange("none"), mustPolicy("client:half"), want
	wantOutcomes(t, &l.run(p).Groups[0].Ledger, map[string]int64{"fin": 50})
	mu.Lock()
	defer mu.Unlock()
	if len(outside) > 0 {
		t.Errorf("ports outside %v: %v", want, outside)
	}
}

func TestIPv6(t *testing.T) {
	for _, tc := range []struct{ listen, target string }{
		{"[::1]:0", ""},
		{"[::]:7777", "127.0.0.1:7777"},
		{"[::]:7777", "[::ffff:127.0.0.1]:7777"},
		{"[::]:7777", "[::1]:7777"},
	} {
		l := newLab(t)
		p := loadOf(100, l.nobody())
		g := &p.Groups[0]
		s := l.serve(server.Config{Addrs: []netip.AddrPort{netip.MustParseAddrPort(tc.listen)}, Exchange: g.Exchange})
		g.Targets = s.Addrs()
		if tc.target != "" {
			g.Targets = []netip.AddrPort{netip.MustParseAddrPort(tc.target)}
		}
		if g.Targets[0].Addr() == netip.IPv6Loopback() {
			g.Sources = []netip.Addr{netip.IPv6Loopback()}
		}
		wantOutcomes(t, &l.run(p).Groups[0].Ledger, map[string]int64{"fin": 100})
	}
}

func TestNeverHoldsUntilTheEnd(t *testing.T) {
	const c = 20
	for _, x := range []string{"none", "echo:1,1"} {
		l := newLab(t)
		p := loadOf(0, l.nobody())
		p.Count, p.Duration, p.Workers = 0, 200*time.Millisecond, 2
		p.Groups[0].Connections, p.Groups[0].Close, p.Groups[0].Exchange = c, teardown.Never, mustExchange(x)
		r, st := l.served(p)
		wantOutcomes(t, &r.Groups[0].Ledger, map[string]int64{"held": c})
		if took := r.Measured(); took < p.Duration {
			t.Errorf("it took %v, want the whole duration of %v", took, p.Duration)
		}
		// Their sockets stay open, for the kernel's counters to be read, until Close.
		if st.Open != c || st.Accepted != c {
			t.Errorf("the server has %d open of %d accepted, want %d", st.Open, st.Accepted, c)
		}
	}
}

// A target that dies in mid-run does not end the load, and one that comes back is found.
func TestTargetDies(t *testing.T) {
	l := newLab(t)
	p := loadOf(0, l.nobody())
	p.Count, p.Duration, p.Workers, p.Groups[0].Connections = 0, time.Hour, 2, 8
	cfg := server.Config{
		Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:7777")}, Exchange: p.Groups[0].Exchange,
	}
	p.Groups[0].Targets = cfg.Addrs
	s := l.serve(cfg)
	g := l.start(context.Background(), p)
	until(t, g, func(s *Snapshot) bool { return s.Ledger.Completed() >= 1000 })
	if _, err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	until(t, g, func(s *Snapshot) bool { return s.Ledger.Outcomes[sockstate.OutcomeRefused] >= 1000 })
	l.serve(cfg)
	now := g.Snapshot()
	again := now.Ledger.Completed() + 1000
	until(t, g, func(s *Snapshot) bool { return s.Ledger.Completed() >= again })
	g.Interrupt()
	got := finish(t, g).Groups[0].Ledger
	// In flight when it died, and once more each in the queue of a listener that was about to close.
	if n := got.Failed() - got.Outcomes[sockstate.OutcomeRefused]; n > 16 {
		t.Errorf("outcomes %v, want at most 16 failures that are not refused", outcomes(&got))
	}
}
