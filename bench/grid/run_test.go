package grid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/bench/sweep"
	"lastack/loadgen"
)

func testFacts() Facts {
	return Facts{
		Run: setup.Facts{CPUs: []int{0, 1}, Host: host.Facts{
			NoFileSoft: 20_000, MemLock: math.MaxUint64, AvailableBytes: 16 << 30, PageBytes: 4096, HZ: 250, CPUs: 2, Kernel: "6.18",
			Sysctls: map[string]string{"net.ipv4.ip_local_port_range": "32768 60999", "net.ipv4.tcp_ehash_entries": "262144", "net.ipv4.tcp_max_tw_buckets": "131072", "fs.file-max": "2466193"},
		}},
		Sysctls: testSysctls,
		Base:    record.SweepBase{From: FromDefault},
	}
}

// testSpec is a sweep of a load at 500/s across a veth pair.
func testSpec(t *testing.T, vary ...string) Spec {
	t.Helper()
	s := Spec{Blocks: 2, Seed: 7, Base: Base{From: FromDefault}, Run: setup.Spec{
		Plan: loadgen.Plan{Duration: 2 * time.Second, Groups: []loadgen.Group{{
			Name: "run", RateFrom: 500, RateTo: 500, ConnectTimeout: time.Second, RequestTimeout: time.Second, CloseTimeout: time.Second,
		}}},
		Server: &setup.Server{}, Sandbox: &sandbox.Spec{Topology: sandbox.Veth},
	}}
	for _, v := range vary {
		f, err := ParseFactor(v, testSysctls)
		if err != nil {
			t.Fatal(err)
		}
		s.Factors = append(s.Factors, f)
	}
	return s
}

func resolved(t *testing.T, s Spec) *Setup {
	t.Helper()
	r, err := Resolve(s, testFacts())
	if err != nil {
		t.Fatal(err)
	}
	return &r
}

// result is a run that met its rate.
func result(s *setup.Setup) *record.Run {
	g := &s.Plan.Groups[0]
	n := int64(g.RateTo * s.Plan.Duration.Seconds())
	r := &record.Run{Kind: record.KindRun, Plan: s.Record, LoadS: s.Plan.Duration.Seconds(), Sandbox: record.Sandbox{Mode: "user", Topology: string(s.Sandbox.Topology)}}
	r.Connections = record.Connections{Scheduled: n, Attempted: n, Opened: n, Completed: n}
	r.Rate = record.Rate{OpenedPerS: g.RateTo, CompletedPerS: g.RateTo, TargetPerS: g.RateTo}
	r.Verdict = record.Verdict{Valid: true, LimitedBy: record.LimitTarget}
	return r
}

// Every cell that can run does so once a block, the base twice, as many side by side as may be, and what each had is in the record.
func TestRun(t *testing.T) {
	if r := resolved(t, testSpec(t, "close=client:fin,both:fin", "on-eof=close,rst")); r.Cells[2].Refused != "" || r.Cells[3].Refused == "" {
		t.Errorf("both:fin is refused with an ordinary reaction (%q), or not with another (%q)", r.Cells[2].Refused, r.Cells[3].Refused)
	}
	s := testSpec(t, "tcp_tw_reuse=0,1", "close=client:fin,server:rst,client:unread", "exchange=echo:1,1;none")
	r := resolved(t, s)
	refused := 0
	for _, c := range r.Cells {
		if c.Refused != "" {
			refused++
			if c.Levels[1] != "client:unread" || c.Levels[2] != "none" {
				t.Errorf("%v was refused: %s", c.Levels, c.Refused)
			}
		}
	}
	if refused != 2 || len(r.Cells) != 12 || len(r.Order) != 2*11 {
		t.Errorf("%d of %d cells are refused, %d runs", refused, len(r.Cells), len(r.Order))
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		going, most := 0, 0
		x := newRunner(r, func(p Progress) {
			if p.Going > r.Limits.Runs || p.Done+p.Going > p.All {
				t.Errorf("%+v", p)
			}
		})
		x.load = func(_ context.Context, s setup.Setup) measured {
			mu.Lock()
			going++
			most = max(most, going)
			mu.Unlock()
			time.Sleep(s.Plan.Duration)
			mu.Lock()
			going--
			mu.Unlock()
			return measured{run: result(&s)}
		}
		runs := x.all(t.Context())
		count := map[sweep.Slot]int{}
		for _, run := range runs {
			count[sweep.Slot{Cell: run.Cell, Block: run.Block, Position: run.Position, Twin: run.Twin}]++
			if run.Values["rate.completed"] != 500 || run.LimitedBy != record.LimitTarget || !run.Valid || run.Error != "" {
				t.Errorf("%+v", run)
			}
		}
		for _, slot := range r.Order {
			if count[slot] != 1 {
				t.Errorf("%+v ran %d times", slot, count[slot])
			}
		}
		if most < 2 || most > r.SideBySide() {
			t.Errorf("%d at once, may be %d", most, r.SideBySide())
		}
		rec := x.assemble(runs)
		if rec.Sandbox.Topology != "veth" || len(rec.Sweep.Runs) != len(r.Order) || rec.Sweep.Cells[0].Plan != nil {
			t.Errorf("%+v, %d runs", rec.Sandbox, len(rec.Sweep.Runs))
		}
		b, err := record.Marshal(rec, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := record.Read(strings.NewReader(string(b))); err != nil {
			t.Error(err)
		}
	})
}

// A cell that crashes is a run with its reason. An interruption keeps what has ended, and the record can be resumed: the rest is run, and the
// crashed cell again.
func TestInterruptAndResume(t *testing.T) {
	s := testSpec(t, "tcp_tw_reuse=0,1,2")
	s.Parallel = 1
	r := resolved(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	crash := r.Order[1]
	n := 0
	x := newRunner(r, func(Progress) {})
	x.load = func(_ context.Context, s setup.Setup) measured {
		switch n++; n {
		case 2:
			return measured{err: errors.New("it fell over")}
		case 5:
			cancel()
			run := result(&s)
			run.Interrupted = true
			return measured{run: run}
		}
		return measured{run: result(&s)}
	}
	runs := x.all(ctx)
	if len(runs) != 4 || runs[1].Error != "it fell over" || runs[1].Cell != crash.Cell || runs[1].Values != nil {
		t.Fatalf("%d runs, the second is %+v", len(runs), runs[1])
	}
	b, err := record.Marshal(x.assemble(runs), "")
	if err != nil {
		t.Fatal(err)
	}
	old, err := record.Read(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}

	again := resolved(t, s)
	if err := again.CheckResume(old); err != nil {
		t.Fatal(err)
	}
	left := again.left()
	if len(left) != len(r.Order)-3 || left[0] != crash {
		t.Errorf("%d runs are left, of which the first is %+v", len(left), left[0])
	}
	if !strings.Contains(again.Describe(), "5 runs of 3 cells in 2 blocks, 3 more are done") {
		t.Error(again.Describe())
	}
	x = newRunner(again, func(Progress) {})
	x.load = func(_ context.Context, s setup.Setup) measured { return measured{run: result(&s)} }
	whole := x.assemble(x.all(t.Context()))
	if len(whole.Sweep.Runs) != len(r.Order) || slices.ContainsFunc(whole.Sweep.Runs, func(r record.SweepRun) bool { return r.Error != "" }) {
		t.Errorf("%d runs", len(whole.Sweep.Runs))
	}
	if whole.Sandbox.Topology != "veth" {
		t.Errorf("the sandbox is %+v", whole.Sandbox)
	}
}

// Only the same sweep goes on.
func TestCheckResume(t *testing.T) {
	saved := func(change func(*Spec), changeFacts func(*Facts), edit func(*record.Run)) *record.Run {
		s, f := testSpec(t, "tcp_tw_reuse=0,1"), testFacts()
		if change != nil {
			change(&s)
		}
		if changeFacts != nil {
			changeFacts(&f)
		}
		r, err := Resolve(s, f)
		if err != nil {
			t.Fatal(err)
		}
		run := r.record()
		run.Sweep.Analysis = sweep.Analyse(run.Sweep)
		b, err := json.Marshal(run)
		if err == nil {
			run = new(record.Run)
			err = json.Unmarshal(b, run)
		}
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			edit(run)
		}
		return run
	}
	for _, tt := range []struct {
		old  *record.Run
		want string
	}{
		{saved(nil, nil, nil), ""},
		{saved(nil, nil, func(r *record.Run) { r.Plan.Command = []string{"x"} }), ""},
		{saved(nil, nil, func(r *record.Run) { r.Kind = record.KindDrain }), "--resume: this record is of a drain: want one of a sweep"},
		{saved(func(s *Spec) { s.Seed = 8 }, nil, nil), "--resume: it is another sweep: --seed was 8 and is 7:"},
		{saved(func(s *Spec) { s.Blocks = 3 }, nil, nil), "--resume: it is another sweep: --blocks was 3 and is 2:"},
		{saved(func(s *Spec) { s.Factors[0].Levels = []string{"0", "2"} }, nil, nil), "--resume: it is another sweep: the factors was tcp_tw_reuse=0;2 and is tcp_tw_reuse=0;1:"},
		{saved(func(s *Spec) { s.Run.Plan.Groups[0].Hold = time.Second }, nil, nil), "--resume: it is another sweep: plan.groups[0].hold_ns differs:"},
		{saved(func(s *Spec) { s.Run.Plan.Duration++ }, nil, nil), "--resume: it is another sweep: plan.duration_ns differs:"},
		{saved(func(s *Spec) { s.Run.Sandbox.Sysctls = []sandbox.Sysctl{{Key: "net.ipv4.tcp_fin_timeout", Value: "9"}} }, nil, nil), "--resume: it is another sweep: --sysctl net.ipv4.tcp_fin_timeout was 9 and is not given:"},
		{saved(func(s *Spec) { s.Run.Sandbox.Loss = 0.01 }, nil, nil), "--resume: it is another sweep: --loss was 1% and is not given:"},
		{saved(func(s *Spec) { s.Run.Sandbox.Topology = sandbox.Lo }, nil, nil), "--resume: it is another sweep: --topology was lo and is veth:"},
		{saved(func(s *Spec) { s.Run.Server.Delay = 5 * time.Millisecond }, nil, nil), "--resume: it is another sweep: --delay was 5ms and is not given:"},
		{saved(func(s *Spec) { s.Run.Server.Backlog = 7 }, nil, nil), "--resume: it is another sweep: --backlog was 7 and is not given:"},
		{saved(func(s *Spec) { s.Run.Server.Listeners = 2 }, nil, nil), "--resume: it is another sweep: --listeners was 2 and is not given:"},
		{saved(func(s *Spec) { s.Run.Server.V6 = true }, nil, nil), "--resume: it is another sweep: --ipv6 was true and is not given:"},
		{saved(func(s *Spec) { s.Run.Interval = 2 * time.Second }, nil, nil), "--resume: it is another sweep: --interval was 2s and is not given:"},
		{saved(func(s *Spec) { s.Run.Settle = time.Second }, nil, nil), "--resume: it is another sweep: --settle was 1s and is not given:"},
		{saved(func(s *Spec) { s.Run.Census = "proc" }, nil, nil), "--resume: it is another sweep: --census was proc and is not given:"},
		{saved(func(s *Spec) { s.Goal.Allow = 0.5 }, nil, nil), "--resume: it is another sweep: --allow was 0.5 and is 0:"},
		{saved(nil, nil, func(r *record.Run) { r.Sweep.Thresholds = []string{"connect.p99<1us"} }), "--resume: it is another sweep: --threshold was [connect.p99<1us] and is []:"},
		{saved(func(s *Spec) { s.Run.Server.Backlog = 7 }, nil, func(r *record.Run) { r.Sweep.Settings = nil }), ""},
		{saved(nil, nil, func(r *record.Run) { r.Sweep.Settings, r.Sweep.Allow = nil, 0.5 }), ""},
		{saved(nil, nil, func(r *record.Run) { r.Sweep.Settings, r.Sweep.Thresholds = nil, []string{"connect.p99<1us"} }), ""},
		{saved(nil, func(f *Facts) { f.Run.Host.Kernel = "6.1" }, nil), "--resume: it is another sweep: the kernel was 6.1 and is 6.18:"},
		{saved(nil, func(f *Facts) { f.Base.Sysctls = map[string]string{"net.ipv4.tcp_fin_timeout": "9"} }, nil), "--resume: it is another sweep: the base's sysctls was"},
		{saved(nil, nil, func(r *record.Run) { r.Hosts = nil }), "--resume: this record is incomplete"},
		{saved(nil, nil, func(r *record.Run) { r.Sweep.Cells = r.Sweep.Cells[:1] }), "--resume: this record is incomplete"},
	} {
		got := ""
		if err := resolved(t, testSpec(t, "tcp_tw_reuse=0,1")).CheckResume(tt.old); err != nil {
			got = err.Error()
		}
		if got != tt.want && (tt.want == "" || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// What can run in no cell, or not in the base, is refused.
func TestResolveRefuses(t *testing.T) {
	for _, tt := range []struct {
		vary   []string
		change func(*Spec)
		want   string
	}{
		{[]string{"close=client:fin,client:unread"}, func(s *Spec) {}, "--vary close=client:unread: --close client:unread: needs an --exchange"},
		{[]string{"exchange=none,echo:1,1", "close=client:unread,client:fin"}, func(s *Spec) {}, "--vary exchange=none close=client:unread: the first level of each factor is the base, and it cannot run: --close client:unread"},
		{[]string{"sources=1,127.0.0.9"}, func(s *Spec) {}, "--vary sources=127.0.0.9: --source 127.0.0.9: a loopback address cannot reach a server across a veth pair"},
		{[]string{"connections=10,100M"}, func(s *Spec) { s.Run.Plan.Groups[0].RateTo, s.Run.Plan.Groups[0].RateFrom = 0, 0 }, "--vary connections=100M: --connections 100,000,000: needs"},
		{[]string{"on-eof=delay=1s,rst", "close=client:fin,both:fin"}, func(s *Spec) {}, "--vary close=both:fin: --on-eof delay=1s: with --close both:fin no side reads EOF"},
		{[]string{"backlog=1,2"}, func(s *Spec) { s.Run.Plan.Duration = -1 }, "--duration"},
		{[]string{"backlog=1,2"}, func(s *Spec) { s.Blocks = 0 }, "--blocks 0: want 1 to 1000"},
		{[]string{"backlog=1,2"}, func(s *Spec) { s.Parallel = 99 }, "--parallel 99: want auto, or 1 to 64"},
		{[]string{"backlog=1,2"}, func(s *Spec) { s.Seed = 1 << 60 }, "--seed 1152921504606846976: want a number below 2^53"},
		{[]string{"rate=1,2"}, func(s *Spec) { s.Find = record.FindRate }, "--vary rate: --find rate searches for it"},
		{nil, func(s *Spec) {}, "--vary: want at least one"},
		{[]string{"backlog=1,2"}, func(s *Spec) { s.Run.Plan.Groups[0].RateTo = 10e6 }, "--rate 500..10M: 2 CPUs cannot start so many connections/s: want at most 500k"},
	} {
		s := testSpec(t, tt.vary...)
		tt.change(&s)
		_, err := Resolve(s, testFacts())
		if got := fmt.Sprint(err); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%v: %q, want %q", tt.vary, got, tt.want)
		}
	}
}

// A sweep of days is a mistake, unless it is asked for.
func TestConsentToTime(t *testing.T) {
	s := testSpec(t, "hold=0s,10h")
	s.Blocks = 3
	if _, err := Resolve(s, testFacts()); err == nil || !strings.HasPrefix(err.Error(), "--blocks 3: 9 runs of 2 cells in 3 blocks take about 30 hours: want at most 24 ") {
		t.Error(err)
	}
	s.Consent = true
	if _, err := Resolve(s, testFacts()); err != nil {
		t.Error(err)
	}
}

// A sandbox begins with the sysctls of the base, over which stands what is asked for, and over that what is varied.
func TestBaseSysctls(t *testing.T) {
	s, f := testSpec(t, "tcp_tw_reuse=0,1"), testFacts()
	f.Base.Sysctls = map[string]string{"net.ipv4.tcp_tw_reuse": "2", "net.ipv4.tcp_fin_timeout": "9", portRange: "500 600", "net.ipv4.ip_unprivileged_port_start": "80"}
	s.Run.Sandbox.Sysctls = []sandbox.Sysctl{{Key: "net.ipv4.tcp_fin_timeout", Value: "5"}}
	r, err := Resolve(s, f)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(r.Cells[1].Setup.Sandbox.Sysctls)
	want := "[net.ipv4.ip_unprivileged_port_start=80 net.ipv4.tcp_fin_timeout=5 net.ipv4.tcp_tw_reuse=1 net.ipv4.ip_local_port_range=500 600]"
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if n := len(r.Cells[1].Setup.Plan.Groups[0].Sources); n != 0 || r.Cells[1].Setup.NeedsSandbox == "" {
		t.Errorf("%d sources, needs %q", n, r.Cells[1].Setup.NeedsSandbox)
	}
}

func TestParseConf(t *testing.T) {
	got, err := ParseConf(strings.NewReader("# comment\n; another\n\nnet.ipv4.tcp_fin_timeout = 10\n -net/ipv4/tcp_rmem= 4096 131072\t6291456 \nkernel.panic=1\n-net.ipv4.conf.all.x\nnet.ipv4.conf.*.rp_filter=1\nnet.ipv4.tcp_fin_timeout=20\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Setting{{"net/ipv4/tcp_rmem", "4096 131072\t6291456", true}, {"kernel.panic", "1", false}, {"net.ipv4.conf.*.rp_filter", "1", false}, {"net.ipv4.tcp_fin_timeout", "20", false}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	refused := record.SweepBase{Refused: map[string]string{}}
	b := Base{From: FromFile, Settings: got}
	list, err := b.wanted(&refused)
	if err != nil || fmt.Sprint(list) != "[net.ipv4.tcp_fin_timeout=20 net.ipv4.tcp_rmem=4096 131072\t6291456]" {
		t.Errorf("%v, %v", list, err)
	}
	if d := cmp.Diff([]string{"kernel.panic", "net.ipv4.conf.*.rp_filter"}, slices.Sorted(maps.Keys(refused.Refused))); d != "" {
		t.Error(d)
	}
	for text, want := range map[string]string{
		"x":            `line 1, "x": want KEY = VALUE`,
		"\n=1":         `line 2, "=1": want KEY = VALUE`,
		"a =":          `line 1, "a =": want KEY = VALUE`,
		"a b = 1":      `line 1, "a b = 1": want KEY = VALUE`,
		"a\x00b = 1":   `line 1, "a\x00b = 1": want KEY = VALUE`,
		"[Service]\nx": `line 1, "[Service]": want KEY = VALUE`,
	} {
		if _, err := ParseConf(strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseConf(f *testing.F) {
	f.Add("a = b\n#c\n-d=e\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseConf(strings.NewReader(text))
		if err != nil {
			return
		}
		var again strings.Builder
		for _, s := range list {
			if s.MayFail {
				again.WriteString("-")
			}
			fmt.Fprintf(&again, "%s = %s\n", s.Key, s.Value)
		}
		if got, err := ParseConf(strings.NewReader(again.String())); err != nil || !cmp.Equal(list, got) {
			t.Errorf("%q is %+v, which is read as %+v (%v)", text, list, got, err)
		}
	})
}
