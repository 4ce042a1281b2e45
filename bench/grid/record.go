package grid

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"lastack/bench"
	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/bench/sweep"
)

// elapsed is how long the sweep has taken, in seconds, with what was done before.
func (x *runner) elapsed() float64 {
	s := time.Since(x.began).Seconds()
	if x.setup.Resume != nil {
		s += x.setup.Resume.ElapsedS
	}
	return s
}

// assemble makes the record of the runs, without their analysis.
func (x *runner) assemble(runs []record.SweepRun) *record.Run {
	s := x.setup
	run := s.record()
	run.Started, run.ElapsedS = x.began, x.elapsed()
	if s.Resume != nil {
		run.Started = s.Resume.Started
	}
	if box := x.boxes[0]; box != nil {
		run.Sandbox = *box
	}
	for i := range run.Sweep.Cells {
		if box := x.boxes[i]; box != nil && i > 0 && !reflect.DeepEqual(*box, run.Sandbox) {
			run.Sweep.Cells[i].Sandbox = box
		}
	}
	run.Sweep.Runs, run.Sweep.Unfinished = runs, x.unfinished
	return run
}

// record is the record of the sweep before its runs.
func (r *Setup) record() *record.Run {
	base := &r.Cells[0].Setup
	run := &record.Run{
		Schema: record.Schema, Version: base.Version, Kind: record.KindSweep,
		Plan: base.Record, Hosts: []record.Host{bench.RecordHost(&r.Facts.Run.Host)},
		Warnings: []string{},
		Sweep: &record.Sweep{
			Factors: r.Factors, Base: r.Facts.Base, Blocks: r.Blocks, Seed: r.Seed, Parallel: r.SideBySide(),
			ExpectedS: r.Expected().Seconds(), Find: r.Find, Allow: r.Goal.Allow, Settings: settings(&r.Spec.Run), Runs: []record.SweepRun{},
		},
	}
	for _, b := range r.Goal.Bounds {
		run.Sweep.Thresholds = append(run.Sweep.Thresholds, b.String())
	}
	if r.Scale > 0 {
		run.Sweep.Scale = r.Scale
	}
	if r.Find != "" {
		run.Plan = anyRate(run.Plan)
	}
	for i := range r.Cells {
		c := record.SweepCell{Levels: r.Cells[i].Levels, Refused: r.Cells[i].Refused}
		plan := r.Cells[i].Setup.Record
		if r.Find != "" {
			plan = anyRate(plan)
		}
		if i > 0 && c.Refused == "" && !reflect.DeepEqual(plan, run.Plan) {
			plan.Command = nil
			c.Plan = &plan
		}
		run.Sweep.Cells = append(run.Sweep.Cells, c)
	}
	return run
}

// settings are those that a plan lacks.
func settings(s *setup.Spec) map[string]string {
	m := make(map[string]string)
	set := func(flag string, value any, given bool) {
		if given {
			m[flag] = fmt.Sprint(value)
		}
	}
	if b := s.Sandbox; b != nil {
		set("--topology", b.Topology, b.Topology != "")
		set("--loss", b.Loss, b.Loss > 0)
		set("--nat-addresses", b.NAT.Addresses, b.NAT.Addresses > 0)
		set("--nat-ports", b.NAT.Ports, !b.NAT.Ports.IsZero())
		for _, c := range b.Sysctls {
			set("--sysctl "+c.Key, c.Value, true)
		}
	}
	if v := s.Server; v != nil {
		set("--backlog", v.Backlog, v.Backlog > 0)
		set("--delay", v.Delay, v.Delay > 0)
		set("--ipv6", v.V6, v.V6)
		set("--listeners", v.Listeners, v.Listeners > 0)
	}
	set("--census", s.Census, s.Census != "")
	set("--trace", s.Trace, s.Trace != "" && s.Trace != "off")
	set("--flush", s.Flush, s.Flush)
	set("--interval", s.Interval, s.Interval > 0)
	set("--settle", s.Settle, s.Settle > 0)
	return m
}

// anyRate is a plan without the rate and the duration, which a search chooses.
func anyRate(p record.Plan) record.Plan {
	p.Groups = slices.Clone(p.Groups)
	p.Groups[0].RateFrom, p.Groups[0].RateTo, p.DurationNs = 0, 0, 0
	return p
}

// Expected is how long the sweep should take, without what was done before.
func (r *Setup) Expected() time.Duration { return sweep.Expected(r.left(), r.Costs, r.Limits) }

// judge says whether the sweep is a statement about its factors.
func judge(s *record.Sweep) record.Verdict {
	v := record.Verdict{Valid: s.Analysis.Result != record.SweepCannotTell, LimitedBy: s.Analysis.Cells[0].LimitedBy, Reasons: []string{}}
	if v.LimitedBy == "" {
		v.Valid, v.LimitedBy = false, record.LimitUnknown
	}
	return v
}
