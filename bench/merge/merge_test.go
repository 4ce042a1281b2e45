package merge

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/sockstate"
)

// values are what a shard measured, and what all did.
type values struct {
	latency   map[string]*hdr.Histogram
	rows      []*hdr.Histogram
	completed []int64
	conns     record.Connections
	outcomes  map[string]int64
}

func newValues() *values {
	v := &values{latency: map[string]*hdr.Histogram{}, outcomes: map[string]int64{}, completed: make([]int64, 5)}
	for _, k := range []string{"connect", "lifecycle"} {
		v.latency[k] = record.NewHistogram()
	}
	for range v.completed {
		v.rows = append(v.rows, record.NewHistogram())
	}
	return v
}

func mustLatency(t testing.TB, h *hdr.Histogram) record.Latency {
	t.Helper()
	l, err := record.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// made are the records of n shards, and what one process had recorded that saw everything. Rates are of whole numbers, whose sums are exact.
func made(t testing.TB, rng *rand.Rand, n int) (shards []*record.Run, union *values) {
	t.Helper()
	union = newValues()
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	for i := range n {
		mine := newValues()
		both := []*values{mine, union}
		for range rng.IntN(2000) {
			ns := 1 + rng.Int64N(1<<uint(1+rng.IntN(40)))
			row := rng.IntN(len(mine.rows))
			outcome := []string{"ok", "refused", "rst_sent"}[rng.IntN(3)]
			for _, v := range both {
				for _, h := range []*hdr.Histogram{v.latency["connect"], v.latency["lifecycle"], v.rows[row]} {
					if err := h.RecordValue(ns); err != nil {
						t.Fatal(err)
					}
				}
				v.completed[row]++
				v.conns.Attempted++
				v.conns.Completed++
				v.outcomes[outcome]++
			}
		}
		done := float64(mine.conns.Completed)
		r := &record.Run{
			Schema: record.Schema, Version: "v1", Kind: record.KindRun, RunID: "R", Started: at, ElapsedS: 5, LoadS: 5,
			Shard: &record.Shard{I: i, N: n, PlanSHA256: "p", StartAt: &at, StartSkewUs: int64(rng.IntN(500)), ClockUncertaintyUs: 10},
			Plan:  record.Plan{Groups: []record.Group{{Name: "run", Targets: []string{"127.0.0.1:80"}, RateFrom: 900 / float64(n), RateTo: 900 / float64(n)}}, Workers: 2, Engine: "uring"},
			Hosts: []record.Host{{BootID: fmt.Sprint("boot", i%5), NetNS: fmt.Sprint("net:", i%7)}}, Sandbox: record.Sandbox{Mode: "off"},
			Result: record.Result{
				Connections: mine.conns, Outcomes: mine.outcomes, Rate: record.Rate{CompletedPerS: done / 8, TargetPerS: 900 / float64(n)},
				Latency: map[string]record.Latency{},
			},
			Counters: map[string]int64{"TcpActiveOpens": mine.conns.Attempted}, Verdict: record.Verdict{Valid: true, LimitedBy: record.LimitTarget},
			Accounting: []record.Check{
				{Name: "sum of outcomes = attempted", Want: one(mine.conns.Attempted), Got: mine.conns.Attempted, OK: true, Exact: true},
				{Name: "TcpActiveOpens = attempted less failed before a SYN", Want: one(mine.conns.Attempted), Got: mine.conns.Attempted, OK: true},
			},
			Observer: record.Observer{IntervalS: 1}, Warnings: []string{fmt.Sprint("warning ", i%2)},
		}
		for k, h := range mine.latency {
			r.Latency[k] = mustLatency(t, h)
		}
		for k, h := range mine.rows {
			l := mustLatency(t, h)
			iv := record.Interval{TS: float64(k+1) + rng.Float64()/50, Phase: "load", Completed: mine.completed[k], Client: map[string]int{"ESTABLISHED": i}}
			if l.Count > 0 {
				iv.Lifecycle = &l
				iv.P50Us, iv.P99Us, iv.MaxUs = l.P50Us, l.P99Us, l.MaxUs
			}
			r.Timeline = append(r.Timeline, iv)
		}
		shards = append(shards, r)
	}
	return shards, union
}

func one(n int64) sockstate.Range { return sockstate.Range{Min: n, Max: n} }

// merged merges copies, as a merger takes what it is given apart.
func merged(t testing.TB, partial bool, runs ...*record.Run) *record.Run {
	t.Helper()
	var m Merger
	for i, r := range runs {
		m.Add(fmt.Sprintf("%d.json", i), again(t, r))
	}
	r, err := m.Result(partial)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// again is a record that was saved and read.
func again(t testing.TB, r *record.Run) *record.Run {
	t.Helper()
	b, err := record.Marshal(r, "")
	if err != nil {
		t.Fatal(err)
	}
	read, err := record.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// The merged record is that of one process that saw everything.
func TestUnion(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3, 7, 64} {
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		shards, union := made(t, rng, n)
		r := merged(t, false, shards...)
		for k, h := range union.latency {
			if d := cmp.Diff(mustLatency(t, h), r.Latency[k]); d != "" {
				t.Errorf("%d shards: %s (-union +merged):\n%s", n, k, d)
			}
		}
		if d := cmp.Diff(union.conns, r.Connections); d != "" {
			t.Errorf("%d shards: %s", n, d)
		}
		if d := cmp.Diff(union.outcomes, r.Outcomes); d != "" {
			t.Errorf("%d shards: %s", n, d)
		}
		if len(r.Timeline) != len(union.rows) {
			t.Fatalf("%d shards: %d intervals", n, len(r.Timeline))
		}
		for k, h := range union.rows {
			iv := &r.Timeline[k]
			if d := cmp.Diff(mustLatency(t, h), *iv.Lifecycle); d != "" || iv.Completed != union.completed[k] || iv.P50Us != iv.Lifecycle.P50Us || iv.P99Us != iv.Lifecycle.P99Us {
				t.Errorf("%d shards: interval %d completed %d, want %d\n%s", n, k, iv.Completed, union.completed[k], d)
			}
		}
		if g := r.Plan.Groups[0]; g.RateFrom != 900 || r.Rate.TargetPerS != 900 || r.Plan.Workers != 2*n {
			t.Errorf("%d shards: plan %+v", n, r.Plan)
		}
		if len(r.Shards) != n || len(r.Hosts) != n || !r.Verdict.Valid || !r.Accounting[0].OK || r.Accounting[0].Got != union.conns.Attempted {
			t.Errorf("%d shards: %d shards, %d hosts, verdict %+v, accounting %+v", n, len(r.Shards), len(r.Hosts), r.Verdict, r.Accounting)
		}
	}
}

// Neither order nor grouping matters.
func TestOrder(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 2))
	for range 5 {
		shards, _ := made(t, rng, 2+rng.IntN(20))
		want := text(t, merged(t, false, shards...))
		mixed := slices.Clone(shards)
		rng.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if d := cmp.Diff(want, text(t, merged(t, false, mixed...))); d != "" {
			t.Fatalf("another order of %d:\n%s", len(shards), d)
		}
		cut := 1 + rng.IntN(len(mixed)-1)
		a, b := merged(t, true, mixed[:cut]...), merged(t, true, mixed[cut:]...)
		if d := cmp.Diff(want, text(t, merged(t, false, b, a))); d != "" {
			t.Fatalf("%d and %d of %d:\n%s", cut, len(mixed)-cut, len(shards), d)
		}
	}
}

func text(t testing.TB, r *record.Run) string {
	t.Helper()
	b, err := record.Marshal(r, " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Shards in one namespace saw each other's connections, which count once.
func TestSharedKernel(t *testing.T) {
	t.Parallel()
	shards, _ := made(t, rand.New(rand.NewPCG(3, 3)), 3)
	all := int64(0)
	for _, r := range shards {
		all += r.Connections.Attempted
	}
	for _, r := range shards {
		r.Hosts[0] = record.Host{BootID: "b", NetNS: "n"}
		r.Counters["TcpActiveOpens"], r.Accounting[1].Got = all, all
	}
	r := merged(t, false, shards...)
	if r.Counters["TcpActiveOpens"] != all || !r.Accounting[1].OK || r.Accounting[1].Got != all || r.Timeline[0].Client != nil {
		t.Errorf("counters %v, accounting %+v, timeline %v", r.Counters, r.Accounting[1], r.Timeline[0].Client)
	}
}

// TIME_WAITs of one namespace count once, by the shard that saw the most.
func TestAges(t *testing.T) {
	t.Parallel()
	shards, _ := made(t, rand.New(rand.NewPCG(4, 4)), 3)
	if got := merged(t, false, shards...).TimeWait.Ages; got != nil {
		t.Errorf("%v of none", got)
	}
	for i, ages := range [][]int{{5}, {1, 2, 3}, {0, 1}} {
		shards[i].TimeWait.Ages = map[string][]int{"client": ages}
	}
	for _, tt := range []struct {
		namespaces [3]string
		want       []int
	}{
		{[3]string{"a", "b", "c"}, []int{6, 3, 3}},
		{[3]string{"a", "a", "c"}, []int{1, 3, 3}},
	} {
		for i, r := range shards {
			r.Hosts[0] = record.Host{BootID: "b", NetNS: tt.namespaces[i]}
		}
		if diff := cmp.Diff(map[string][]int{"client": tt.want}, merged(t, false, shards...).TimeWait.Ages); diff != "" {
			t.Errorf("%v: -want +got\n%s", tt.namespaces, diff)
		}
	}
}

// What does not belong together is named.
func TestProblems(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(all []*record.Run) []*record.Run
		want   string
	}{
		{"missing", func(all []*record.Run) []*record.Run { return slices.Delete(all, 1, 2) }, "shard 1 of 0 to 3 is missing"},
		{"two missing", func(all []*record.Run) []*record.Run { return all[:2] }, "shards 2 and 3 of 0 to 3 are missing"},
		{"twice", func(all []*record.Run) []*record.Run { return append(all, all[2]) }, "shard 2 is there twice: 2.json and 4.json"},
		{"another run", func(all []*record.Run) []*record.Run { all[1].RunID = "S"; return all }, "1.json is of another run (S) than 0.json (R)"},
		{"another plan", func(all []*record.Run) []*record.Run { all[3].Shard.PlanSHA256 = "q"; return all }, "3.json has another plan than 0.json"},
		{"another number", func(all []*record.Run) []*record.Run { all[2].Shard.N = 5; return all }, "2.json is one of 5 shards, 0.json one of 4"},
		{"too many", func(all []*record.Run) []*record.Run {
			all[0].Shard.N, all[1].Shard.N = 2_000_000_000, 2_000_000_000
			return all[:2]
		}, "0.json says that it is one of 2000000000 shards: a run has at most 10000"},
		{"twice inside", func(all []*record.Run) []*record.Run {
			r := merged(t, true, all[:3]...)
			r.Shards[2].I = 0
			return []*record.Run{r, all[3]}
		}, "shard 0 is there twice in 0.json"},
		{"another plan inside", func(all []*record.Run) []*record.Run {
			r := merged(t, true, all[:3]...)
			r.Shards[1].PlanSHA256 = "q"
			return []*record.Run{r, all[3]}
		}, "shard 1 in 0.json has another plan than shard 0 in 0.json"},
		{"another number inside", func(all []*record.Run) []*record.Run {
			r := merged(t, true, all[:3]...)
			r.Shards[2].N = 5
			return []*record.Run{all[3], r}
		}, "shard 2 in 1.json is one of 5 shards, 0.json one of 4"},
		{"merged, and of another run", func(all []*record.Run) []*record.Run {
			r := merged(t, true, all[:3]...)
			r.RunID = "S"
			return []*record.Run{all[3], r}
		}, "1.json is of another run (S) than 0.json (R)"},
		{"merged, and twice", func(all []*record.Run) []*record.Run {
			r := merged(t, true, all[:3]...)
			return []*record.Run{r, r}
		}, "shard 1 is there twice: 0.json and 1.json"},
		{"in a merged one too", func(all []*record.Run) []*record.Run {
			return []*record.Run{all[2], merged(t, true, all[:3]...)}
		}, "shard 2 is there twice: 0.json and 1.json"},
		{"no such shard", func(all []*record.Run) []*record.Run { all[2].Shard.I = 4; return all }, "2.json says that it is shard 4 of 4"},
		{"no shard", func(all []*record.Run) []*record.Run { all[0].Shard = nil; return all }, "0.json is no shard"},
		{"a drain", func(all []*record.Run) []*record.Run {
			all[0].Kind, all[0].Drain = record.KindDrain, &record.Drain{Tries: []record.DrainTry{{}}}
			return all
		}, "0.json is the record of a drain"},
		{"without its histogram", func(all []*record.Run) []*record.Run {
			l := all[1].Latency["connect"]
			l.Hdr = ""
			all[1].Latency["connect"] = l
			return all
		}, "1.json cannot be merged: latency.connect: the record holds a summary"},
		{"another time", func(all []*record.Run) []*record.Run {
			for i, r := range all {
				r.RunID = ""
				r.Started = r.Started.Add(time.Duration(i) * time.Hour)
			}
			return all
		}, "1.json is of another run than 0.json"},
		{"nothing", func([]*record.Run) []*record.Run { return nil }, "there is no record to merge"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			shards, _ := made(t, rand.New(rand.NewPCG(4, 4)), 4)
			var m Merger
			for i, r := range tc.change(shards) {
				m.Add(fmt.Sprintf("%d.json", i), again(t, r))
			}
			_, err := m.Result(false)
			e, ok := errors.AsType[*Error](err)
			if !ok || !strings.Contains(strings.Join(e.Problems, "; "), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// A partial merge is not valid, and says what is missing.
func TestPartial(t *testing.T) {
	t.Parallel()
	shards, _ := made(t, rand.New(rand.NewPCG(5, 5)), 4)
	r := merged(t, true, shards[0], shards[3])
	if d := cmp.Diff([]int{1, 2}, r.ShardsMissing); d != "" || r.Verdict.Valid || !strings.Contains(strings.Join(r.Verdict.Reasons, " "), "shards 1 and 2 took part") {
		t.Errorf("missing %v, verdict %+v", r.ShardsMissing, r.Verdict)
	}
	// Those that never came are not missing.
	for _, i := range []int{0, 3} {
		shards[i].Shard.Absent = []int{1, 2}
	}
	if r := merged(t, false, shards[0], shards[3]); len(r.ShardsMissing) > 0 || !r.Verdict.Valid {
		t.Errorf("missing %v, verdict %+v", r.ShardsMissing, r.Verdict)
	}
}

// Rates are of the time in which any shard was under load, as those of one process that saw everything.
func TestRates(t *testing.T) {
	t.Parallel()
	shards, _ := made(t, rand.New(rand.NewPCG(9, 9)), 3)
	for i, r := range shards {
		r.LoadS = []float64{2.5, 5, 5}[i]
		r.Rate = record.Rate{OpenedPerS: 100, CompletedPerS: 80, RequestsPerS: 40, TargetPerS: 100}
	}
	if d := cmp.Diff(record.Rate{OpenedPerS: 250, CompletedPerS: 200, RequestsPerS: 100, TargetPerS: 300}, merged(t, false, shards...).Rate); d != "" {
		t.Error(d)
	}
}

// Those that were stopped are named, whichever is the first, in one sentence.
func TestShorterLoad(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		loadS []float64
		want  []string
	}{
		{"none", []float64{2, 1.95, 1.9}, nil},
		{"the first", []float64{1.2, 2, 2.001}, []string{"shard 0 was under load for 1.2 s, the others for 2 s"}},
		{"the last", []float64{2, 2, 1.2}, []string{"shard 2 was under load for 1.2 s, the others for 2 s"}},
		{"most", []float64{600, 61.234, 1.2, 0.1, 0.25}, []string{"shards 1 to 4 were under load for 0.1 to 61.2 s, the others for 600 s"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			shards, _ := made(t, rand.New(rand.NewPCG(10, 10)), len(tc.loadS))
			for i, r := range shards {
				r.LoadS, r.Warnings = tc.loadS[i], nil
			}
			if d := cmp.Diff(append([]string{}, tc.want...), merged(t, false, shards...).Warnings); d != "" {
				t.Error(d)
			}
		})
	}
}

// A shard that was stopped drains while others are under load. Neither time nor a phase comes back.
func TestStoppedShard(t *testing.T) {
	t.Parallel()
	shards, union := made(t, rand.New(rand.NewPCG(8, 8)), 3)
	for i, r := range shards {
		for k := range r.Timeline {
			r.Timeline[k].Phase = record.PhaseLoad
			if k >= []int{2, 4, 4}[i] {
				r.Timeline[k].Phase = record.PhaseDrain
			}
		}
	}
	want := text(t, merged(t, false, shards...))
	for _, r := range []*record.Run{
		merged(t, false, merged(t, true, shards[0], shards[1]), shards[2]),
		merged(t, false, shards[0], merged(t, true, shards[2], shards[1])),
	} {
		if d := cmp.Diff(want, text(t, r)); d != "" {
			t.Errorf("in another order:\n%s", d)
		}
		var phases []string
		completed := make([]int64, len(union.completed))
		for _, iv := range r.Timeline {
			phases = append(phases, iv.Phase)
			completed[int(math.Round(iv.TS))-1] += iv.Completed
		}
		if d := cmp.Diff([]string{"load", "load", "load", "load", "drain"}, phases); d != "" || !slices.Equal(completed, union.completed) {
			t.Errorf("completed %v, want %v; phases:\n%s", completed, union.completed, d)
		}
	}
}

// Shards of other builds are merged, and named. The merged record is of a build only if all are.
func TestBuilds(t *testing.T) {
	t.Parallel()
	shards, _ := made(t, rand.New(rand.NewPCG(7, 7)), 5)
	build := record.Build{Commit: "0123456789abcdef0123", Go: "go1.26.0", System: "linux/amd64"}
	for _, r := range shards {
		b := build
		r.Build, r.Warnings = &b, nil
	}
	r := merged(t, false, shards...)
	if d := cmp.Diff(&build, r.Build); d != "" || len(r.Warnings) > 0 {
		t.Errorf("of one build: %s, warnings %q", d, r.Warnings)
	}
	unknown := *shards[3]
	unknown.Build = nil
	if r := merged(t, false, again(t, shards[0]), again(t, shards[1]), again(t, shards[2]), &unknown, again(t, shards[4])); r.Build != nil || len(r.Warnings) > 0 {
		t.Errorf("of a build that is not known: %+v, warnings %q", r.Build, r.Warnings)
	}
	shards[1].Build.System = "linux/arm64"
	shards[2].Build.Changed, shards[2].Build.Go = true, "go1.27.0"
	shards[3].Version = "v2"
	shards[4].Build.System = "linux/arm64"
	r = merged(t, true, again(t, merged(t, true, shards[2:]...)), again(t, merged(t, true, shards[:2]...)))
	if d := cmp.Diff([]string{
		"shards 1 and 4 were run by another build of lastack than shard 0: system linux/arm64, not linux/amd64",
		"shard 2 was run by another build of lastack than shard 0: commit 0123456789ab with changes, not 0123456789ab; compiled by go1.27.0, not go1.26.0",
		"shard 3 was run by another build of lastack than shard 0: version v2, not v1",
	}, r.Warnings); d != "" || r.Build != nil || !r.Verdict.Valid || r.Shards[1].Build.System != "linux/arm64" {
		t.Errorf("build %+v, verdict %+v, warnings\n%s", r.Build, r.Verdict, d)
	}
}

// A commit that is not known may have changes too.
func TestSource(t *testing.T) {
	t.Parallel()
	for want, b := range map[string]record.Build{
		"unknown":                   {},
		"unknown with changes":      {Changed: true},
		"0123456789ab":              {Commit: "0123456789abcdef"},
		"0123456789ab with changes": {Commit: "0123456789abcdef", Changed: true},
	} {
		if got := source(&b); got != want {
			t.Errorf("%+v: %q, want %q", b, got, want)
		}
	}
}

// A plateau's intervals are between those in which it opens and closes.
func TestPhases(t *testing.T) {
	t.Parallel()
	shards, _ := made(t, rand.New(rand.NewPCG(6, 6)), 2)
	for _, r := range shards {
		for i := range r.Timeline {
			r.Timeline[i].Phase = record.Phases()[i]
		}
	}
	var got []string
	for _, iv := range merged(t, false, shards...).Timeline {
		got = append(got, iv.Phase)
	}
	if d := cmp.Diff(record.Phases(), got); d != "" {
		t.Error(d)
	}
}
