package compare

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// runs makes n records, each a second after the one before, and sets what differs.
func runs(n int, from time.Time, set func(i int, r *record.Run)) (list []*record.Run) {
	for i := range n {
		r := &record.Run{
			Kind: record.KindRun, Version: "v1", Started: from.Add(time.Duration(i) * time.Second),
			Plan:  record.Plan{Groups: []record.Group{{Close: "client:fin"}}, Engine: "uring"},
			Hosts: []record.Host{{Kernel: "6.18", Sysctls: map[string]string{"net.ipv4.tcp_tw_reuse": "2"}}},
		}
		r.Verdict.Valid = true
		r.Connections.Attempted, r.Connections.Completed = 100, 100
		if set != nil {
			set(i, r)
		}
		list = append(list, r)
	}
	return list
}

var day = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

func codes(c *Comparison) (list []string) {
	for _, f := range c.Findings {
		list = append(list, f.Code)
	}
	return list
}

// Records of many runs are not compared, by force either.
func TestRefusedKind(t *testing.T) {
	for _, force := range []bool{false, true} {
		_, err := Compare(runs(2, day, nil), runs(2, day, func(_ int, r *record.Run) { r.Kind = record.KindSweep }), Options{NamesB: []string{"b1.json", "b2.json"}, Force: force})
		if err == nil || err.Error() != "b1.json is of a sweep: compare takes records of run and drain" {
			t.Errorf("force %v: %v", force, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		what, code string
		set        func(i int, r *record.Run)
	}{
		{"kinds", codeKinds, func(_ int, r *record.Run) { r.Kind, r.Drain = record.KindDrain, &record.Drain{} }},
		{"close policies", codeClosePolicies, func(_ int, r *record.Run) { r.Plan.Groups[0].Close = "client:rst" }},
		{"close policies", codeClosePolicies, func(i int, r *record.Run) { r.Plan.Groups[0].Close = []string{"client:fin", "never"}[i] }}, // within a side
		{"load models", codeLoadModels, func(_ int, r *record.Run) { r.Plan.Groups[0].RateFrom = 100 }},
		{"load models", codeLoadModels, func(_ int, r *record.Run) { r.Plan.Groups[0].PlateauNs = 1e9 }},
	} {
		a, b := runs(2, day, nil), runs(2, day.Add(time.Minute), tt.set)
		_, err := Compare(a, b, Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "the records are of different "+tt.what+" (") || !strings.HasSuffix(err.Error(), ", or --force") {
			t.Errorf("error %v, want a refusal for %s that names --force", err, tt.what)
		}
		c, err := Compare(a, b, Options{Force: true})
		if err != nil || len(c.Findings) == 0 || c.Findings[0].Code != tt.code {
			t.Errorf("%s: with force: %v, %v", tt.what, codes(c), err)
		}
	}
}

// What one may want to compare is compared, and named as the cause.
func TestEachCause(t *testing.T) {
	for _, tt := range []struct {
		key  string
		a, b func(r *record.Run)
		want string
	}{
		{"hosts.sysctls.net.ipv4.tcp_tw_reuse", nil, func(r *record.Run) { r.Hosts[0].Sysctls["net.ipv4.tcp_tw_reuse"] = "1" }, "2 -> 1"},
		{"hosts.sysctls.net.core.somaxconn", nil, func(r *record.Run) { r.Hosts[0].Sysctls["net.core.somaxconn"] = "128" }, "not set -> 128"},
		{"sandbox.loss", nil, func(r *record.Run) { r.Sandbox.Loss = "1%" }, "not set -> 1%"},
		{"sandbox.topology", func(r *record.Run) { r.Sandbox.Topology = "lo" }, func(r *record.Run) { r.Sandbox.Topology = "veth" }, "lo -> veth"},
		{"hosts.kernel", nil, func(r *record.Run) { r.Hosts[0].Kernel, r.Hosts[0].BootID = "6.12", "after the upgrade" }, "6.18 -> 6.12"},
		{"hosts.cpus", func(r *record.Run) { r.Hosts[0].CPUs = 2 }, func(r *record.Run) { r.Hosts[0].CPUs = 8 }, "2 -> 8"},
		{"plan.engine", nil, func(r *record.Run) { r.Plan.Engine = "epoll" }, "uring -> epoll"},
		{"version", nil, func(r *record.Run) { r.Version = "v2" }, "v1 -> v2"},
		{"verdict", nil, func(r *record.Run) { r.Verdict.LimitedBy = record.LimitPorts }, "valid -> valid, local_ports"},
		{"interrupted", nil, func(r *record.Run) { r.Interrupted = true }, "not set -> yes"},
		{"server.delay", func(r *record.Run) { r.Server = &record.Server{DelayNs: 5e6} }, func(r *record.Run) { r.Server = &record.Server{DelayNs: 5_250_000} }, "5ms -> 5.25ms"},
		{"server.backlog", func(r *record.Run) { r.Server = &record.Server{Backlog: 128} }, func(r *record.Run) { r.Server = &record.Server{Backlog: 4096} }, "128 -> 4096"},
		{"plan.groups.exchange", func(r *record.Run) { r.Plan.Groups[0].Exchange = "none" }, func(r *record.Run) { r.Plan.Groups[0].Exchange = "http:/" }, "none -> http:/"},
		{"plan.groups.rate_from", func(r *record.Run) { r.Plan.Groups[0].RateFrom = 500 }, func(r *record.Run) { r.Plan.Groups[0].RateFrom = 1000 }, "500 -> 1000"},
		{"plan.groups.connections", nil, func(r *record.Run) { r.Plan.Groups[0].Connections = 10 }, "not set -> 10"},
		{"plan.groups.requests", nil, func(r *record.Run) { r.Plan.Groups[0].Requests = 9 }, "not set -> 9"},
		{"plan.groups.hold", nil, func(r *record.Run) { r.Plan.Groups[0].HoldNs = 1e9 }, "not set -> 1s"},
		{"plan.groups.on_eof", func(r *record.Run) { r.Plan.Groups[0].OnEOF = "close" }, func(r *record.Run) { r.Plan.Groups[0].OnEOF = "delay=1s" }, "close -> delay=1s"},
		{"plan.groups", func(r *record.Run) { r.Plan.Groups = []record.Group{{Name: "idle"}, {Name: "arrivals"}} }, func(r *record.Run) {
			r.Plan.Groups = []record.Group{{Name: "idle"}, {Name: "partial", Close: "", Exchange: "http:/"}}
		}, "idle, arrivals -> idle, partial"},
		{"plan.groups[arrivals].connections", func(r *record.Run) {
			r.Plan.Groups = []record.Group{{Name: "idle"}, {Name: "arrivals", Connections: 5}}
		}, func(r *record.Run) {
			r.Plan.Groups = []record.Group{{Name: "idle"}, {Name: "arrivals", Connections: 6}}
		}, "5 -> 6"},
		{"shards", func(r *record.Run) { r.Shards = make([]record.ShardResult, 2) }, func(r *record.Run) { r.Shards = make([]record.ShardResult, 3) }, "2 -> 3"},
		{"hosts", nil, func(r *record.Run) {
			r.Hosts = append(r.Hosts, record.Host{Kernel: "6.18", Sysctls: map[string]string{"net.ipv4.tcp_tw_reuse": "1"}})
		}, "1 -> 2"},
		{"hosts[0].cpus", func(r *record.Run) {
			r.Hosts = []record.Host{{CPUs: 2, NetNS: "net:[1]"}, {CPUs: 2, NetNS: "net:[2]"}}
		}, func(r *record.Run) {
			r.Hosts = []record.Host{{CPUs: 4, NetNS: "net:[3]"}, {CPUs: 2, NetNS: "net:[4]"}}
		}, "2 -> 4"},
		{"drain.stop.signal", func(r *record.Run) {
			r.Kind, r.Drain = record.KindDrain, &record.Drain{Stop: record.DrainStop{Signal: "SIGTERM"}}
		}, func(r *record.Run) {
			r.Kind, r.Drain = record.KindDrain, &record.Drain{Stop: record.DrainStop{Signal: "SIGQUIT"}}
		}, "SIGTERM -> SIGQUIT"},
	} {
		set := func(f func(*record.Run)) func(int, *record.Run) {
			return func(_ int, r *record.Run) {
				if f != nil {
					f(r)
				}
			}
		}
		c, err := Compare(runs(2, day, set(tt.a)), runs(2, day.Add(time.Millisecond), set(tt.b)), Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.key, err)
			continue
		}
		if len(c.Why) != 1 || c.Why[0].Key != tt.key || Settings(c.Why[0].A)+" -> "+Settings(c.Why[0].B) != tt.want {
			t.Errorf("%s: the causes are %+v, want %s alone", tt.key, c.Why, tt.want)
		}
	}
}

func TestCauses(t *testing.T) {
	a := runs(3, day, nil)
	b := runs(3, day.Add(time.Minute), func(i int, r *record.Run) {
		r.Plan.Engine, r.Hosts[0].Kernel, r.Version = "epoll", "6.12", "v2"
		r.Hosts[0].Sysctls["net.ipv4.tcp_tw_reuse"], r.Sandbox.Sysctls = "0", map[string]string{"net.ipv4.tcp_tw_reuse": "0"}
		r.Plan.Groups[0].Connections = 500
		r.Verdict = record.Verdict{LimitedBy: record.LimitPorts}
		if i == 2 {
			r.Plan.Groups[0].HoldNs = 1e9
		}
	})
	c, err := Compare(a, b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.Why {
		got = append(got, w.Key+": "+Settings(w.A)+" -> "+Settings(w.B))
	}
	want := []string{
		"plan.groups.connections: not set -> 500",
		"hosts.sysctls.net.ipv4.tcp_tw_reuse: 2 -> 0",
		"plan.engine: uring -> epoll",
		"version: v1 -> v2",
		"hosts.kernel: 6.18 -> 6.12",
		"verdict: valid -> not valid, local_ports",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{codeNotValid, codeMixedSide, codeNotInterleaved}, codes(c)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	if got, want := Sentence(c.Findings[1]), "B's own records differ in plan.groups.hold: not set (2), 1s (1); its spread includes that"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A record counts once, however often it is given.
func TestGivenTwice(t *testing.T) {
	a := runs(2, day, nil)
	c, err := Compare(append(a, a[0]), runs(2, day, nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c.A.Records != 2 || !cmp.Equal(codes(c), []string{codeGivenTwice, codeOnBothSides}) {
		t.Errorf("%d records of A, findings %v", c.A.Records, codes(c))
	}
}

// rowOf compares records of which only failures differ.
func rowOf(t *testing.T, a, b []int64) (Row, *Comparison) {
	t.Helper()
	side := func(values []int64, from time.Time) []*record.Run {
		return runs(len(values), from, func(i int, r *record.Run) { r.Connections.Failed = values[i] })
	}
	c, err := Compare(side(a, day), side(b, day.Add(time.Millisecond)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range c.Rows {
		if r.Metric == "failed_ratio" {
			return r, c
		}
	}
	t.Fatal("there is no row of failed_ratio")
	return Row{}, nil
}

func TestResults(t *testing.T) {
	for _, tt := range []struct {
		a, b        []int64
		row, result string
	}{
		{[]int64{1}, []int64{9}, Single, SpreadUnknown},
		{[]int64{1, 2, 3}, []int64{9}, Single, SpreadUnknown},
		{[]int64{1, 2, 3}, []int64{7, 8, 9}, Undecided, TooFew},
		{[]int64{1, 2, 3, 4, 5}, []int64{6, 7, 8, 9, 10}, Worse, Differs},
		{[]int64{6, 7, 8, 9, 10}, []int64{1, 2, 3, 4, 5}, Better, Differs},
		{[]int64{1, 2, 3, 4, 6}, []int64{5, 7, 8, 9, 10}, Worse, Differs},
		{[]int64{1, 9, 3, 4, 6}, []int64{5, 7, 2, 8, 10}, Noise, NoDifference},
		{[]int64{0, 0, 0, 0, 0}, []int64{0, 0, 0, 0, 0}, Equal, NoDifference},
	} {
		r, c := rowOf(t, tt.a, tt.b)
		if r.Result != tt.row || c.Result != tt.result {
			t.Errorf("%v and %v: row %s, result %s, want %s, %s", tt.a, tt.b, r.Result, c.Result, tt.row, tt.result)
		}
	}
}

// Where replies did not come in time, a smaller percentile of those that came is not called better.
func TestLowerBoundsAreNotBetter(t *testing.T) {
	side := func(from time.Time, us float64, timeouts int64) []*record.Run {
		return runs(6, from, func(i int, r *record.Run) {
			r.Latency = map[string]record.Latency{"lifecycle": {Count: 90, P50Us: us + float64(i), P99Us: us + float64(i), MinUs: 1, MaxUs: us + 10}}
			r.Outcomes = map[string]int64{"request_timeout": timeouts}
		})
	}
	c, err := Compare(side(day, 1000, 0), side(day, 500, 10), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, r := range c.Rows {
		got[r.Metric] = r.Result
	}
	if got["lifecycle.p99"] == Better || got["lifecycle.p50"] != Better {
		t.Errorf("p50 is %s, p99 %s: want better, and not better", got["lifecycle.p50"], got["lifecycle.p99"])
	}
}

func TestShift(t *testing.T) {
	side := func(slower int64) []*record.Run {
		return runs(1, day.Add(time.Duration(slower)), func(_ int, r *record.Run) {
			h := record.NewHistogram()
			for us := range int64(1000) {
				_ = h.RecordValue((us + 1 + slower) * 1000)
			}
			l, err := record.NewLatency(h)
			if err != nil {
				t.Fatal(err)
			}
			r.Latency = map[string]record.Latency{"connect": l}
		})
	}
	c, err := Compare(side(0), side(100), Options{})
	if err != nil || len(c.Shifts) != 1 {
		t.Fatalf("%d shifts, %v", len(c.Shifts), err)
	}
	s := c.Shifts[0]
	if q := s.Quantiles[0]; q.Percentile != 50 || q.BUs-q.AUs < 99 || q.BUs-q.AUs > 101 || len(s.Quantiles) != 3 {
		t.Errorf("quantiles %+v, want p50, p90 and p99, each 100 µs apart", s.Quantiles)
	}
	if s.Distance < 0.099 || s.Distance > 0.101 {
		t.Errorf("distance %v, want 0.1", s.Distance)
	}
}

// A median that misses a threshold by what may be chance is met, and says so; a count of failures is not.
func TestThresholdsAllowForChance(t *testing.T) {
	noisy := []float64{100, 300, 120, 90, 500}
	a := runs(5, day, func(i int, r *record.Run) { r.Rate.CompletedPerS = noisy[i] })
	b := runs(5, day.Add(time.Millisecond), func(i int, r *record.Run) {
		r.Rate.CompletedPerS, r.Connections.Failed = noisy[(i+1)%5]*0.9, int64(i/4)
	})
	slow := runs(5, day.Add(time.Millisecond), func(i int, r *record.Run) { r.Rate.CompletedPerS = 50 + float64(i) })
	for _, tt := range []struct {
		expr   string
		b      []*record.Run
		ok     bool
		reason string
	}{
		{"rate.completed>-5%", b, true, "within noise: the difference may be from -70.00% to +170.00%"},
		{"rate.completed>+5%", b, true, "within noise: the difference may be from -70.00% to +170.00%"},
		{"rate.completed<=-90%", b, false, "more than noise: the difference is "},
		{"rate.completed==+0", b, true, "within noise: the difference may be "},
		{"rate.completed>-5%", slow, false, "; more than noise: the difference is "},
		{"connections.failed<=+0", b, false, "mean of A 0, of B 0.2"},
	} {
		r, err := metric.ParseRelative(func(name string) (metric.Metric, error) { return metric.Lookup(record.KindRun, name) }, tt.expr)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Compare(a, tt.b, Options{Thresholds: []metric.Relative{r}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Thresholds[0]; got.OK != tt.ok || !strings.Contains(got.Reason, tt.reason) {
			t.Errorf("%s: %+v, want %v %s", tt.expr, got, tt.ok, tt.reason)
		}
	}
}

// Holm's procedure by hand: with five runs a side P(U <= 0) is 1/252, and P(U <= 4) is 12/252 = 0.0476. That is below 0.05, but not below half of it.
func TestThresholdsTogether(t *testing.T) {
	low, mixed, high := []float64{1, 2, 3, 4, 5}, []float64{4, 6, 7, 9, 10}, []float64{11, 12, 13, 14, 15}
	if p := uTest([]float64{1, 2, 3, 5, 8}, mixed); math.Abs(p-2*12./252) > 1e-12 {
		t.Fatalf("p is %v", p)
	}
	a := runs(5, day, func(i int, r *record.Run) {
		r.Rate.CompletedPerS, r.Rate.OpenedPerS = []float64{1, 2, 3, 5, 8}[i], low[i]
	})
	side := func(opened []float64) []*record.Run {
		return runs(5, day.Add(time.Millisecond), func(i int, r *record.Run) { r.Rate.CompletedPerS, r.Rate.OpenedPerS = mixed[i], opened[i] })
	}
	for _, tt := range []struct {
		name   string
		b      []*record.Run
		gates  []string
		missed []bool
		test   *Family
	}{
		{"alone", side(low), []string{"rate.completed<+5%"}, []bool{true}, nil},
		{"with one that is met", side(low), []string{"rate.completed<+5%", "rate.opened<+5%"}, []bool{false, false}, &Family{Metrics: 2, Weight: 0.5, Need: 4, Decidable: true}},
		{"with one that is missed by more", side(high), []string{"rate.completed<+5%", "rate.opened<+5%"}, []bool{true, true}, &Family{Metrics: 2, Weight: 0.5, Need: 4, Decidable: true}},
		{"with one that makes no allowance", side(low), []string{"rate.completed<+5%", "connections.failed<=+0"}, []bool{true, false}, nil},
	} {
		var o Options
		for _, expr := range tt.gates {
			o.Thresholds = append(o.Thresholds, bound(t, expr))
		}
		c, err := Compare(a, tt.b, o)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range c.Thresholds {
			if r.OK == tt.missed[i] {
				t.Errorf("%s: %+v, want missed %v", tt.name, r, tt.missed[i])
			}
		}
		if d := cmp.Diff(tt.test, c.Test.Thresholds); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
	// With three runs a side the least p is 1/20, which nothing can correct: each is checked by itself.
	c, err := Compare(a[:3], side(high)[2:], Options{Thresholds: []metric.Relative{bound(t, "rate.opened<+5%"), bound(t, "rate.completed<+5%")}})
	if err != nil {
		t.Fatal(err)
	}
	if f := c.Test.Thresholds; c.Thresholds[0].OK || f == nil || f.Decidable || f.Need != 4 {
		t.Errorf("three a side: %+v, %+v", c.Thresholds, f)
	}
}

// B is 6 % less, which is no noise; that it is more than 5 % less is not so sure, and need not be.
func TestThresholdsTakeWhatIsMeasured(t *testing.T) {
	side := func(from time.Time, rates ...float64) []*record.Run {
		return runs(len(rates), from, func(i int, r *record.Run) { r.Rate.CompletedPerS = rates[i] })
	}
	a, b := side(day, 100, 101, 102, 103, 104), side(day.Add(time.Millisecond), 93, 94, 96, 97, 98)
	for expr, want := range map[string]string{
		"rate.completed>-5%": "median of A 102.0/s, of B 96.0/s; more than noise: the difference is from -8.74% to -3.96%",
		"rate.completed>-7%": "median of A 102.0/s, of B 96.0/s",
		"rate.completed>-3":  "median of A 102.0/s, of B 96.0/s; more than noise: the difference is from -9.0/s to -4.0/s",
	} {
		r := bound(t, expr)
		c, err := Compare(a, b, Options{Thresholds: []metric.Relative{r}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Thresholds[0]; got.OK != (expr == "rate.completed>-7%") || got.Reason != want {
			t.Errorf("%s: met %v, because %s, want %s", expr, got.OK, got.Reason, want)
		}
	}
}

func TestThresholds(t *testing.T) {
	a := runs(3, day, func(i int, r *record.Run) { r.Rate.CompletedPerS = 100 + float64(i) })
	b := runs(3, day.Add(time.Millisecond), func(i int, r *record.Run) { r.Rate.CompletedPerS, r.Connections.Failed = 90+float64(i), int64(i/2) })
	for expr, want := range map[string]bool{
		"rate.completed>-5%": false, "rate.completed>=-10": true, "rate.completed>-20%": true,
		"connections.failed<=+0": false, "connections.failed<+1": true, "connections.failed<+5%": false, "connections.capped<+5%": true,
		"connect.p99<+5%": false, // neither has it
	} {
		r, err := metric.ParseRelative(func(name string) (metric.Metric, error) { return metric.Lookup(record.KindRun, name) }, expr)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Compare(a, b, Options{Thresholds: []metric.Relative{r}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Thresholds[0]; got.OK != want || got.Reason == "" {
			t.Errorf("%s: %+v, want %v", expr, got, want)
		}
	}
}
