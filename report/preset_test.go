package report

import (
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"lastack/bench/preset"
	"lastack/bench/record"
	"lastack/bench/sweep"
	"lastack/sockstate/socktest/golden"
)

// presetOf is a sweep of the preset close-policy in one block, with the values that were seen on Linux 6.18, judged.
func presetOf(change func(close string, run *record.SweepRun)) *record.Run {
	p, _ := preset.Named("close-policy")
	r := sweepOf(1, nil)
	s := r.Sweep
	key, levels, _ := strings.Cut(p.Vary[0], "=")
	s.Factors = []record.Factor{{Key: key, Levels: strings.Split(levels, ",")}}
	s.Base, s.Cells, s.Runs = record.SweepBase{From: "default"}, nil, nil
	for _, level := range s.Factors[0].Levels {
		s.Cells = append(s.Cells, record.SweepCell{Levels: []string{level}})
	}
	for _, slot := range sweep.Order(make([]sweep.Cost, len(s.Cells)), 1, s.Seed) {
		level := s.Cells[slot.Cell].Levels[0]
		run := record.SweepRun{
			Cell: slot.Cell, Block: slot.Block, Position: slot.Position, Twin: slot.Twin, ElapsedS: 10, Valid: true, LimitedBy: record.LimitTarget, Started: time.Unix(1e9, 0).UTC(),
			Values: map[string]float64{"connections.completed": 3000, "time_wait.entered": 3000, "lag.max": 900},
		}
		switch {
		case strings.HasSuffix(level, "rst"):
			run.Values["time_wait.entered"] = 0
		case strings.HasPrefix(level, "client"):
			run.Values["connections.completed"], run.Values["time_wait.entered"], run.LimitedBy = 500, 500, record.LimitPorts
		}
		if change != nil {
			change(level, &run)
		}
		s.Runs = append(s.Runs, run)
	}
	s.Analysis = sweep.Analyse(s, p.Metrics()...)
	p.Answer(r)
	r.Plan.Groups[0].RateFrom, r.Plan.Groups[0].RateTo = 300, 300
	r.Plan.Command = []string{"lastack", "sweep", "--preset", "close-policy", "--blocks", "1"}
	return r
}

// The page of a preset begins with its answer; what the statistics say is in the whole report.
func TestPresetPages(t *testing.T) {
	for name, change := range map[string]func(string, *record.SweepRun){
		"predicted": nil,
		"otherwise": func(close string, run *record.SweepRun) {
			if close == "server:fin" {
				run.Values["connections.completed"], run.Values["time_wait.entered"] = 2990, 2990
			}
		},
		"busy": func(close string, run *record.SweepRun) {
			if close == "client:rst" {
				run.Values["connections.completed"], run.Values["lag.max"] = 2871, 4.2e6
			}
		},
		"missing": func(close string, run *record.SweepRun) {
			if close == "server:rst" {
				run.Values, run.Error = nil, "the sandbox ended: no memory"
			}
		},
	} {
		r := presetOf(change)
		first := string(show(t, View{Format: "text"}, r))
		if n := strings.Count(first, "\n"); n > 40 || strings.Contains(first, "ANSWER") {
			t.Errorf("%s: %d lines: %s", name, n, first)
		}
		golden.Check(t, filepath.Join("testdata", "preset_"+name+".txt"), first)
		checkFormats(t, r)
	}
	r := presetOf(nil)
	golden.Check(t, filepath.Join("testdata", "preset_predicted_v.txt"), string(show(t, View{Format: "text", Verbose: true}, r)))
	golden.Check(t, filepath.Join("testdata", "preset_predicted.csv"), string(show(t, View{Format: "csv"}, r)))
}

// Texts and numbers of a hostile record are shown as what they are, in every format.
func TestHostilePreset(t *testing.T) {
	for i, hostile := range []string{"\"'><img src=x onerror=alert(1)></svg><!--{{.}}", "a\u202eb\x00g\x1b[31mh\r\nj\xff", "=1|+`1` *x* <b> @x", ""} {
		for seed := range uint64(4) {
			r := presetOf(nil)
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			p := r.Sweep.Preset
			for j := range p.Predictions {
				cell := p.Predictions[j].Cell
				fill(rng, reflect.ValueOf(&p.Predictions[j]).Elem())
				p.Predictions[j].Cell = cell
			}
			taint(reflect.ValueOf(r).Elem(), hostile)
			r.Kind = record.KindSweep
			checkFormats(t, r)
		}
	}
}
