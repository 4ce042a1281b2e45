package drain

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"time"

	"lastack/bench/host"
	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate/sockio"
)

// experiment is a running drain: what its tries share, and their results.
type experiment struct {
	Setup
	sandbox record.Sandbox
	emit    func(record.Event)
	backend sockio.Backend
	facts   *host.Facts // of its network namespace
	started time.Time

	// target is where clients connect. others are the other addresses of its name, until it is known on which the server listens.
	target netip.AddrPort
	others []netip.AddrPort
	beside []*beside
	// back is the restarted server, for the next try; nil if each try starts its own.
	back *process.Process

	tries       []record.DrainTry
	total       []loadgen.GroupResult // by group, of all tries
	loading     time.Duration
	engine      string
	interrupted bool  // by the user
	probed      int64 // connections that waited for the server to speak first
}

// Run carries out a drain in the caller's network namespace, which in describes. It calls emit for each phase, on the caller's goroutine.
// When ctx is cancelled it ends the try under way and everything that it has started, and returns what it has measured. A record may come
// with an error: it holds what could be saved.
func Run(ctx context.Context, setup Setup, in record.Sandbox, emit func(record.Event)) (*record.Run, error) {
	x := &experiment{Setup: setup, sandbox: in, emit: emit, target: setup.Target, others: setup.Others, started: time.Now()}
	if x.sandbox.Mode == "" {
		x.sandbox.Mode = string(sandbox.Off)
	}
	if err := x.open(); err != nil {
		return nil, err
	}
	err := x.explain(x.startBeside(ctx), nil)
	for n := 0; err == nil && n < max(setup.Repeat, 1); n++ {
		if ctx.Err() != nil {
			x.interrupted = true
			break
		}
		err = x.try(ctx, n)
	}
	if x.back != nil {
		err = errors.Join(err, x.back.End())
	}
	err = errors.Join(err, x.endBeside())
	if x.total == nil {
		if err == nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	run, aerr := x.record()
	return run, errors.Join(err, aerr)
}

// sandboxed reports whether the drain has its own network namespace.
func (x *experiment) sandboxed() bool { return x.sandbox.Mode != string(sandbox.Off) }

func (x *experiment) open() (err error) {
	if x.facts, err = host.Read(); err != nil {
		return err
	}
	if x.backend, err = sockio.Named(x.Engine); err != nil {
		return err
	}
	// With fewer, the watch would not run while workers are in system calls.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), max(x.Workers, 1)+3))
	return nil
}

// phase emits what a try, counted from 0, does next.
func (x *experiment) phase(try int, what string) {
	x.emit(record.Event{Phase: &record.Phase{Try: try + 1, Text: what}})
}

// try makes one try and keeps its result. An error means that it could not be made, or was broken off.
func (x *experiment) try(ctx context.Context, n int) error {
	t := &try{experiment: x, n: n}
	load, err := t.run(ctx)
	x.probed += t.seen.probed
	x.interrupted = x.interrupted || ctx.Err() != nil
	switch {
	case t.stopped:
		x.tries = append(x.tries, fold(&t.seen))
		if x.Live {
			x.emit(record.Event{Try: &x.tries[len(x.tries)-1]})
		}
	case t.server != nil:
		err = x.explain(err, t.server.own())
	default:
		err = x.explain(err, nil)
	}
	if load != nil {
		x.add(load)
	}
	return err
}

// add sums up the load of a try.
func (x *experiment) add(r *loadgen.Result) {
	x.engine = r.Engine
	x.loading += r.Measured()
	if x.total == nil {
		x.total = r.Groups
		return
	}
	for i := range x.total {
		x.total[i].Add(&r.Groups[i])
	}
}
