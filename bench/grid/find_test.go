package grid

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/sockstate"
)

// fakeHost bears so many connections/s, and has a client's local ports, which come back from TIME_WAIT as the kernel gives them back.
type fakeHost struct {
	bears float64
	// holds is set if TIME_WAIT holds the ports.
	holds bool
	// noise counts loads until one is late for no reason.
	noise int
	// busy is set if every load that fails in nothing is late.
	busy  bool
	loads int
}

func (f *fakeHost) load(_ context.Context, s setup.Setup) measured {
	r := result(&s)
	rate := s.Plan.Groups[0].RateTo
	f.loads++
	r.Latency = map[string]record.Latency{"lag": {Count: 1, P99Us: 100}, "connect": {Count: 1, P99Us: rate}}
	if rate > f.bears || f.loads == f.noise {
		r.Latency["lag"] = record.Latency{P99Us: 20_000}
		r.Rate.CompletedPerS = min(f.bears, rate)
		r.Verdict = record.Verdict{LimitedBy: record.LimitCPU}
	}
	if f.holds {
		p := &ports{free: s.Needs.PortsEach * max(s.Needs.SourceAddresses, 1), turn: 2.048, phase: 1}
		timeline, failed := p.drive(rate, s.Plan.Duration.Seconds(), s.Interval.Seconds())
		r.Timeline = timeline
		if failed > 0 {
			r.Connections.Failed, r.Connections.Completed = failed, r.Connections.Attempted-failed
			r.Outcomes = map[string]int64{sockstate.OutcomeNoLocalPort.String(): failed}
			r.Verdict = record.Verdict{LimitedBy: record.LimitPorts}
			r.Rate.CompletedPerS = float64(r.Connections.Completed) / r.LoadS
		}
	}
	if f.busy && r.Connections.Failed == 0 {
		r.Latency["lag"] = record.Latency{P99Us: 20_000}
		r.Verdict = record.Verdict{LimitedBy: record.LimitCPU}
	}
	return measured{run: r}
}

func searched(t *testing.T, f *fakeHost, change func(*Spec), vary ...string) (*record.FoundRate, *Setup) {
	t.Helper()
	s := testSpec(t, vary...)
	s.Find = record.FindRate
	if change != nil {
		change(&s)
	}
	r := resolved(t, s)
	x := newRunner(r, nil)
	x.load = f.load
	tries := 0
	run := x.find(t.Context(), record.SweepRun{}, nil, func(record.FindTry, record.SweepPart) { tries++ }).Run
	if run.Error != "" {
		t.Fatal(run.Error)
	}
	found := run.Found
	if tries != len(found.Tries) || tries != f.loads || run.Values == nil {
		t.Errorf("%d tries are seen, %d recorded, %d made", tries, len(found.Tries), f.loads)
	}
	if found.LoPerS > found.PerS || found.PerS > found.HiPerS {
		t.Errorf("%v is not from %v to %v", found.PerS, found.LoPerS, found.HiPerS)
	}
	return found, r
}

// A bisection ends within 5 % below what the host bears, whatever that is, also if a load was late for no reason.
func TestBisect(t *testing.T) {
	for _, bears := range []float64{3, 80, 1500, 2000, 2001, 12_345, 38_000, 400_000} {
		for noise := range 5 {
			f, _ := searched(t, &fakeHost{bears: bears, noise: noise}, nil, "close=client:rst,server:fin")
			if f.PerS > bears || f.PerS < bears/fineness*0.99 || f.HiPerS < bears || f.LimitedBy != record.LimitCPU {
				t.Errorf("%v/s, noise in %d: found %v, %v to %v by %s", bears, noise, f.PerS, f.LoPerS, f.HiPerS, f.LimitedBy)
			}
			if len(f.Tries) > 18 {
				t.Errorf("%v/s: %d loads", bears, len(f.Tries))
			}
			last := f.Tries[len(f.Tries)-1]
			if !last.Sustained || last.OfferedPerS != f.LoPerS {
				t.Errorf("%v/s: the last load is %+v", bears, last)
			}
		}
	}
	if f, _ := searched(t, &fakeHost{bears: 0}, nil, "close=client:rst,server:fin"); f.PerS != 0 || len(f.Tries) > 40 {
		t.Errorf("nothing is borne: %+v", f)
	}
}

// A load that is late because of other programs is sustained, unless connections pile up or the load itself was busy.
func TestOthersBusy(t *testing.T) {
	for _, tt := range []struct {
		busiest, completed float64
		sustained          bool
	}{{0.1, 100, true}, {0.9, 100, false}, {0.1, 80, false}} {
		r := &record.Run{LoadS: 10, Plan: record.Plan{Groups: make([]record.Group, 1)}}
		r.Connections = record.Connections{Scheduled: 1000, Attempted: 1000, Completed: 1000}
		r.Rate = record.Rate{CompletedPerS: tt.completed, TargetPerS: 100}
		r.Latency = map[string]record.Latency{"lag": {Count: 1, P99Us: 20_000}}
		r.Pressure.CPU = record.CPU{ElapsedS: 10, GeneratorBusiest: tt.busiest}
		if reason := new(Goal).misses(r); (reason == "") != tt.sustained {
			t.Errorf("%+v: %q", tt, reason)
		}
	}
}

// A bound on a latency ends it earlier.
func TestBisectWithBound(t *testing.T) {
	b, err := metric.ParseThreshold(record.KindRun, "connect.p99<5ms")
	if err != nil {
		t.Fatal(err)
	}
	f, _ := searched(t, &fakeHost{bears: 100_000}, func(s *Spec) { s.Goal.Bounds = []metric.Threshold{b} }, "close=client:rst,server:fin")
	if f.PerS >= 5000 || f.PerS < 5000/fineness*0.99 || f.LimitedBy != record.LimitUnknown {
		t.Errorf("found %v by %s", f.PerS, f.LimitedBy)
	}
	missed := ""
	for _, try := range f.Tries {
		if !try.Sustained {
			missed = try.Reason
		}
	}
	if !strings.Contains(missed, "connect.p99<5ms is missed") {
		t.Error(missed)
	}
}

// Where TIME_WAIT holds the ports the rate is ports / 61.02 s, narrowed or not, linear in addresses and in ports.
func TestFindTurnover(t *testing.T) {
	for _, tt := range []struct {
		vary  string
		scale float64
		ports float64
	}{
		{"tcp_tw_reuse=0,1", 0, 28_232},
		{"tcp_tw_reuse=0,1", ScaleAuto, 28_232},
		{"tcp_tw_reuse=0,1", 0.1, 28_232},
		{"tcp_tw_reuse=2,1", ScaleAuto, 28_232}, // across a veth pair
		{"sources=2,1", ScaleAuto, 2 * 28_232},
		{"sources=4,1", ScaleAuto, 4 * 28_232},
		{"ip_local_port_range=1024-65535,32768-60999", ScaleAuto, 64_512},
		{"ip_local_port_range=20000-20499,32768-60999", ScaleAuto, 500},
		{"source-ports=20000-21999,20000-23999", ScaleAuto, 2000},
	} {
		f, r := searched(t, &fakeHost{bears: math.Inf(1), holds: true}, func(s *Spec) { s.Scale = tt.scale }, tt.vary)
		want := tt.ports / 61.02
		if math.Abs(f.PerS/want-1) > 0.01 || f.LimitedBy != record.LimitPorts {
			t.Errorf("%s, scale %v: found %.2f/s by %s, want %.2f/s", tt.vary, tt.scale, f.PerS, f.LimitedBy, want)
		}
		if f.LoPerS < want*0.97 || f.HiPerS > want*1.03 || len(f.Tries) != 2 {
			t.Errorf("%s: %v to %v in %d loads", tt.vary, f.LoPerS, f.HiPerS, len(f.Tries))
		}
		if narrowed := r.Scale != 0; narrowed != (tt.scale != 0) && tt.ports > 2000 || narrowed != (f.Scale != 0) {
			t.Errorf("%s, scale %v: the sweep has %v, the cell %v", tt.vary, tt.scale, r.Scale, f.Scale)
		}
		if c := r.Costs[0]; tt.scale == ScaleAuto && (c.Alone || c.Took < 2*time.Minute || c.Took > 5*time.Minute) {
			t.Errorf("%s: costs %+v", tt.vary, c)
		}
	}
}

// searchedBy searches the first cell with loads of load.
func searchedBy(t *testing.T, load func(context.Context, setup.Setup) measured, change func(*Spec)) *record.SweepRun {
	t.Helper()
	s := testSpec(t, "tcp_tw_reuse=0,1")
	s.Find = record.FindRate
	change(&s)
	x := newRunner(resolved(t, s), nil)
	x.load = load
	return x.find(t.Context(), record.SweepRun{}, nil, func(record.FindTry, record.SweepPart) {}).Run
}

// blind hides how fast ports come back.
func (f *fakeHost) blind(ctx context.Context, s setup.Setup) measured {
	m := f.load(ctx, s)
	m.run.Timeline = m.run.Timeline[:len(m.run.Timeline)/2]
	return m
}

// If a load does not show how fast ports come back, the rate is the one that is confirmed. If none is confirmed there is no rate, above all not 0:
// that would be a difference to other cells.
func TestFindNoTurnover(t *testing.T) {
	f := &fakeHost{bears: math.Inf(1), holds: true}
	run := searchedBy(t, f.blind, func(*Spec) {})
	if want := 28_232 / 62.05 * justBelow; run.Error != "" || f.loads != 3 || math.Abs(run.Found.PerS/want-1) > 0.001 || run.Found.LoPerS != run.Found.PerS || math.Abs(run.Found.HiPerS-28_232./60) > 0.1 {
		t.Errorf("%d loads: found %+v, error %q", f.loads, run.Found, run.Error)
	}
	f = &fakeHost{bears: math.Inf(1), holds: true}
	run = searchedBy(t, f.blind, func(s *Spec) { s.Unconfirmed = true })
	if run.Found.PerS != 0 || !strings.HasPrefix(run.Error, "no rate was found: ") || f.loads != 1 || len(run.Found.Tries) != 1 {
		t.Errorf("unconfirmed, %d loads: found %+v, error %q", f.loads, run.Found, run.Error)
	}
}

// What ports bear is sustained only if a load below it meets the goal, on time, with as many ports as there are: fewer take less time to search.
func TestFindTurnoverConfirmed(t *testing.T) {
	bounded := func(bound string) func(*Spec) {
		return func(s *Spec) {
			b, err := metric.ParseThreshold(record.KindRun, bound)
			if err != nil {
				t.Fatal(err)
			}
			s.Goal.Bounds, s.Scale = []metric.Threshold{b}, ScaleAuto
		}
	}
	const borne = 28_232 / 62.05 * justBelow
	for _, tt := range []struct {
		name   string
		host   fakeHost
		change func(*Spec)
		lo     float64
		loads  int
		want   string // the error
	}{
		{"met", fakeHost{}, bounded("connect.p99<500us"), borne, 2, ""},
		{"met by less", fakeHost{}, bounded("connect.p99<445us"), borne * lower, 3, ""},
		{"missed", fakeHost{}, bounded("connect.p99<300us"), 0, 1 + confirms, "no rate was found: connect.p99<300us is missed: it is 4"},
		{"late once", fakeHost{noise: 2}, func(*Spec) {}, borne, 3, ""},
		{"late always", fakeHost{busy: true}, func(*Spec) {}, 0, 1 + 2*confirms, "no rate was found: arrivals were late: lag p99 20.0 ms"},
	} {
		f := tt.host
		f.bears, f.holds = math.Inf(1), true
		run := searchedBy(t, f.load, tt.change)
		got := run.Found
		if math.Abs(got.LoPerS-tt.lo) > 0.001*borne || got.Scale != 0 || f.loads != tt.loads || !strings.HasPrefix(run.Error, tt.want) || (run.Error != "") != (tt.want != "") {
			t.Errorf("%s: %d loads, found %+v, error %q", tt.name, f.loads, got, run.Error)
		}
		if len(got.Tries) != f.loads {
			t.Errorf("%s: %d tries of %d loads", tt.name, len(got.Tries), f.loads)
		}
		if bounds := tt.host == (fakeHost{}); tt.lo > 0 && (got.PerS > got.LoPerS) == bounds {
			t.Errorf("%s: found %v, and %v met the goal", tt.name, got.PerS, got.LoPerS)
		}
	}
}

// With ports for more than the CPUs bear, it is the CPUs that are measured, with all ports.
func TestPortsForMore(t *testing.T) {
	f, _ := searched(t, &fakeHost{bears: 6000, holds: true}, func(s *Spec) { s.Scale = ScaleAuto }, "sources=64,1")
	if f.PerS > 6000 || f.PerS < 6000/fineness*0.99 || f.LimitedBy != record.LimitCPU || f.Scale != 0 {
		t.Errorf("found %v by %s, scale %v", f.PerS, f.LimitedBy, f.Scale)
	}
}

// Ports that come back after a second, or at once, are no matter of minutes.
func TestPattern(t *testing.T) {
	for vary, want := range map[string]sockstate.Span{
		"tcp_tw_reuse=1,0":                       {Min: time.Second, Max: time.Second},
		"tcp_tw_reuse=2,0":                       {Min: time.Minute, Max: 62048 * time.Millisecond},
		"topology=lo,veth":                       {Min: time.Second, Max: time.Second},
		"net.ipv4.tcp_timestamps=0,1":            {Min: time.Minute, Max: 62048 * time.Millisecond},
		"net.ipv4.tcp_tw_reuse_delay=100,200":    {Min: time.Minute, Max: 62048 * time.Millisecond},
		"close=client:rst,client:fin":            {},
		"close=server:fin,client:fin":            {},
		"on-eof=never,close":                     {Min: time.Minute, Max: 62048 * time.Millisecond},
		"on-eof=never,close tcp_fin_timeout=8,5": {Min: 8 * time.Second, Max: 8256 * time.Millisecond},
		"hold=5s,1s":                             {Min: 65 * time.Second, Max: 67048 * time.Millisecond},
	} {
		s := testSpec(t)
		sysctls := append([]string{"net.ipv4.tcp_timestamps", "net.ipv4.tcp_tw_reuse_delay", "net.ipv4.tcp_fin_timeout"}, testSysctls...)
		for _, v := range strings.Fields(vary) {
			f, err := ParseFactor(v, sysctls)
			if err != nil {
				t.Fatal(err)
			}
			s.Factors = append(s.Factors, f)
		}
		s.Find = record.FindRate
		facts := testFacts()
		facts.Sysctls = append(facts.Sysctls, sysctls...)
		r, err := Resolve(s, facts)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Cells[0].keeps; got != want {
			t.Errorf("%s: a connection keeps its port for %v, want %v", vary, got, want)
		}
	}
}

// Narrowed, ports and room for TIME_WAITs are the same part of the whole.
func TestNarrow(t *testing.T) {
	s := testSpec(t, "tcp_tw_reuse=0,1")
	s.Find, s.Scale = record.FindRate, 0.1
	c := &resolved(t, s).Cells[0]
	if c.ports != 2823 || math.Abs(c.narrowed-0.1) > 1e-4 {
		t.Errorf("%d ports, %v", c.ports, c.narrowed)
	}
	values := map[string]string{}
	for _, v := range c.spec.Sandbox.Sysctls {
		values[v.Key] = v.Value
	}
	if values[portRange] != "32768 35590" || values[bucketsKey] != "13106" {
		t.Errorf("%v", values)
	}
	if len(c.Setup.Sandbox.Sysctls) != 1 {
		t.Errorf("the cell's own sysctls are %v", c.Setup.Sandbox.Sysctls)
	}
}

// A search that is interrupted after any number of its loads goes on from there: no load is repeated, and it finds what it would have found.
func TestResumeSearch(t *testing.T) {
	for name, host := range map[string]fakeHost{
		"bisection": {bears: 12_345, noise: 3},
		"turnover":  {bears: math.Inf(1), holds: true},
	} {
		vary := map[string]string{"bisection": "close=client:rst,server:fin", "turnover": "tcp_tw_reuse=0,1"}[name]
		whole := host
		want, _ := searched(t, &whole, nil, vary)
		for after := range len(want.Tries) {
			s := testSpec(t, vary)
			s.Find, s.Blocks = record.FindRate, 1
			r := resolved(t, s)
			ctx, cancel := context.WithCancel(t.Context())
			f := host
			x := newRunner(r, func(Progress) {})
			first := r.Order[0]
			var journal strings.Builder
			keep := func(r *Setup, p record.SweepPart) {
				if journal.Len() == 0 {
					b, err := record.Marshal(r.Begun(), "")
					if err != nil {
						t.Fatal(err)
					}
					journal.Write(b)
				}
				b, err := record.MarshalPart(p)
				if err != nil {
					t.Fatal(err)
				}
				journal.Write(b)
			}
			x.see = func(p Progress) {
				if p.Tried != nil {
					keep(r, p.Part)
				}
			}
			n := 0
			x.load = func(ctx context.Context, s setup.Setup) measured {
				if n++; n > after {
					cancel()
					return measured{err: ctx.Err()}
				}
				return f.load(ctx, s)
			}
			runs := x.all(ctx)
			cancel()
			saved := x.assemble(runs)
			if len(saved.Sweep.Runs) != 0 || len(saved.Sweep.Unfinished) != min(after, 1) {
				t.Fatalf("%s after %d loads: %d runs, %d unfinished", name, after, len(saved.Sweep.Runs), len(saved.Sweep.Unfinished))
			}
			if after == 0 {
				continue
			}
			b, err := record.Marshal(saved, "")
			if err != nil {
				t.Fatal(err)
			}
			for of, read := range map[string]func() (*record.Run, error){
				"record": func() (*record.Run, error) { return record.Read(strings.NewReader(string(b))) },
				"journal": func() (*record.Run, error) {
					return record.ReadJournal(strings.NewReader(journal.String() + `{"run":`))
				},
			} {
				old, err := read()
				if err != nil {
					t.Fatal(err)
				}
				again := resolved(t, s)
				if err := again.CheckResume(old); err != nil {
					t.Fatal(err)
				}
				x := newRunner(again, nil)
				rest := f
				x.load = rest.load
				before := x.before(first)
				if before == nil || len(x.unfinished) != 0 {
					t.Fatalf("%s, %s: nothing is known of the search", name, of)
				}
				run := x.find(t.Context(), record.SweepRun{Cell: first.Cell, Block: first.Block, Position: first.Position, Twin: first.Twin}, before, func(record.FindTry, record.SweepPart) {}).Run
				if run == nil || run.Error != "" || slotOf(run) != first || run.Values == nil {
					t.Fatalf("%s, %s: %+v", name, of, run)
				}
				if d := cmp.Diff(want, run.Found); d != "" || rest.loads != whole.loads {
					t.Errorf("%s, %s after %d loads: %d loads in all, want %d\n%s", name, of, after, rest.loads, whole.loads, d)
				}
			}
		}
	}
}
