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
	"lastack/loadgen"
	"lastack/sockstate/sockio"
)

// experiment is a Config being carried out.
type experiment struct {
	cfg     Config
	facts   *host.Facts
	slots   int
	started time.Time
	tries   []record.DrainTry
	total   []loadgen.GroupResult // by group, of all tries
	loading time.Duration
	engine  string
	stopped bool // by the user
	// fewPorts says that the load's own TIME_WAITs may use up the local ports, empty if not.
	fewPorts string
	// back is the server that a restart brought, for the next try; nil where each try starts its own.
	back *process.Process
	also []*also
	// probed is the number of connections on which the server was listened to.
	probed int
}

// Run carries out a drain. A *sockstate.ValueError says what cannot be done as asked. When ctx is cancelled the try
// under way ends at once, and so does what it has started; what was measured until then is returned. A record may come
// together with an error: what could be saved of a drain that broke.
func Run(ctx context.Context, cfg Config) (*record.Run, error) {
	if err := Check(cfg); err != nil {
		return nil, err
	}
	x := &experiment{cfg: cfg, started: time.Now()}
	if err := x.prepare(); err != nil {
		return nil, err
	}
	err := x.cfg.explain(x.startAlso(ctx), nil)
	for n := 0; err == nil && n < max(cfg.Repeat, 1); n++ {
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

func (x *experiment) prepare() (err error) {
	if x.facts, err = host.Read(); err != nil {
		return err
	}
	plan, _ := x.cfg.plan()
	c := bench.Config{Plan: plan, Backend: x.cfg.Backend}
	if c.Backend.New == nil {
		if c.Backend, c.BackendReason, err = sockio.Choose("auto"); err != nil {
			return err
		}
	}
	if err := x.cfg.Load.asRefused(c.CheckKept(x.facts)); err != nil {
		return err
	}
	x.fewPorts = x.cfg.portDoubt(&c, x.facts)
	if x.slots, err = c.LoadSlots(x.facts); err != nil {
		return x.cfg.Load.asRefused(err)
	}
	x.cfg.Backend = c.Backend
	if c.BackendReason != "" {
		x.cfg.BackendReason = c.BackendReason
	}
	// With fewer, workers in system calls keep the watch from running.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), max(plan.Workers, 1)+3))
	return nil
}

func (x *experiment) phase(n int, what string) {
	if x.cfg.OnPhase != nil {
		x.cfg.OnPhase(n, what)
	}
}

// try makes one try and keeps what it came to. The error is of a try that could not be made, or that broke.
func (x *experiment) try(ctx context.Context, n int) error {
	t := &try{x: x, cfg: &x.cfg, n: n}
	err := t.run(ctx)
	if t.ev.signal == 0 {
		var server *process.Process
		if t.target != nil {
			server = t.target.own()
		}
		err = x.cfg.explain(err, server)
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
	c := &x.cfg
	r := &record.Run{
		Schema: record.Schema, Version: c.Version, Kind: record.KindDrain,
		Started:     x.started,
		ElapsedS:    time.Since(x.started).Seconds(),
		LoadS:       x.loading.Seconds(),
		Interrupted: x.stopped,
		Sandbox:     c.Status,
		Hosts:       []record.Host{bench.RecordHost(x.facts)},
		Drain:       &record.Drain{Stop: c.recordStop(), Tries: x.tries},
		Warnings:    []string{},
	}
	if r.Sandbox.Mode == "" {
		r.Sandbox.Mode = "off"
	}
	plan, _ := c.plan()
	var err error
	if r.Plan, err = bench.RecordPlan(&plan); err != nil {
		return nil, err
	}
	r.Plan.DurationNs = 0 // until the server is gone
	r.Plan.Engine, r.Plan.EngineReason, r.Plan.Command, r.Plan.Probed = x.engine, c.BackendReason, c.Command, x.probed
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
	r.Verdict = verdict(r)
	for _, t := range c.Thresholds {
		r.Thresholds = append(r.Thresholds, t.Evaluate(r))
	}
	return r, nil
}

func (c *Config) recordStop() record.DrainStop {
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
