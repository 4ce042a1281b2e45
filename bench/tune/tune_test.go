package tune

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/grid"
	"lastack/bench/host"
	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

func testFacts() grid.Facts {
	known := []string{"net.core.somaxconn", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports"}
	for _, k := range []string{"tw_reuse", "tw_reuse_delay", "timestamps", "fin_timeout", "max_tw_buckets", "max_syn_backlog", "syncookies"} {
		known = append(known, "net.ipv4.tcp_"+k)
	}
	return grid.Facts{
		Run: setup.Facts{CPUs: []int{0, 1}, Host: host.Facts{
			NoFileSoft: 20_000, MemLock: math.MaxUint64, AvailableBytes: 16 << 30, PageBytes: 4096, HZ: 250, CPUs: 2, Kernel: "6.18",
			Sysctls: map[string]string{
				"net.ipv4.ip_local_port_range": "32768 60999", "net.ipv4.tcp_ehash_entries": "262144", "net.ipv4.tcp_max_tw_buckets": "131072", "fs.file-max": "2466193",
				"net.ipv4.tcp_fin_timeout": "60", "net.core.somaxconn": "4096", "net.ipv4.tcp_tw_reuse": "2",
			},
		}},
		Sysctls: known,
		Base:    record.SweepBase{From: grid.FromHost},
	}
}

// testSpec is a load across a veth pair.
func testSpec(rate float64, keep ...string) Spec {
	return Spec{Base: grid.Base{From: grid.FromHost}, Keep: keep, Run: setup.Spec{
		Plan: loadgen.Plan{Groups: []loadgen.Group{{
			Name: "run", RateFrom: rate, RateTo: rate, ConnectTimeout: time.Second, RequestTimeout: time.Second, CloseTimeout: time.Second,
		}}},
		Server: &setup.Server{}, Sandbox: &sandbox.Spec{Topology: sandbox.Veth},
	}}
}

func resolved(t *testing.T, s Spec) *Setup {
	t.Helper()
	r, err := Resolve(s, testFacts())
	if err != nil {
		t.Fatal(err)
	}
	return &r
}

// kernel is a model of one: what a load in a sandbox would have.
type kernel struct {
	// cpu is the highest rate that the CPUs sustain, 0 for any. searches is set if connect's search takes that much above half of the ports.
	cpu      float64
	searches bool
	// piles is set if connections pile up that the CPUs are too slow for, and take the ports.
	piles bool
	// busy is how many loads in full are late.
	busy int
	// crowded is how many loads have too little of the CPUs, because of other programs.
	crowded int
	// slow is set if connect takes long, full if the CPUs are in use.
	slow, full bool
	// shared is set if other programs fill the CPUs, and no load is late.
	shared bool
	// crash is a sysctl whose load dies. wrong is set if TIME_WAITs last for a second only, whatever all predict.
	crash string
	wrong bool
	// loads counts them, and longest is the sum of the longest of each round.
	loads int
	took  time.Duration
}

func (k *kernel) load(s *setup.Setup, scale float64) (*record.Run, string) {
	k.loads++
	value := func(key, other string) string {
		for _, c := range s.Sandbox.Sysctls {
			if c.Key == key {
				other = c.Value
			}
		}
		return other
	}
	if k.crash != "" && value(k.crash, "") != "" {
		return nil, "the cell was killed"
	}
	g := &s.Plan.Groups[0]
	var lo, hi int
	if _, err := fmt.Sscan(value(keyRange, "32768 60999"), &lo, &hi); err != nil {
		return nil, err.Error()
	}
	buckets, err := strconv.Atoi(value(keyBuckets, "131072"))
	if err != nil {
		return nil, err.Error()
	}
	ports := float64(hi-lo+1) * float64(max(len(g.Sources), 1))
	rate, lasts := g.RateTo, s.Plan.Duration.Seconds()
	kept := g.Hold.Seconds()
	waits := g.Close.Active(sockstate.Client) && g.Close.How == teardown.FIN
	if waits {
		kept += 62.05
	}
	reuses := value(sockstate.ReuseSysctl, "2") == "1" && value(keyTimestamps, "1") != "0"
	if waits && (reuses || k.wrong) {
		kept = g.Hold.Seconds() + 1
	}

	r := &record.Run{Kind: record.KindRun, Plan: s.Record, LoadS: lasts, ElapsedS: lasts, Sandbox: record.Sandbox{Mode: "user", Topology: string(s.Sandbox.Topology)}}
	n := int64(rate * lasts)
	r.Connections = record.Connections{Scheduled: n, Attempted: n, Opened: n, Completed: n}
	r.Rate = record.Rate{OpenedPerS: rate, CompletedPerS: rate, TargetPerS: rate}
	r.Verdict = record.Verdict{Valid: true, LimitedBy: record.LimitTarget}
	r.Outcomes = map[string]int64{"fin": n}
	slow := func(to float64, by string) {
		r.Connections.Attempted, r.Connections.Completed, r.Rate.CompletedPerS = int64(to*lasts), int64(to*lasts), to
		r.Verdict.LimitedBy = by
	}
	full := scale == 0 || scale == 1
	if r.Pressure.CPU = (record.CPU{ElapsedS: lasts, CPUs: 2, IdleS: 2 * lasts}); k.full {
		r.Pressure.CPU.IdleS = 0
	}
	if k.slow {
		r.Latency = map[string]record.Latency{"connect": {Count: n, P99Us: 1e5}}
	}
	switch used := rate * min(lasts, kept); {
	case k.crowded > 0:
		k.crowded--
		slow(rate/2, record.LimitCPU)
		r.Verdict.Findings = []record.Finding{{Code: "cpus_full_of_others"}}
	case full && k.cpu > 0 && rate > k.cpu && k.piles:
		slow(k.cpu, record.LimitPortSearch)
	case full && k.cpu > 0 && rate > k.cpu:
		slow(k.cpu, record.LimitCPU)
	case full && k.searches && waits && !reuses && used > ports/2:
		slow(rate/2, record.LimitPortSearch)
	case used > ports:
		failed := int64(used - ports)
		r.Connections.Failed, r.Connections.Completed = failed, n-failed
		r.Outcomes["no_local_port"] = failed
		r.FirstFailureS = map[string]float64{"no_local_port": ports / rate}
		r.Verdict = record.Verdict{LimitedBy: record.LimitPorts}
	case waits && rate*min(lasts, 62.05) > float64(buckets) && !reuses:
		r.TimeWait.Overflow = 1
		if r.Verdict.LimitedBy = record.LimitTWBuckets; k.shared {
			r.Verdict.LimitedBy = record.LimitCPU
		}
	case k.shared:
		r.Verdict = record.Verdict{LimitedBy: record.LimitCPU}
	case full && k.busy > 0:
		k.busy--
		r.Latency = map[string]record.Latency{"lag": {P99Us: 1e5}}
		r.Verdict.LimitedBy = record.LimitCPU
	}
	return r, ""
}

func (k *kernel) run(t *testing.T, s *Setup, ctx context.Context) *record.Run {
	t.Helper()
	x := s.search(func(Progress) {})
	x.load = func(ctx context.Context, g *grid.Setup, _ func(grid.Progress)) []grid.Outcome {
		out := make([]grid.Outcome, len(g.Cells))
		var longest time.Duration
		for i := range g.Cells {
			c := &g.Cells[i]
			if ctx.Err() != nil || c.Refused != "" {
				out[i].Error = c.Refused
				continue
			}
			longest = max(longest, c.Setup.Plan.Duration)
			out[i].Record, out[i].Error = k.load(&c.Setup, c.Narrowed())
			if out[i].Record != nil {
				out[i].LimitedBy, out[i].Findings = out[i].Record.Verdict.LimitedBy, out[i].Record.Verdict.Findings
			}
		}
		k.took += longest
		return out
	}
	x.run(ctx)
	return x.record()
}

// answer is the result in a line: the changes, the number of loads, the limit and what it takes.
func answer(r *record.Run) string {
	t := r.Tune
	words := []string{t.Result}
	for _, i := range t.Answer {
		for _, c := range t.Remedies[i].Changes {
			words = append(words, c.Key+"="+c.To)
		}
	}
	words = append(words, "("+t.LimitedBy+")")
	if t.Takes != nil {
		words = append(words, fmt.Sprint(t.Takes.Addresses, " addresses"))
		if n := t.Takes.TWBuckets; n > 0 {
			words = append(words, fmt.Sprint("and ", n, " buckets"))
		}
	}
	return strings.Join(words, " ")
}

func TestSearch(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec Spec
		k    kernel
		want string
		// within bounds the time of all loads.
		within time.Duration
	}{
		{"a resetting client needs nothing, and shows it quickly", closing(testSpec(200), teardown.RST), kernel{}, "sustained (target_rate_met)", 10 * time.Second},
		{"few enough for a minute need nothing", testSpec(400), kernel{}, "sustained (target_rate_met)", 70 * time.Second},
		{"reuse is the cheapest", testSpec(1000), kernel{}, "change net.ipv4.tcp_tw_reuse=1 (local_ports)", 180 * time.Second},
		{"CPUs that are full with others say nothing against a load on time", testSpec(1000), kernel{shared: true}, "change net.ipv4.tcp_tw_reuse=1 (local_ports)", 180 * time.Second},
		{"a range is next", testSpec(1000, "tcp_tw_reuse"), kernel{}, "change net.ipv4.ip_local_port_range=2048 65535 (local_ports)", 180 * time.Second},
		{"the narrowest range", testSpec(600, "net.ipv4.tcp_tw_reuse"), kernel{}, "change net.ipv4.ip_local_port_range=16384 65535 (local_ports)", 190 * time.Second},
		{
			"a range whose ports take too long to search is refuted in full, so are as many addresses as have just enough ports",
			testSpec(1000, "tcp_tw_reuse"),
			kernel{searches: true},
			"change sources=5 (local_ports)", 320 * time.Second,
		},
		{"addresses", testSpec(1500, "tcp_tw_reuse", "close"), kernel{}, "change sources=4 (local_ports)", 180 * time.Second},
		{"addresses, and buckets for their TIME_WAITs", testSpec(5000, "tcp_tw_reuse", "close"), kernel{}, "change sources=11 net.ipv4.tcp_max_tw_buckets=342016 (local_ports)", 260 * time.Second},
		{"the server closes", testSpec(5000, "tcp_tw_reuse", "sources"), kernel{}, "change close=server:fin (local_ports)", 180 * time.Second},
		{"the client resets", testSpec(2500, "sources", "close", "ip_local_port_range", "tcp_tw_reuse"), kernel{}, "nothing (local_ports) 6 addresses and 171008 buckets", 180 * time.Second},
		{"nothing", testSpec(5000, "sources", "close", "tcp_tw_reuse"), kernel{}, "nothing (local_ports) 11 addresses and 342016 buckets", 180 * time.Second},
		{"the CPUs: what the ports need is known, but not whether it suffices", testSpec(9000), kernel{cpu: 4000}, "cannot_tell net.ipv4.tcp_tw_reuse=1 (local_ports)", 320 * time.Second},
		{"the CPUs, without TIME_WAIT", closing(testSpec(9000), teardown.RST), kernel{cpu: 4000}, "cannot_tell (cpu)", 20 * time.Second},
		{"connections that pile up take the ports", closing(testSpec(9000), teardown.RST), kernel{cpu: 4000, piles: true}, "cannot_tell (port_search)", 20 * time.Second},
		{"other programs have the CPUs once", closing(testSpec(200), teardown.RST), kernel{crowded: 1}, "sustained (target_rate_met)", 20 * time.Second},
		{"other programs have the CPUs", closing(testSpec(200), teardown.RST), kernel{crowded: 9}, "cannot_tell (cpu)", 20 * time.Second},
		{"other programs have the CPUs of all trials", testSpec(1000), kernel{crowded: 99}, "cannot_tell (cpu)", 140 * time.Second},
		{"a threshold is missed while the CPUs are full", bounded(closing(testSpec(200), teardown.RST)), kernel{slow: true, full: true}, "cannot_tell (target_rate_met)", 10 * time.Second},
		{"a threshold is missed on an idle machine", bounded(closing(testSpec(200), teardown.RST)), kernel{slow: true}, "nothing (target_rate_met)", 10 * time.Second},
		{"buckets overflow while others have the CPUs", with(testSpec(400), keyBuckets, "1000"), kernel{shared: true}, "change net.ipv4.tcp_max_tw_buckets=27648 (tcp_max_tw_buckets)", 220 * time.Second},
		{"late, and buckets overflow", with(testSpec(400), keyBuckets, "1000"), kernel{busy: 1}, "change net.ipv4.tcp_max_tw_buckets=27648 (tcp_max_tw_buckets)", 220 * time.Second},
		{"a late load is tried again", testSpec(400), kernel{busy: 1}, "sustained (target_rate_met)", 140 * time.Second},
		{"a remedy whose load dies is no answer", testSpec(1000), kernel{crash: sockstate.ReuseSysctl}, "change net.ipv4.ip_local_port_range=2048 65535 (local_ports)", 180 * time.Second},
		{"a load that was wrongly predicted to fail runs once more, in full", testSpec(1000), kernel{wrong: true}, "sustained (target_rate_met)", 110 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := resolved(t, tt.spec)
			r := tt.k.run(t, s, t.Context())
			if got := answer(r); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if tt.k.took > tt.within {
				t.Errorf("%d loads take %v, want at most %v", tt.k.loads, tt.k.took, tt.within)
			}
			if valid := r.Tune.Result == record.TuneSustained || r.Tune.Result == record.TuneChange; r.Verdict.Valid != valid {
				t.Errorf("valid: %t", r.Verdict.Valid)
			}
			var b strings.Builder
			if err := record.Write(&b, r); err != nil {
				t.Fatal(err)
			}
			if _, err := record.Read(strings.NewReader(b.String())); err != nil {
				t.Error(err)
			}
		})
	}
}

func bounded(s Spec) Spec {
	b, err := metric.ParseThreshold(record.KindRun, "connect.p99<5ms")
	if err != nil {
		panic(err)
	}
	s.Goal.Bounds = []metric.Threshold{b}
	return s
}

func with(s Spec, key, value string) Spec {
	s.Run.Sandbox.Sysctls = append(s.Run.Sandbox.Sysctls, sandbox.Sysctl{Key: key, Value: value})
	return s
}

func closing(s Spec, how teardown.How) Spec {
	s.Run.Plan.Groups[0].Close = teardown.Policy{Who: teardown.ClientFirst, How: how}
	return s
}

// The well-known settings that do not help are tried, with their reason, and so is each remedy alone, narrowed.
func TestFolklore(t *testing.T) {
	r := (&kernel{}).run(t, resolved(t, testSpec(1000)), t.Context())
	got := map[string]string{}
	for _, trial := range r.Tune.Trials {
		if len(trial.Remedies) == 1 && !trial.Confirms {
			remedy := &r.Tune.Remedies[trial.Remedies[0]]
			if got[remedy.Code] = fmt.Sprint(trial.Sustained); !trial.Sustained {
				got[remedy.Code] += fmt.Sprintf(" after %.0f s", trial.FailedAfterS)
				if remedy.Why == "" {
					t.Errorf("%s: no reason", remedy.Code)
				}
			}
			if math.Abs(trial.Scale-1./28) > 0.001 {
				t.Errorf("%s: scale %v", remedy.Code, trial.Scale)
			}
		}
	}
	want := map[string]string{
		"reuse": "true", "range": "true", "addresses": "true", "addresses_of_first_pass": "true", "server_closes": "true", "client_resets": "true",
		"fin_timeout": "false after 28 s", "buckets_of_ports": "false after 28 s", "somaxconn": "false after 28 s",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What was tried until an interruption is kept, and is no result.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := (&kernel{}).run(t, resolved(t, testSpec(1000)), ctx)
	if r.Tune.Result != "" || len(r.Tune.Trials) != 0 || r.Verdict.Valid {
		t.Errorf("%+v", r.Tune)
	}
}

func TestRemedies(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limit  string
		change func(*Spec, map[string]string)
		code   string
		want   string
	}{
		{"reuse", record.LimitPorts, nil, "reuse", "net.ipv4.tcp_tw_reuse=1"},
		{"reuse without timestamps", record.LimitPorts, func(_ *Spec, v map[string]string) { v[keyTimestamps] = "0" }, "reuse", "net.ipv4.tcp_tw_reuse=1 net.ipv4.tcp_timestamps=1"},
		{"reuse is on, timestamps are off", record.LimitPorts, func(_ *Spec, v map[string]string) {
			v[keyTimestamps], v[sockstate.ReuseSysctl] = "0", "1"
		}, "reuse", "net.ipv4.tcp_timestamps=1"},
		{"reuse is on", record.LimitPorts, func(_ *Spec, v map[string]string) { v[sockstate.ReuseSysctl] = "1" }, "reuse", ""},
		{"no TIME_WAIT", record.LimitPorts, func(s *Spec, _ map[string]string) { *s = closing(*s, teardown.RST) }, "reuse", ""},
		{"a shorter delay", record.LimitPorts, func(s *Spec, v map[string]string) {
			v[sockstate.ReuseSysctl] = "1"
			s.Run.Plan.Groups[0].RateFrom, s.Run.Plan.Groups[0].RateTo = 40_000, 40_000
		}, "reuse_delay", "net.ipv4.tcp_tw_reuse_delay=635"},
		{"no delay without reuse", record.LimitPorts, nil, "reuse_delay", ""},
		{"the widest range", record.LimitPorts, func(s *Spec, _ map[string]string) {
			s.Run.Plan.Groups[0].RateFrom, s.Run.Plan.Groups[0].RateTo = 5000, 5000
		}, "range", "net.ipv4.ip_local_port_range=1024 65535"},
		{"no wider range", record.LimitPorts, func(_ *Spec, v map[string]string) { v[keyRange] = "1024 65535" }, "range", ""},
		{"a narrow range", record.LimitPorts, func(s *Spec, v map[string]string) {
			s.Run.Plan.Groups[0].RateFrom, s.Run.Plan.Groups[0].RateTo = 400, 400
			v[keyRange] = "40000 40999"
		}, "range", "net.ipv4.ip_local_port_range=32768 65535"},
		{"reserved ports", record.LimitPorts, func(_ *Spec, v map[string]string) { v[keyReserved] = "40000-50000" }, "unreserve", "net.ipv4.ip_local_reserved_ports=1"},
		{"none reserved", record.LimitPorts, nil, "unreserve", ""},
		{"orphans", record.LimitPorts, func(s *Spec, _ map[string]string) {
			if err := s.Run.Plan.Groups[0].OnEOF.UnmarshalText([]byte("never")); err != nil {
				t.Fatal(err)
			}
		}, "fin_timeout_orphans", "net.ipv4.tcp_fin_timeout=23"},
		{"no orphans", record.LimitPorts, nil, "fin_timeout_orphans", ""},
		{"buckets", record.LimitTWBuckets, func(_ *Spec, v map[string]string) { v[keyBuckets] = "1000" }, "buckets", "net.ipv4.tcp_max_tw_buckets=68608"},
		{"accept queue", record.LimitAcceptQueue, func(s *Spec, _ map[string]string) { s.Run.Server.Backlog = 16 }, "backlog", "backlog=4096"},
		{"longer accept queue", record.LimitAcceptQueue, nil, "backlog", "backlog=16384 net.core.somaxconn=16384"},
		{"SYNs", record.LimitSYNDrops, nil, "syn_backlog", "net.ipv4.tcp_max_syn_backlog=8192"},
		{"cookies", record.LimitSYNDrops, func(_ *Spec, v map[string]string) { v[keyCookies] = "0" }, "syncookies", "net.ipv4.tcp_syncookies=1"},
		{"cookies are on", record.LimitSYNDrops, nil, "syncookies", ""},
		{"no remedy against a slow server", record.LimitServerCPU, nil, "reuse", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec, values := testSpec(1000), map[string]string{}
			if tt.change != nil {
				tt.change(&spec, values)
			}
			for _, key := range slices.Sorted(maps.Keys(values)) {
				spec.Run.Sandbox.Sysctls = append(spec.Run.Sandbox.Sysctls, sandbox.Sysctl{Key: key, Value: values[key]})
			}
			got := ""
			for _, r := range admitted(tt.limit, &resolved(t, spec).situation, nil) {
				if r.Code == tt.code {
					var all []string
					for _, c := range r.Changes {
						all = append(all, c.Key+"="+c.To)
					}
					got = strings.Join(all, " ")
				}
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// Each line of the table is complete, and its keys are those that it changes.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range remedies() {
		if r.code == "" || seen[r.code] || len(r.limits) == 0 || len(r.keys) == 0 || r.changes == nil || r.cost == 0 {
			t.Errorf("%+v", r)
		}
		if r.cost < folklore && (r.costs == "" || r.risk == "") || r.cost == folklore && r.why == "" {
			t.Errorf("%s lacks words", r.code)
		}
		for _, l := range r.limits {
			if _, known := record.LimitNamed(l); !known {
				t.Errorf("%s: no limit %s", r.code, l)
			}
		}
		seen[r.code] = true
	}
}

func TestSmallest(t *testing.T) {
	one := func(key string, cost int) record.TuneRemedy {
		return record.TuneRemedy{Cost: cost, Changes: []record.TuneSetting{{Key: key}}}
	}
	list := []record.TuneRemedy{one("a", cheap), one("b", dearer), {Cost: cheap, Changes: []record.TuneSetting{{Key: "c"}, {Key: "d"}}}, one("e", program), one("a", folklore)}
	sets := []set{{3}, {0, 3}, {0, 1}, {2}, {1}, {0}}
	smallestFirst(list, sets)
	if want := []set{{0}, {1}, {2}, {0, 1}, {3}, {0, 3}}; !cmp.Equal(sets, want) {
		t.Errorf("%v, want %v", sets, want)
	}
	if !clash(list, set{0, 4}) || clash(list, set{0, 1}) {
		t.Error("clash")
	}
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*Spec){
		"--rate 0: want the rate":                 func(s *Spec) { s.Run.Plan.Groups[0].RateFrom, s.Run.Plan.Groups[0].RateTo = 0, 0 },
		"--rate 1..2: a load is sustained at one": func(s *Spec) { s.Run.Plan.Groups[0].RateFrom, s.Run.Plan.Groups[0].RateTo = 1, 2 },
		"--keep tcp_tw_reus: tune would not":      func(s *Spec) { s.Keep = []string{"tcp_tw_reus"} },
		"did you mean tcp_tw_reuse":               func(s *Spec) { s.Keep = []string{"tcp_tw_reus"} },
		"want tcp_tw_reuse, tcp_timestamps":       func(s *Spec) { s.Keep = []string{"kernel.panic"} },
		"--hold 13h0m0s: the search takes about":  func(s *Spec) { *s = testSpec(10); s.Run.Plan.Groups[0].Hold = 13 * time.Hour },
		"--connections 100,000,000: needs":        func(s *Spec) { s.Run.Plan.Groups[0].Connections = 1e8 },
	} {
		s := testSpec(1000)
		change(&s)
		if _, err := Resolve(s, testFacts()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	days := testSpec(10)
	days.Run.Plan.Groups[0].Hold, days.Consent = 13*time.Hour, true
	if _, err := Resolve(days, testFacts()); err != nil {
		t.Error(err)
	}
	for _, keep := range []string{"tcp_tw_reuse", "net.ipv4.tcp_tw_reuse", "net/ipv4/tcp_tw_reuse", "close", "somaxconn", "net.core.somaxconn"} {
		if _, err := Resolve(testSpec(1000, keep), testFacts()); err != nil {
			t.Errorf("%s: %v", keep, err)
		}
	}
}

// Whether this machine, and no setting, bound a load that was not sustained.
func TestOfMachine(t *testing.T) {
	noPort := map[string]int64{sockstate.OutcomeNoLocalPort.String(): 1}
	lag := func(r *record.Run, d time.Duration) {
		r.Latency = map[string]record.Latency{"lag": {MaxUs: float64(d.Microseconds())}}
	}
	for _, tt := range []struct {
		name   string
		rate   float64
		change func(*record.Run)
		want   bool
	}{
		{"the CPUs", 400, func(r *record.Run) { r.Verdict.LimitedBy = record.LimitCPU }, true},
		{"the program was stopped", 400, func(r *record.Run) { r.Verdict.LimitedBy = record.LimitHalted }, true},
		{"nobody knows, and none failed", 400, func(r *record.Run) { r.Verdict.LimitedBy = record.LimitUnknown }, true},
		{"nobody knows, and some failed", 400, func(r *record.Run) { r.Verdict.LimitedBy, r.Connections.Failed = record.LimitUnknown, 1 }, false},
		{"too few ports", 1000, func(r *record.Run) { r.Outcomes = noPort }, false},
		{"ports of which it needs half at most", 200, func(r *record.Run) { r.Outcomes = noPort }, true},
		// 450/s for 62.05 s are 27,922 of 28,232 ports: 310 more are 0.69 s of arrivals.
		{"enough ports, and on time", 450, func(r *record.Run) { r.Outcomes = noPort; lag(r, 600*time.Millisecond) }, false},
		{"enough ports, and a burst of those that were late", 450, func(r *record.Run) { r.Outcomes = noPort; lag(r, 800*time.Millisecond) }, true},
		{"too few ports, and late", 460, func(r *record.Run) { r.Outcomes = noPort; lag(r, time.Minute) }, false},
		{"a threshold, with idle CPUs", 400, func(r *record.Run) { r.Verdict.LimitedBy = record.LimitTarget }, false},
		{"a full queue", 400, func(r *record.Run) { r.Verdict.LimitedBy = record.LimitAcceptQueue }, false},
	} {
		s := resolved(t, testSpec(tt.rate)).search(nil)
		r := new(record.Run)
		r.Connections.Attempted, r.Pressure.CPU = 1000, record.CPU{ElapsedS: 10, CPUs: 2, IdleS: 15}
		tt.change(r)
		if got := s.ofMachine(&s.asIs.Cells[0], r); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}
