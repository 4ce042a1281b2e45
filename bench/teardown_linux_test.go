package bench

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// lasting is a plan of a group that closes the loop for d.
func lasting(t *testing.T, d time.Duration, closes, onEOF, exch string) loadgen.Plan {
	t.Helper()
	return loadgen.Plan{Groups: []loadgen.Group{group(t, closes, onEOF, exch)}, Duration: d, Workers: 2}
}

// sourceOf is an address of the client's range on a veth pair.
func sourceOf(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, 77, byte(i)}) }

// Where both close without waiting, from none to all of the FINs cross.
func TestBothClose(t *testing.T) {
	t.Parallel()
	for _, topology := range []sandbox.Topology{sandbox.Lo, sandbox.Veth} {
		for _, exch := range []string{"none", "echo:1,1"} {
			t.Run(string(topology)+"/"+exch, func(t *testing.T) {
				t.Parallel()
				const n = 2000
				f := carryOut(t, "user", trial{
					Spec: sandbox.Spec{Topology: topology},
					Plan: counted(t, n, "both:fin", "close", exch),
				})
				r := f.Run
				if r.Connections.Completed != n || r.Outcomes["fin"] != n {
					t.Errorf("completed %d, want %d; outcomes %v, errnos %v", r.Connections.Completed, n, r.Outcomes, r.Errnos)
				}
				entries := f.grown("TcpExtTW", "TcpExtTWKilled", "TcpExtTCPTimeWaitOverflow")
				if entries < n || entries > 2*n {
					t.Errorf("%d TIME_WAITs, want %d to %d", entries, n, 2*n)
				}
				if ck := f.check(t, teardown.CounterTimeWaits); ck.Want != (sockstate.Range{Min: n, Max: 2 * n}) || ck.Got != entries || !ck.Exact {
					t.Errorf("%+v, /proc says %d", ck, entries)
				}
				if s := r.TimeWait.Simultaneous; s == nil || *s != entries-n {
					t.Errorf("simultaneous %v, want %d", s, entries-n)
				}
				f.mustCountAlike(t)
			})
		}
	}
}

func TestNobodyCloses(t *testing.T) {
	t.Parallel()
	for _, topology := range []sandbox.Topology{sandbox.Lo, sandbox.Veth} {
		t.Run(string(topology), func(t *testing.T) {
			t.Parallel()
			f := carryOut(t, "user", trial{
				Spec:     sandbox.Spec{Topology: topology},
				Plan:     lasting(t, time.Second, "never", "close", "echo:1,1"),
				Interval: 200 * time.Millisecond, Watch: true,
			})
			r := f.Run
			if c := r.Connections; c.Attempted != 64 || c.Unfinished != 64 || r.Outcomes["held"] != 64 {
				t.Errorf("%+v, outcomes %v, want 64 held", c, r.Outcomes)
			}
			last := &r.Timeline[len(r.Timeline)-1]
			if last.Client["ESTABLISHED"] != 64 || last.Server["ESTABLISHED"] != 64 || len(last.Client) != 1 {
				t.Errorf("at the end: client %v, server %v", last.Client, last.Server)
			}
			f.mustSeeAlike(t)
			if r.TimeWait.Peak != 0 || r.TimeWait.Entered+r.TimeWait.EnteredShort != 0 {
				t.Errorf("%+v, want no TIME_WAIT", r.TimeWait)
			}
			for i, states := range f.Left {
				if len(states) != 0 {
					t.Errorf("namespace %d: %v left after the run, want nothing", i, states)
				}
			}
			if r.Server.Open != 64 {
				t.Errorf("the server has %d open, want 64", r.Server.Open)
			}
			for _, ck := range r.Accounting {
				if !ck.Exact || ck.Want.Min != ck.Want.Max {
					t.Errorf("%+v, want a single number", ck)
				}
			}
			mustBeLimited(t, r, record.LimitConnections, true, false)
		})
	}
}

// mustSeeAlike compares the last census of the timeline with /proc, for states that stay.
func (f *finding) mustSeeAlike(t *testing.T) {
	t.Helper()
	last := &f.Run.Timeline[len(f.Run.Timeline)-1]
	all := make(map[string]int)
	for _, side := range []map[string]int{last.Client, last.Server} {
		for state, n := range side {
			if state != "LISTEN" {
				all[state] += n
			}
		}
	}
	seen := make(map[string]int)
	for _, states := range f.Seen[len(f.Seen)-1] {
		for state, n := range states {
			seen[state] += n
		}
	}
	if fmt.Sprint(all) != fmt.Sprint(seen) {
		t.Errorf("the last census has %v, /proc %v", all, seen)
	}
}

// A passive side that never closes leaks CLOSE_WAIT; the other side's orphan waits for the FIN.
func TestCloseWaitLeak(t *testing.T) {
	t.Parallel()
	const n = 1000
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		f := carryOut(t, "user", trial{Plan: counted(t, n, "client:fin", "never", "echo:1,1"), Interval: 100 * time.Millisecond})
		r := f.Run
		if r.Outcomes["fin"] != n {
			t.Errorf("outcomes %v, want fin for all", r.Outcomes)
		}
		final := r.States.Final
		if final["server"]["CLOSE_WAIT"] != n {
			t.Errorf("at the end: %v, want %d in CLOSE_WAIT at the server", final, n)
		}
		if got := final["client"]["FIN_WAIT_2"]; got != n || r.TimeWait.FinWait2MiniPeak == 0 || r.TimeWait.FinWait2MiniPeak > n {
			t.Errorf("at the end: %v, want %d in FIN_WAIT_2 at the client; minisockets %d", final, n, r.TimeWait.FinWait2MiniPeak)
		}
		if r.Server.Open != n {
			t.Errorf("the server has %d open, want %d", r.Server.Open, n)
		}
		if ck := f.check(t, teardown.CounterTimeWaits); !ck.OK || !ck.Exact || ck.Got < n*9/10 {
			t.Errorf("%+v, want about %d", ck, n)
		}
	})
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		f := carryOut(t, "user", trial{
			Spec: sandbox.Spec{Topology: sandbox.Veth},
			Plan: lasting(t, time.Second, "server:fin", "never", "echo:1,1"), Interval: 100 * time.Millisecond, Watch: true,
		})
		r := f.Run
		if r.Outcomes["held"] != 64 || r.Connections.Attempted != 64 {
			t.Errorf("outcomes %v, want 64 held: each slot keeps its socket", r.Outcomes)
		}
		if final := r.States.Final; final["client"]["CLOSE_WAIT"] != 64 || final["server"]["FIN_WAIT_2"] != 64 {
			t.Errorf("at the end: %v", final)
		}
		f.mustSeeAlike(t)
	})
}

// The passive side dwells in CLOSE_WAIT, and then all goes its way.
func TestCloseWaitDwell(t *testing.T) {
	t.Parallel()
	for closes, side := range map[string]string{"client:fin": "server", "server:fin": "client", "client:half": "server"} {
		t.Run(closes, func(t *testing.T) {
			t.Parallel()
			const n = 300
			f := carryOut(t, "user", trial{Plan: counted(t, n, closes, "delay=200ms", "echo:1,1"), Interval: 20 * time.Millisecond})
			r := f.Run
			if r.Connections.Completed != n || !r.Settle.Done {
				t.Errorf("completed %d, settled %v", r.Connections.Completed, r.Settle.Done)
			}
			if peak := r.States.Peak[side]["CLOSE_WAIT"]; peak < 32 {
				t.Errorf("at most %d in CLOSE_WAIT at the %s, want most of the 64 that are open at once", peak, side)
			}
			if final := r.States.Final; final["client"]["CLOSE_WAIT"]+final["server"]["CLOSE_WAIT"] != 0 {
				t.Errorf("at the end: %v", final)
			}
			if ck := f.check(t, teardown.CounterTimeWaits); ck.Got != n || !ck.Exact {
				t.Errorf("%+v, want %d", ck, n)
			}
			if l, ok := r.Latency["close"]; closes == "client:half" && (!ok || l.MinUs < 200e3) {
				t.Errorf("close took %v µs at least, want the 200 ms of the dwell", l.MinUs)
			}
			f.mustCountAlike(t)
		})
	}
}

// A dwell that is longer than the counters usually take to settle.
func TestLongDwellSettles(t *testing.T) {
	t.Parallel()
	f := carryOut(t, "user", trial{Plan: counted(t, 50, "client:fin", "delay=3500ms", "none")})
	if !f.Run.Settle.Done {
		t.Errorf("%+v after a dwell of 3.5 s", f.Run.Settle)
	}
	for _, ck := range f.Run.Accounting {
		if !ck.Exact {
			t.Errorf("%s is not exact: %s", ck.Name, ck.Note)
		}
	}
}

// A peer that answers the FIN with an RST.
func TestResetOnEOF(t *testing.T) {
	t.Parallel()
	for closes, outcome := range map[string]string{"client:fin": "fin", "client:half": "rst_received", "server:fin": "rst_sent"} {
		t.Run(closes, func(t *testing.T) {
			t.Parallel()
			const n = 1000
			f := carryOut(t, "user", trial{Plan: counted(t, n, closes, "rst", "echo:1,1")})
			r := f.Run
			if r.Connections.Completed != n || r.Outcomes[outcome] != n {
				t.Errorf("completed %d, outcomes %v, want %s", r.Connections.Completed, r.Outcomes, outcome)
			}
			if got := f.grown("TcpExtTCPAbortOnData"); got != n {
				t.Errorf("TCPAbortOnData %d, want %d", got, n)
			}
			for _, states := range f.Left {
				if len(states) > 0 {
					t.Errorf("%v left", states)
				}
			}
			f.mustCountAlike(t)
		})
	}
}

func TestLinger(t *testing.T) {
	t.Parallel()
	for _, closes := range []string{"client:linger=1s", "server:linger=1s"} {
		t.Run(closes, func(t *testing.T) {
			t.Parallel()
			const n = 500
			f := carryOut(t, "user", trial{Plan: counted(t, n, closes, "close", "echo:1,1")})
			if r := f.Run; r.Connections.Completed != n || r.Outcomes["fin"] != n {
				t.Errorf("completed %d, outcomes %v", r.Connections.Completed, r.Outcomes)
			}
			if got := f.grown("TcpExtTW", "TcpExtTWKilled"); got != n {
				t.Errorf("%d TIME_WAITs, want %d", got, n)
			}
			f.mustCountAlike(t)
		})
	}
}

// Lost packets cost time, not connections. Loads beside it would fill the CPUs, which are named first.
func TestLoss(t *testing.T) {
	for _, closes := range []string{"client:fin", "server:rst", "both:fin"} {
		t.Run(closes, func(t *testing.T) {
			t.Parallel()
			tr := trial{
				Spec: sandbox.Spec{Topology: sandbox.Veth, Loss: 0.01},
				Plan: lasting(t, 2*time.Second, closes, "close", "echo:1,1"),
			}
			g := &tr.Plan.Groups[0]
			// Nobody sends a lost RST again.
			g.ConnectTimeout, g.RequestTimeout, g.CloseTimeout = 2*time.Second, 2*time.Second, 2*time.Second
			f := carryOut(t, "user", tr)
			r := f.Run
			if r.Sandbox.Loss != "1%" {
				t.Errorf("the record says loss %q", r.Sandbox.Loss)
			}
			if again := f.grown("TcpRetransSegs"); again == 0 || r.Counters["TcpRetransSegs"] == 0 || r.Counters["TcpRetransSegs"] > again {
				t.Errorf("%d segments sent again, the record has %d", again, r.Counters["TcpRetransSegs"])
			}
			mustBeLimited(t, r, record.LimitNetwork, true, true)
			mustSay(t, "the reasons", r.Verdict.Reasons, "--loss 1%", "retransmitted")
		})
	}
}

// An interrupt in mid-run: what was measured until then, accounted for to the end.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ closes, exch string }{{"client:fin", "none"}, {"server:fin", "echo:1,1"}, {"client:rst", "none"}} {
		t.Run(tt.closes, func(t *testing.T) {
			t.Parallel()
			f := carryOut(t, "user", trial{
				Plan:     lasting(t, time.Minute, tt.closes, "close", tt.exch),
				Interval: 20 * time.Millisecond, InterruptAt: 500, Settle: time.Minute,
			})
			r := f.Run
			if !r.Interrupted || r.Verdict.LimitedBy != record.LimitInterrupted || r.ElapsedS >= 60 {
				t.Errorf("interrupted %v after %v s, verdict %+v", r.Interrupted, r.ElapsedS, r.Verdict)
			}
			c := r.Connections
			if c.Unfinished != r.Outcomes["interrupted"] || c.Unfinished == 0 || c.Unfinished > 64 {
				t.Errorf("%+v, outcomes %v, want what was in flight interrupted", c, r.Outcomes)
			}
			if c.Completed == 0 || c.Failed != 0 {
				t.Errorf("%+v, outcomes %v", c, r.Outcomes)
			}
			if len(r.Warnings) > 0 {
				t.Errorf("warnings %q", r.Warnings)
			}
			if r.Settle == nil || r.Settle.ElapsedS > 30 {
				t.Errorf("settle %+v, want it short after an interrupt", r.Settle)
			}
			mustSay(t, "the reasons", r.Verdict.Reasons, "stopped by a signal after")
		})
	}
}

// An interrupt shortens the run, not what was asked for.
func TestInterruptedOpenLoop(t *testing.T) {
	t.Parallel()
	tr := trial{Plan: lasting(t, time.Minute, "client:rst", "close", "none"), Interval: 20 * time.Millisecond, InterruptAt: 100}
	g := &tr.Plan.Groups[0]
	g.Connections, g.RateFrom, g.RateTo = 0, 1000, 1000
	f := carryOut(t, "user", tr)
	if c := f.Run.Connections; !f.Run.Interrupted || c.Scheduled != 60_000 || c.Attempted < 100 || c.Attempted == c.Scheduled || f.Run.Rate.TargetPerS != 1000 {
		t.Errorf("interrupted %v, target %v/s, %+v", f.Run.Interrupted, f.Run.Rate.TargetPerS, c)
	}
}

// The kernel counts the warm-up too; the result does not.
func TestWarmup(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, 1000} {
		t.Run(fmt.Sprint("rate=", rate), func(t *testing.T) {
			t.Parallel()
			tr := trial{Plan: lasting(t, time.Second, "client:rst", "close", "echo:1,1"), Interval: 100 * time.Millisecond}
			tr.Plan.Warmup = 500 * time.Millisecond
			g := &tr.Plan.Groups[0]
			g.RateFrom, g.RateTo = rate, rate
			g.Connections = 2 // leaves CPU to who watches it
			if rate > 0 {
				g.Connections = 0
			}
			f := carryOut(t, "user", tr)
			r := f.Run
			if r.Warmup == nil || r.Warmup.Attempted == 0 || r.Warmup.Completed != r.Warmup.Attempted {
				t.Fatalf("warm-up %+v", r.Warmup)
			}
			all := r.Warmup.Attempted + r.Connections.Attempted
			if f.grown("TcpActiveOpens") != all || f.grown("TcpExtTCPAbortOnData") != all {
				t.Errorf("warm-up %d + measured %d, ActiveOpens %d, TCPAbortOnData %d", r.Warmup.Attempted, r.Connections.Attempted, f.grown("TcpActiveOpens"), f.grown("TcpExtTCPAbortOnData"))
			}
			if rate > 0 && (r.Warmup.Attempted != 500 || r.Connections.Scheduled != 1000) {
				t.Errorf("warm-up %d, scheduled %d, want 500 and 1,000", r.Warmup.Attempted, r.Connections.Scheduled)
			}
			if rate > 0 {
				mustStartAll(t, r)
			}
			if r.ElapsedS < 0.9 || r.ElapsedS > r.Timeline[len(r.Timeline)-1].TS-0.4 {
				t.Errorf("measured %v s, want the 1 s after the warm-up", r.ElapsedS)
			}
			if r.Timeline[0].Phase != "warmup" || r.Timeline[len(r.Timeline)-1].Phase == "warmup" {
				t.Errorf("phases from %q to %q", r.Timeline[0].Phase, r.Timeline[len(r.Timeline)-1].Phase)
			}
			f.mustCountAlike(t)
		})
	}
}

// --settle watches the teardown drain, and ends when nothing is left.
func TestSettle(t *testing.T) {
	t.Parallel()
	settle := func(t *testing.T, closes, onEOF string, d time.Duration, s ...string) *record.Run {
		t.Helper()
		t.Parallel()
		f := carryOut(t, "user", trial{
			Spec: sandbox.Spec{Sysctls: sysctls(t, s...)}, Plan: counted(t, 300, closes, onEOF, "none"),
			Interval: 50 * time.Millisecond, Settle: d,
		})
		return f.Run
	}
	phases := func(r *record.Run) (n int) {
		for i := range r.Timeline {
			if r.Timeline[i].Phase == "settle" {
				n++
			}
		}
		return n
	}
	t.Run("for a while", func(t *testing.T) {
		r := settle(t, "client:fin", "close", 500*time.Millisecond)
		if s := r.Settle; !s.Done || s.Quiet || s.ElapsedS < 0.5 || s.GoneAfterS != 0 {
			t.Errorf("%+v, want it watched for 500 ms", s)
		}
		if phases(r) < 3 || r.States.Final["client"]["TIME_WAIT"] == 0 {
			t.Errorf("%d intervals of settling, at the end %v", phases(r), r.States.Final)
		}
		if left := r.TimeWait.LongestLeftS; left < 30 || left > 60 {
			t.Errorf("the youngest TIME_WAIT has %v s left", left)
		}
		aged := 0
		for _, n := range r.TimeWait.Ages["client"] {
			aged += n
		}
		if n := r.States.Final["client"]["TIME_WAIT"]; aged != n {
			t.Errorf("ages %v of %d", r.TimeWait.Ages, n)
		}
	})
	t.Run("nothing left by RST", func(t *testing.T) {
		r := settle(t, "client:rst", "close", time.Minute)
		if s := r.Settle; !s.Done || !s.Quiet || s.GoneAfterS != s.ElapsedS || s.ElapsedS > 30 {
			t.Errorf("%+v, want all gone at once", s)
		}
	})
	t.Run("orphans given up", func(t *testing.T) {
		r := settle(t, "client:fin", "delay=3s", time.Minute, "net.ipv4.tcp_fin_timeout=1")
		if s := r.Settle; !s.Done || !s.Quiet || s.GoneAfterS < 2 || s.GoneAfterS > 50 {
			t.Errorf("%+v, want all gone after the 3 s of the delay", s)
		}
		if phases(r) < 3 || r.TimeWait.FinWait2MiniPeak == 0 || r.TimeWait.Peak != 0 {
			t.Errorf("%d intervals of settling, %+v", phases(r), r.TimeWait)
		}
	})
}

// An open loop's arrivals are exactly as many as its schedule has.
func TestOpenLoopStartsWhatIsScheduled(t *testing.T) {
	t.Parallel()
	const n = 6000
	tr := trial{Plan: lasting(t, 3*time.Second, "client:fin", "close", "echo:1,1")}
	g := &tr.Plan.Groups[0]
	g.Connections, g.RateFrom, g.RateTo = 0, 2000, 2000
	f := carryOut(t, "user", tr)
	r := f.Run
	c := r.Connections
	if c.Scheduled != n || c.Completed != c.Attempted || f.grown("TcpActiveOpens") != c.Attempted {
		t.Errorf("scheduled %d, attempted %d, completed %d, ActiveOpens %d, want %d each; outcomes %v", c.Scheduled, c.Attempted, c.Completed, f.grown("TcpActiveOpens"), n, r.Outcomes)
	}
	mustStartAll(t, r)
	if r.Rate.TargetPerS != 2000 {
		t.Errorf("the record's target is %v/s", r.Rate.TargetPerS)
	}
	if l := r.Latency["lag"]; l.Count != c.Attempted {
		t.Errorf("%d samples of lag, want %d", l.Count, c.Attempted)
	}
	f.mustCountAlike(t)
}

func TestIPv6(t *testing.T) {
	t.Parallel()
	for _, topology := range []sandbox.Topology{sandbox.Lo, sandbox.Veth} {
		t.Run(string(topology), func(t *testing.T) {
			t.Parallel()
			const n = 500
			f := carryOut(t, "user", trial{Spec: keepsTimeWaits(t, topology), Plan: counted(t, n, "client:fin", "close", "echo:1,1"), V6: true})
			if f.Run.Connections.Completed != n || f.grown("TcpExtTW") != n {
				t.Errorf("completed %d, TW %d, want %d", f.Run.Connections.Completed, f.grown("TcpExtTW"), n)
			}
			if got := f.left(sockstate.Client, "TIME_WAIT"); topology == sandbox.Veth && f.Run.States.Final["client"]["TIME_WAIT"] != got {
				t.Errorf("the record has %v at the end, /proc %d TIME_WAITs", f.Run.States.Final, got)
			}
			f.mustCountAlike(t)
		})
	}
}

// keepsTimeWaits is a sandbox in which no late RST kills a TIME_WAIT (RFC 1337), so that what the
// record saw is still there when the test looks.
func keepsTimeWaits(t *testing.T, topology sandbox.Topology) sandbox.Spec {
	return sandbox.Spec{Topology: topology, Sysctls: sysctls(t, "net.ipv4.tcp_rfc1337=1")}
}

// Both censuses see the same.
func TestCensusByProc(t *testing.T) {
	t.Parallel()
	const n = 500
	f := carryOut(t, "user", trial{Spec: keepsTimeWaits(t, sandbox.Veth), Plan: counted(t, n, "client:fin", "close", "none"), Census: "proc"})
	if r := f.Run; r.States.Source != "proc" || r.States.Final["client"]["TIME_WAIT"] != f.left(sockstate.Client, "TIME_WAIT") || !r.Settle.Done {
		t.Errorf("source %q, at the end %v, settle %+v; /proc has %v", r.States.Source, r.States.Final, r.Settle, f.Left)
	}
}

// What the process of --server-pid takes stands beside what this one takes: here they are the same.
func TestServerProcess(t *testing.T) {
	t.Parallel()
	f := carryOut(t, "user", trial{Plan: counted(t, 100, "client:rst", "close", "none"), OwnPID: true})
	fds, mem := f.Run.Pressure.Fds, f.Run.Pressure.Memory
	if fds.ServerPeak < fds.Peak/2 || mem.ServerRSSPeakBytes < 1<<20 || mem.ServerRSSPeakBytes > mem.RSSPeakBytes*5/4 {
		t.Errorf("descriptors %+v, memory %+v", fds, mem)
	}
}
