package drain

import (
	"context"
	"errors"
	"runtime"
	"time"

	"lastack/bench"
	"lastack/bench/host"
	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/verdict"
	"lastack/loadgen"
	"lastack/sockstate/sockio"
)

// experiment is a drain being carried out.
type experiment struct {
	Setup
	spec    Spec
	sandbox record.Sandbox
	emit    func(record.Event)
	backend sockio.Backend

	facts   *host.Facts
	started time.Time
	tries   []record.DrainTry
	total   []loadgen.GroupResult // by group, of all tries
	loading time.Duration
	engine  string
	stopped bool // by the user
	// back is the server that a restart brought, for the next try; nil where each try starts its own.
	back *process.Process
	also []*also
	// probed is the number of connections on which the server was listened to.
	probed int
}

// Run carries out a drain in the network namespace that it is called in, of which in tells; emit is called for each phase, on the
// goroutine of Run. When ctx is cancelled the try under way ends at once, and so does what it has started; what was measured until then
// is returned. A record may come together with an error: what could be saved of a drain that broke.
func Run(ctx context.Context, setup Setup, in record.Sandbox, emit func(record.Event)) (*record.Run, error) {
	x := &experiment{Setup: setup, spec: setup.Spec, sandbox: in, emit: emit, started: time.Now()}
	if x.sandbox.Mode == "" {
		x.sandbox.Mode = string(sandbox.Off)
	}
	if err := x.prepare(); err != nil {
		return nil, err
	}
	err := x.explain(x.startAlso(ctx), nil)
	for n := 0; err == nil && n < max(setup.Repeat, 1); n++ {
		if ctx.Err() != nil {
			x.stopped = true
			break
		}
		err = x.try(ctx, n)
	}
	if x.back != nil {
		err = errors.Join(err, x.back.End())
	}
	err = errors.Join(err, x.endAlso())
	if x.total == nil {
		if err == nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	run, aerr := x.assemble()
	return run, errors.Join(err, aerr)
}

// sandboxed reports whether the network namespace is the drain's own.
func (x *experiment) sandboxed() bool { return x.sandbox.Mode != string(sandbox.Off) }

func (x *experiment) prepare() (err error) {
	if x.facts, err = host.Read(); err != nil {
		return err
	}
	if x.backend, _, err = sockio.Choose(x.Engine); err != nil {
		return err
	}
	// With fewer, workers in system calls keep the watch from running.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), max(x.Workers, 1)+3))
	return nil
}

func (x *experiment) phase(n int, what string) {
	x.emit(record.Event{Phase: &record.Phase{Try: n + 1, Text: what}})
}

// try makes one try and keeps what it came to. The error is of a try that could not be made, or that broke.
func (x *experiment) try(ctx context.Context, n int) error {
	t := &try{x: x, spec: &x.spec, n: n}
	err := t.run(ctx)
	if t.ev.signal == 0 {
		var server *process.Process
		if t.target != nil {
			server = t.target.own()
		}
		err = x.explain(err, server)
	}
	x.stopped = x.stopped || ctx.Err() != nil
	if t.result == nil {
		return err
	}
	if t.ev.signal != 0 {
		x.tries = append(x.tries, t.record())
	}
	x.engine = t.result.Engine
	x.loading += t.result.Measured()
	if x.total == nil {
		x.total = t.result.Groups
		return err
	}
	for i := range x.total {
		x.total[i].Add(&t.result.Groups[i])
	}
	return err
}

// assemble fills the record.
func (x *experiment) assemble() (*record.Run, error) {
	c := &x.spec
	r := &record.Run{
		Schema: record.Schema, Version: c.Version, Kind: record.KindDrain,
		Started:     x.started,
		ElapsedS:    time.Since(x.started).Seconds(),
		LoadS:       x.loading.Seconds(),
		Interrupted: x.stopped,
		Sandbox:     x.sandbox,
		Hosts:       []record.Host{bench.RecordHost(x.facts)},
		Drain:       &record.Drain{Stop: c.recordStop(), Tries: x.tries},
		Warnings:    []string{},
	}
	plan, _ := c.plan()
	var err error
	if r.Plan, err = bench.RecordPlan(&plan); err != nil {
		return nil, err
	}
	r.Plan.DurationNs = 0 // until the server is gone
	r.Plan.Engine, r.Plan.EngineReason, r.Plan.Command, r.Plan.Probed = x.engine, x.EngineReason, c.Command, x.probed
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
		Restart: s.Restart, Handover: s.Handover, Repeat: c.Repeat,
	}
	r.Also = c.Also
	switch {
	case s.Hook != "":
		r.Way, r.Command, r.Exec = record.DrainByHook, []string{s.Hook}, s.Exec
		if s.Then != 0 {
			r.Then = process.SignalName(s.Then)
		}
		return r
	case len(s.Exec) > 0:
		r.Way, r.Command = record.DrainByExec, s.Exec
	}
	r.Signal = process.SignalName(s.Signal)
	if s.Then != 0 {
		r.Then = process.SignalName(s.Then)
	}
	return r
}
