package drain

import (
	"slices"
	"time"

	"lastack/bench"
	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/bench/verdict"
	"lastack/loadgen"
)

// record makes the drain's record.
func (x *experiment) record() (*record.Run, error) {
	r := &record.Run{
		Schema: record.Schema, Version: x.Version, Kind: record.KindDrain,
		Started:     x.started,
		ElapsedS:    time.Since(x.started).Seconds(),
		LoadS:       x.loading.Seconds(),
		Interrupted: x.interrupted,
		Sandbox:     x.sandbox,
		Hosts:       []record.Host{bench.RecordHost(x.facts)},
		Drain:       &record.Drain{Stop: x.recordStop(), Tries: x.tries},
		Warnings:    []string{},
	}
	plan := x.plan(x.target)
	r.Plan = x.Record
	r.Plan.DurationNs = 0 // until the server is gone
	r.Plan.Engine, r.Plan.Probed = x.engine, int(x.probed)
	r.Plan.Groups = slices.Clone(r.Plan.Groups)
	for i := range r.Plan.Groups {
		r.Plan.Groups[i].Targets = []string{x.target.String()}
	}
	var err error
	all := loadgen.Result{Groups: x.total}
	total := all.Total()
	if r.Result, err = bench.Result(&total, r.LoadS, plan.Groups); err != nil {
		return nil, err
	}
	for i := range x.total {
		one, err := bench.Result(&x.total[i], r.LoadS, plan.Groups[i:i+1])
		if err != nil {
			return nil, err
		}
		r.Groups = append(r.Groups, record.GroupResult{Name: plan.Groups[i].Name, Result: one})
	}
	r.Verdict = verdict.Judge(r)
	return r, nil
}

func (c *Spec) recordStop() record.DrainStop {
	s := &c.Stop
	r := record.DrainStop{
		Way: record.DrainByPID, PID: s.PID, AfterS: s.After.Seconds(), GraceS: s.Grace.Seconds(),
		Restart: s.Restart, Handover: s.Handover, Repeat: c.Repeat, Also: c.Also,
	}
	if s.Then > 0 {
		r.Then = process.SignalName(s.Then)
	}
	switch {
	case s.Hook != "":
		r.Way, r.Command, r.Exec = record.DrainByHook, []string{s.Hook}, s.Exec
		return r
	case len(s.Exec) > 0:
		r.Way, r.Command = record.DrainByExec, s.Exec
	}
	r.Signal = process.SignalName(s.Signal)
	return r
}
