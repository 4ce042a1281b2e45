package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastack/bench/record"
	"lastack/bench/sweep"
	"lastack/report/text"
	"lastack/sockstate/socktest/golden"
)

// sweepOf makes a sweep of two factors, with the rates that the kernel's facts predict for ports and reuse across veth, and its true analysis.
func sweepOf(blocks int, change func(cell []string, run *record.SweepRun)) *record.Run {
	random := rand.New(rand.NewPCG(1, 1))
	s := &record.Sweep{
		Factors: []record.Factor{{Key: "net.ipv4.tcp_tw_reuse", Levels: []string{"0", "2", "1"}}, {Key: "sources", Levels: []string{"1", "2"}}},
		Base:    record.SweepBase{From: "host", Sysctls: map[string]string{"net.ipv4.tcp_fin_timeout": "30"}},
		Blocks:  blocks, Seed: 7, Parallel: 2, ExpectedS: 95,
	}
	for _, reuse := range s.Factors[0].Levels {
		for _, sources := range s.Factors[1].Levels {
			s.Cells = append(s.Cells, record.SweepCell{Levels: []string{reuse, sources}})
		}
	}
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for _, slot := range sweep.Order(make([]sweep.Cost, len(s.Cells)), blocks, s.Seed) {
		at = at.Add(10 * time.Second)
		cell := s.Cells[slot.Cell].Levels
		n, err := strconv.Atoi(cell[1])
		if err != nil {
			panic(err)
		}
		noise := func(v float64) float64 { return v * (1 + 0.01*random.NormFloat64()) }
		run := record.SweepRun{
			Cell: slot.Cell, Block: slot.Block, Position: slot.Position, Twin: slot.Twin, Started: at, ElapsedS: 10, Valid: true, LimitedBy: record.LimitPorts,
			Values: map[string]float64{"rate.completed": noise(462.7 * float64(n)), "failed_ratio": noise(0.4), "lifecycle.p50": noise(210)},
		}
		if cell[0] == "1" {
			run.LimitedBy, run.Valid = record.LimitCPU, false
			run.Values["rate.completed"], run.Values["failed_ratio"], run.Values["lifecycle.p50"] = noise(14_200), 0, noise(310)
		}
		if change != nil {
			change(cell, &run)
		}
		s.Runs = append(s.Runs, run)
	}
	s.Analysis = sweep.Analyse(s)
	r := &record.Run{
		Schema: record.Schema, Version: "devel", Kind: record.KindSweep, Started: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC), ElapsedS: 100, Sweep: s,
		Plan: record.Plan{
			Groups:     []record.Group{{Name: "run", Targets: []string{"10.213.0.2:8080"}, RateFrom: 20_000, RateTo: 20_000, Close: "client:fin", OnEOF: "close", Exchange: "echo:1,1"}},
			DurationNs: 10e9, ServerWorkers: 2, Command: []string{"lastack", "sweep", "--vary", "tcp_tw_reuse=0,2,1"},
		},
		Sandbox: record.Sandbox{Mode: "user", Topology: "veth"}, Hosts: []record.Host{{Kernel: "6.18.0", CPUs: 2}}, Warnings: []string{},
	}
	return r
}

func TestSweepPages(t *testing.T) {
	flat := func(_ []string, run *record.SweepRun) {
		run.Values["rate.completed"], run.LimitedBy = 500+10*float64(run.Position%3), record.LimitTarget
		run.Values["failed_ratio"], run.Values["lifecycle.p50"] = 0, 200+float64(run.Position%3)
	}
	for _, tt := range []struct {
		name   string
		blocks int
		change func(cell []string, run *record.SweepRun)
		edit   func(*record.Run)
	}{
		{"differs", 5, nil, nil},
		{"same", 5, flat, nil},
		{"few", 1, nil, nil},
		{"twin", 6, func(_ []string, run *record.SweepRun) {
			if run.Twin {
				run.Values["rate.completed"] *= 1.2
			}
		}, nil},
		{"holes", 4, func(cell []string, run *record.SweepRun) {
			if cell[0] == "2" && cell[1] == "2" {
				*run = record.SweepRun{Cell: run.Cell, Block: run.Block, Position: run.Position, Started: run.Started, Error: "the sandbox ended: no memory"}
			}
		}, func(r *record.Run) {
			r.Interrupted = true
			r.Sweep.Cells[5].Refused = "sources=2 needs 2 addresses"
		}},
	} {
		r := sweepOf(tt.blocks, tt.change)
		if tt.edit != nil {
			tt.edit(r)
		}
		first := string(show(t, View{Format: "text"}, r))
		if n := strings.Count(first, "\n"); n > 40 {
			t.Errorf("%s: the first page has %d lines", tt.name, n)
		}
		golden.Check(t, filepath.Join("testdata", "sweep_"+tt.name+".txt"), first)
		checkFormats(t, r)
	}
	r := sweepOf(5, nil)
	golden.Check(t, filepath.Join("testdata", "sweep_differs_v.txt"), string(show(t, View{Format: "text", Verbose: true}, r)))
	// Without a golden: the last digits are those of a processor.
	rows, err := csv.NewReader(bytes.NewReader(show(t, View{Format: "csv"}, r))).ReadAll()
	if err != nil || len(rows) != 1+len(r.Sweep.Cells) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	m := &r.Sweep.Analysis.Metrics[0]
	for c, row := range rows[1:] {
		for i, head := range rows[0] {
			want, of := map[string]string{
				"tcp_tw_reuse": r.Sweep.Cells[c].Levels[0], "sources": r.Sweep.Cells[c].Levels[1], "median_per_s": text.Exact(m.Levels[c].Median),
				"limited_by": r.Sweep.Analysis.Cells[c].LimitedBy, "runs": strconv.Itoa(m.Levels[c].N),
			}[head]
			if of && row[i] != want {
				t.Errorf("cell %d: %s is %q, want %q", c, head, row[i], want)
			}
		}
	}
	golden.Check(t, filepath.Join("testdata", "sweep_differs.md"), string(show(t, View{Format: "md"}, r)))
}

// The page of a search says what a rate must meet to count as sustained.
func TestSustainedIsSaid(t *testing.T) {
	for _, tt := range []struct {
		allow      float64
		thresholds []string
		want       string
	}{
		{0, nil, ""},
		{0.001, nil, "if at most 0.1 % fail"},
		{0, []string{"connect.p99<5ms"}, "if none fails, connect.p99<5ms"},
		{0.01, []string{"connect.p99<5ms", "close.p99<1s"}, "if at most 1 % fail, connect.p99<5ms, close.p99<1s"},
	} {
		r := sample(t, "sweep-found")
		r.Sweep.Allow, r.Sweep.Thresholds = tt.allow, tt.thresholds
		got := ""
		for line := range strings.Lines(string(show(t, View{Format: "text"}, r))) {
			if name, text, _ := strings.Cut(strings.TrimSpace(line), " "); name == "sustained" {
				got = strings.TrimSpace(text)
			}
		}
		if got != tt.want {
			t.Errorf("allow %v, thresholds %v: %q, want %q", tt.allow, tt.thresholds, got, tt.want)
		}
	}
}

// A grid that is too large for a page has the first rows on it.
func TestLargeSweepPage(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	s := &record.Sweep{Blocks: 3, Parallel: 1, Base: record.SweepBase{From: "host"}}
	for f, n := range []int{25, 8, 2} {
		factor := record.Factor{Key: fmt.Sprintf("net.ipv4.a_rather_long_name_of_factor_%d", f)}
		for l := range n {
			factor.Levels = append(factor.Levels, strconv.Itoa(l))
		}
		s.Factors = append(s.Factors, factor)
	}
	for _, a := range s.Factors[0].Levels {
		for _, b := range s.Factors[1].Levels {
			s.Cells = append(s.Cells, record.SweepCell{Levels: []string{a, b, "0"}}, record.SweepCell{Levels: []string{a, b, "1"}})
		}
	}
	for _, slot := range sweep.Order(make([]sweep.Cost, len(s.Cells)), s.Blocks, 1) {
		s.Runs = append(s.Runs, record.SweepRun{
			Cell: slot.Cell, Block: slot.Block, Position: slot.Position, Twin: slot.Twin, Valid: true, LimitedBy: record.LimitTarget,
			Values: map[string]float64{"rate.completed": 100 + float64(slot.Cell) + random.Float64()},
		})
	}
	s.Analysis = sweep.Analyse(s)
	checkFormats(t, &record.Run{Schema: record.Schema, Kind: record.KindSweep, Sweep: s})
}

// A record of a sweep without an analysis, or with parts of one, has a page too.
func TestSweepWithoutAnalysis(t *testing.T) {
	r := sweepOf(2, nil)
	r.Sweep.Analysis.Metrics[0].Spread = nil // of one run for each cell
	checkFormats(t, r)
	r.Sweep.Analysis = nil
	checkFormats(t, r)
	checkFormats(t, &record.Run{Schema: record.Schema, Kind: record.KindSweep, Sweep: &record.Sweep{Cells: []record.SweepCell{{}}}})
	if page := string(show(t, View{Format: "text"}, r)); !strings.Contains(page, "not analysed") {
		t.Error(page)
	}
}

// Hostile texts and odd numbers are shown as what they are, in every format.
func TestHostileSweep(t *testing.T) {
	for i, hostile := range []string{"\"'><img src=x onerror=alert(1)></svg><!--{{.}}", "a\u202eb\x00g\x1b[31mh\r\nj\xff", "=1|+`1` *x* <b> @x", ""} {
		for seed := range uint64(4) {
			r := sweepOf(2, nil)
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			a := r.Sweep.Analysis
			for m := range a.Metrics {
				fill(rng, reflect.ValueOf(&a.Metrics[m].Log).Elem())
				fill(rng, reflect.ValueOf(&a.Metrics[m].Twin).Elem())
				fill(rng, reflect.ValueOf(&a.Metrics[m].Levels[rng.IntN(6)]).Elem())
				fill(rng, reflect.ValueOf(&a.Metrics[m].Cells[rng.IntN(6)]).Elem())
				fill(rng, reflect.ValueOf(&a.Metrics[m].Effects[0].SweepDifference).Elem())
			}
			fill(rng, reflect.ValueOf(&r.Sweep.Runs[3].Found).Elem())
			fill(rng, reflect.ValueOf(&r.Sweep.Scale).Elem())
			fill(rng, reflect.ValueOf(&a.Cells[1]).Elem())
			taint(reflect.ValueOf(r).Elem(), hostile)
			r.Kind = record.KindSweep
			for c := range a.Claims { // a record with other lists is refused when it is read
				a.Claims[c].List = record.SweepCells
				a.Claims[c].Index %= len(r.Sweep.Cells)
			}
			checkFormats(t, r)
		}
	}
}

// Each line of the jsonl format is a run, the last one the rest.
func TestSweepLines(t *testing.T) {
	r := sweepOf(2, nil)
	lines := strings.Split(strings.TrimSpace(string(show(t, View{Format: "jsonl"}, r))), "\n")
	if n := len(r.Sweep.Runs) + 1; len(lines) != n || !strings.HasPrefix(lines[0], `{"run":1,`) {
		t.Fatalf("%d lines, want %d, the first %.60s", len(lines), n, lines[0])
	}
	rest, err := record.Read(bytes.NewReader([]byte(lines[len(lines)-1])))
	if err != nil || len(rest.Sweep.Runs) > 0 || rest.Sweep.Analysis == nil {
		t.Errorf("%v, %+v", err, rest)
	}
}
