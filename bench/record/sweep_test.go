package record

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sweepSample makes a sweep of a run: two factors, one block with its twin, one cell that crashed and one that was refused.
func sweepSample(r *Run) *Run {
	c := *r
	at := func(v float64) *float64 { return &v }
	c.Kind = KindSweep
	c.Sweep = &Sweep{
		Factors: []Factor{{Key: "net.ipv4.tcp_tw_reuse", Levels: []string{"0", "1"}}, {Key: "sources", Levels: []string{"1", "2"}}},
		Base:    SweepBase{From: "host", Sysctls: map[string]string{"net.ipv4.tcp_fin_timeout": "30"}},
		Cells: []SweepCell{
			{Levels: []string{"0", "1"}},
			{Levels: []string{"1", "1"}, Plan: &Plan{Groups: []Group{{Name: "run", Close: "client:fin"}}}, Sandbox: &Sandbox{Mode: "user", Topology: "veth"}},
			{Levels: []string{"0", "2"}, Refused: "no memory"},
			{Levels: []string{"1", "2"}},
		},
		Blocks: 2, Seed: 1<<53 - 1, Parallel: 2, ExpectedS: 130, Find: FindRate, Scale: 0.1,
		Runs: []SweepRun{
			{Started: time.Unix(1764000001, 0).UTC(), Values: map[string]float64{"counters.TcpExtTW": -1, "rate.completed": 470}, Valid: true, LimitedBy: LimitPorts},
			{Position: 1, Twin: true, AtLeast: []string{"connect.p99"}, Outcomes: map[string]int64{"fin": 3}},
			{Cell: 1, Found: &FoundRate{PerS: 470, LoPerS: 469, HiPerS: 471, LimitedBy: LimitPorts, Tries: []FindTry{{OfferedPerS: 500, Failed: 3, Reason: "3 failed"}}}},
			{Cell: 3, Block: 1, Error: "the cell crashed"},
		},
		Analysis: &SweepAnalysis{
			Result: SweepDiffers, Alpha: 0.05, Tests: 3, P: at(0.01), Cells: make([]SweepOutcome, 4),
			Metrics: []SweepMetric{{
				Metric: "rate.completed", Unit: "per second", Log: true, Levels: make([]SweepLevel, 4),
				Cells:   []SweepDifference{{}, {Blocks: 1, Difference: at(-0.5), Lo: at(-0.6), Hi: at(-0.4), Result: SweepWorse}, {}, {}},
				Effects: []SweepEffect{{Of: []SweepFactorLevel{{Factor: 1, Level: 1}}}},
				Pairs:   []SweepEffect{{Of: []SweepFactorLevel{{Level: 1}, {Factor: 1, Level: 1}}}},
			}},
			Claims: []SweepClaim{{List: SweepCells, Index: 1}, {List: SweepEffects}, {List: SweepPairs}},
		},
	}
	return &c
}

func TestSweepCodec(t *testing.T) {
	want := sweepSample(sample(t))
	var b bytes.Buffer
	if err := Write(&b, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	a := got.Sweep.Analysis
	if d := a.At(a.Claims[0]); d.Result != SweepWorse {
		t.Errorf("the first claim is %+v", d)
	}
}

// A sweep whose parts do not fit each other is damaged: the key says where.
func TestSweepDamaged(t *testing.T) {
	for _, tt := range []struct {
		key  string
		edit func(*Sweep)
	}{
		{"sweep.cells", func(s *Sweep) { s.Cells = nil }},
		{"sweep.runs", func(s *Sweep) { s.Runs = make([]SweepRun, MaxSweepRuns+1) }},
		{"sweep.scale", func(s *Sweep) { s.Scale = 2 }},
		{"sweep.expected_s", func(s *Sweep) { s.ExpectedS = -1 }},
		{"sweep.factors[1]", func(s *Sweep) { s.Factors[1].Levels = nil }},
		{"sweep.cells[1].levels", func(s *Sweep) { s.Cells[1].Levels = []string{"0"} }},
		{"sweep.cells[1].levels", func(s *Sweep) { s.Cells[1].Levels[0] = "2" }},
		{"sweep.cells[0].levels", func(s *Sweep) { s.Cells[0].Levels[1] = "2" }},
		{"sweep.runs[0].cell", func(s *Sweep) { s.Runs[0].Cell = 4 }},
		{"sweep.runs[0].cell", func(s *Sweep) { s.Runs[0].Cell = -1 }},
		{"sweep.runs[1].block", func(s *Sweep) { s.Runs[1].Block = 2 }},
		{"sweep.runs[1].twin", func(s *Sweep) { s.Runs[1].Cell = 1 }},
		{"sweep.runs[2].found", func(s *Sweep) { s.Runs[2].Found.PerS = 400 }},
		{"sweep.runs[0].elapsed_s", func(s *Sweep) { s.Runs[0].ElapsedS = -1 }},
		{"sweep.analysis.cells", func(s *Sweep) { s.Analysis.Cells = nil }},
		{"sweep.analysis.metrics[0]", func(s *Sweep) { s.Analysis.Metrics[0].Levels = nil }},
		{"sweep.analysis.metrics[0]", func(s *Sweep) { s.Analysis.Metrics[0].Effects[0].Of = nil }},
		{"sweep.analysis.metrics[0]", func(s *Sweep) { s.Analysis.Metrics[0].Pairs[0].Of[1].Level = 2 }},
		{"sweep.analysis.metrics[0]", func(s *Sweep) { s.Analysis.Metrics[0].Effects[0].Of[0].Factor = 2 }},
		{"sweep.analysis.claims[0]", func(s *Sweep) { s.Analysis.Claims[0].Metric = 1 }},
		{"sweep.analysis.claims[1]", func(s *Sweep) { s.Analysis.Claims[1].Index = 1 }},
		{"sweep.analysis.claims[2]", func(s *Sweep) { s.Analysis.Claims[2].List = "rows" }},
	} {
		r := sweepSample(sample(t))
		tt.edit(r.Sweep)
		b, err := Marshal(r, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = Read(bytes.NewReader(b))
		f, ok := errors.AsType[*formatError](err)
		if !ok || f.Key != tt.key && f.Fault != faultTooLarge { // which names no key
			t.Errorf("%s: %v", tt.key, err)
		}
	}
	for in, key := range map[string]string{
		`{"schema":"lastack.run/v1","kind":"sweep"}`:                                       "sweep",
		`{"schema":"lastack.run/v1","kind":"sweep","sweep":{"seed":-1}}`:                   "sweep.seed",
		`{"schema":"lastack.run/v1","kind":"sweep","sweep":{"runs":[{"values":[]}]}}`:      "sweep.runs.values",
		`{"schema":"lastack.run/v1","kind":"sweep","sweep":{"cells":[{"levels":[]}]}}`:     "",
		`{"schema":"lastack.run/v1","kind":"tune"}`:                                        "tune",
		`{"schema":"lastack.run/v1","sweep":{"cells":[{}],"runs":[{"block":0,"cell":0}]}}`: "sweep.runs[0].block",
	} {
		_, err := Read(strings.NewReader(in))
		f, ok := errors.AsType[*formatError](err)
		if key == "" && err != nil || key != "" && (!ok || f.Key != key) {
			t.Errorf("%s: %v", in, err)
		}
	}
	r := sweepSample(sample(t))
	r.Sweep.Runs[0].Values["rate.completed"] = math.Inf(1)
	_, err := Marshal(r, "")
	if f, ok := errors.AsType[*formatError](err); !ok || f.Key != "sweep.runs[0].values.rate.completed" {
		t.Errorf("got %v", err)
	}
}

func TestSweepRedaction(t *testing.T) {
	r := sweepSample(sample(t))
	r.Sweep.Cells[1].Plan.Groups[0].Headers = []string{"X-Pin: 1234"}
	r.Sweep.Runs[3].Error = "lastack run -H 'Authorization: Bearer 1234'"
	r.Sweep.Runs[0].Findings = []Finding{{Code: "x", Args: map[string]any{"why": "http://me:1234@host/"}}}
	r.Redact()
	b, err := Marshal(r, "")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "1234") {
		t.Errorf("a secret is left in %s", b)
	}
}
