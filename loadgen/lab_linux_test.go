package loadgen

import (
	"context"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
	"lastack/sockstate/socktest"
)

func TestMain(m *testing.M) {
	socktest.InUserNamespace()
	// Workers in system calls keep a processor: without some to spare, what looks on starves.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), 16))
	socktest.Parallel(4)
	os.Exit(m.Run())
}

// lab is a fresh network namespace with lo up: its counters and ports are the test's alone.
type lab struct {
	t  *testing.T
	ns *netns.NS
}

// newLab also sees to it that the test leaves neither goroutines nor descriptors behind.
func newLab(t *testing.T, sysctls ...string) *lab {
	t.Helper()
	socktest.Guard(t)
	return &lab{t, socktest.NewNamespace(t, sysctls...)}
}

// newLabBeside is newLab for cases that run side by side: the test that has them calls socktest.Guard.
func newLabBeside(t *testing.T, sysctls ...string) *lab {
	t.Helper()
	t.Parallel()
	return &lab{t, socktest.NewNamespace(t, sysctls...)}
}

func (l *lab) do(f func() error) {
	l.t.Helper()
	if err := l.ns.Do(f); err != nil {
		l.t.Fatal(err)
	}
}

// counter reads one of the namespace's counters, "TcpActiveOpens".
func (l *lab) counter(name string) int64 {
	l.t.Helper()
	var all sockstate.Counters
	l.do(func() (err error) {
		all, err = socktest.ReadCounters()
		return err
	})
	n, ok := all[name]
	if !ok {
		l.t.Fatalf("no counter %s", name)
	}
	return n
}

// listen opens a listener that does nothing, with the given backlog: connections stay in its queue.
func (l *lab) listen(addr string, backlog int) netip.AddrPort {
	l.t.Helper()
	var ln *sockio.Listener
	l.do(func() (err error) {
		ln, err = sockio.Listen(netip.MustParseAddrPort(addr), sockio.ListenConfig{Backlog: backlog})
		return err
	})
	l.t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr
}

// nobody is an address at which nothing listens.
func (l *lab) nobody() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:9") }

// peer is a server written out by hand: it serves each connection on a goroutine with
// serve, and closes it afterwards.
func (l *lab) peer(serve func(c *net.TCPConn)) netip.AddrPort { return l.peerAt("127.0.0.1:0", serve) }

func (l *lab) peerAt(addr string, serve func(c *net.TCPConn)) netip.AddrPort {
	l.t.Helper()
	var ln net.Listener
	l.do(func() (err error) {
		ln, err = net.Listen("tcp", addr)
		return err
	})
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := make(map[*net.TCPConn]bool)
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			tc := c.(*net.TCPConn)
			mu.Lock()
			open[tc] = true
			mu.Unlock()
			wg.Go(func() {
				serve(tc)
				_ = tc.Close()
				mu.Lock()
				delete(open, tc)
				mu.Unlock()
			})
		}
	})
	l.t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return netip.MustParseAddrPort(ln.Addr().String())
}

// serve starts the package server in the lab.
func (l *lab) serve(cfg server.Config) *server.Server {
	l.t.Helper()
	if cfg.Addrs == nil {
		cfg.Addrs = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	}
	cfg.Namespace = l.ns
	s, err := server.Start(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		st, err := s.Stop()
		if err != nil {
			l.t.Errorf("server: %v", err)
		}
		var ends int64
		for _, n := range st.Outcomes {
			ends += n
		}
		if st.Accepted != st.Open+ends {
			l.t.Errorf("server: accepted %d, open %d, ended %d: %v", st.Accepted, st.Open, ends, st.ByName())
		}
	})
	return s
}

// bound is how long a load of these tests may take on a busy machine before it counts as hanging.
const bound = time.Minute

// start begins a load; it ends with the test.
func (l *lab) start(ctx context.Context, p Plan) *Generator {
	l.t.Helper()
	g := l.newLoad(Config{Plan: p})
	mustStart(ctx, l.t, g)
	return g
}

// newLoad makes a load that is yet to be started.
func (l *lab) newLoad(cfg Config) *Generator {
	l.t.Helper()
	cfg.Namespace, cfg.Slots = l.ns, 2000
	g, err := New(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := g.Close(); err != nil {
			l.t.Errorf("close the load: %v", err)
		}
	})
	return g
}

// finish waits for a load and checks what holds for each.
func finish(t *testing.T, g *Generator) *Result {
	t.Helper()
	select {
	case <-g.Done():
	case <-time.After(bound):
		s := g.Snapshot()
		g.Interrupt()
		t.Fatalf("the load hangs: %+v", s)
	}
	r, err := g.Wait()
	if err != nil {
		t.Fatal(err)
	}
	checkLedgers(t, &g.cfg.Plan, r)
	return r
}

// checkLedgers checks that every connection is accounted for.
func checkLedgers(t *testing.T, p *Plan, r *Result) {
	t.Helper()
	for i := range r.Groups {
		g := &r.Groups[i]
		for _, l := range []*Ledger{&g.Ledger, &g.Warmup} {
			var sum int64
			for _, n := range l.Outcomes {
				sum += n
			}
			if l.Attempted != sum {
				t.Errorf("group %q: attempted %d, but the outcomes are %d: %v", g.Name, l.Attempted, sum, outcomes(l))
			}
			if l.Outcomes[sockstate.NoOutcome] != 0 {
				t.Errorf("group %q: %d lifecycles without an outcome", g.Name, l.Outcomes[sockstate.NoOutcome])
			}
			if n := l.Completed() + l.Failed() + l.Unfinished(); n != l.Attempted {
				t.Errorf("group %q: attempted %d, but completed, failed and unfinished are %d", g.Name, l.Attempted, n)
			}
		}
		if g.Scheduled != 0 && g.Scheduled-g.Dropped != g.Ledger.Attempted {
			t.Errorf("group %q: scheduled %d, dropped %d, attempted %d", g.Name, g.Scheduled, g.Dropped, g.Ledger.Attempted)
		}
		// A client that keeps its connection has no lifecycle time.
		done := g.Ledger.Completed()
		if p.Groups[i].Keep != KeepNot {
			done = 0
		}
		if n := g.Latency[sockstate.LatencyLifecycle].TotalCount(); n != done {
			t.Errorf("group %q: %d lifecycle times, want %d", g.Name, n, done)
		}
		if n, opened := g.Latency[sockstate.LatencyConnect].TotalCount(), g.Ledger.Opened; n != opened {
			t.Errorf("group %q: %d connect times of %d opened", g.Name, n, opened)
		}
		var others int64
		for _, n := range g.Errnos {
			others += n
		}
		for f := range g.Ledger.Faults {
			others += g.Ledger.Faults[f]
		}
		if want := g.Ledger.Outcomes[sockstate.OutcomeOther]; others != want {
			t.Errorf("group %q: %d errnos of %d others: %v", g.Name, others, want, g.Errnos)
		}
	}
}

// run carries a plan out and checks its ledger and the kernel's count of it.
func (l *lab) run(p Plan) *Result {
	l.t.Helper()
	before := l.counter("TcpActiveOpens")
	r := finish(l.t, l.start(context.Background(), p))
	l.checkOpens(r, before)
	return r
}

func (l *lab) checkOpens(r *Result, before int64) {
	l.t.Helper()
	total := r.Total()
	all := total.Ledger
	all.Add(&total.Warmup)
	if got, want := l.counter("TcpActiveOpens")-before, all.Attempted-all.NoSYN; got != want {
		l.t.Errorf("the kernel counts %d active opens; attempted %d, of which %d sent no SYN", got, all.Attempted, all.NoSYN)
	}
}

// outcomes lists the outcomes that occurred.
func outcomes(l *Ledger) map[string]int64 {
	m := make(map[string]int64)
	for o, n := range l.Outcomes {
		if n > 0 {
			m[sockstate.Outcome(o).String()] = n
		}
	}
	return m
}

// loadOf is a closed loop of count lifecycles, two at a time, on target.
func loadOf(count int64, target netip.AddrPort) Plan {
	p := validPlan()
	p.Duration, p.Count, p.Workers = 0, count, 1
	p.Groups[0].Targets = []netip.AddrPort{target}
	p.Groups[0].Connections = 2
	return p
}

// until waits for a state of the load that is sure to come.
func until(t *testing.T, g *Generator, reached func(s *Snapshot) bool) {
	t.Helper()
	for end := time.Now().Add(bound); ; {
		s := g.Snapshot()
		if reached(&s) {
			return
		}
		if s.Done || time.Now().After(end) {
			t.Fatalf("not reached: %+v", s)
		}
		time.Sleep(time.Millisecond)
	}
}
