package verify

import (
	"context"
	"errors"
	"slices"
	"sync"

	"lastack/bench"
	"lastack/bench/model"
	"lastack/bench/record"
)

// Run carries out the experiments, each in a sandbox of its own. see is called when one ends, on any goroutine. calibrated is the run whose
// CPU times tell what a lifecycle costs here, nil if there is none. Without sandboxes the error is a *sandbox.Error. When ctx is over there is
// no result.
func (r *Setup) Run(ctx context.Context, see func(name string)) (v *record.CapacityVerified, calibrated *record.Run, err error) {
	together := r.together()
	all := slices.Concat(r.alone, together)
	runs, errs := make([]*record.Run, len(all)), make([]error, len(all))
	do := func(i int) {
		if errs[i] = ctx.Err(); errs[i] != nil {
			return
		}
		if runs[i], errs[i] = all[i].run(ctx); errs[i] == nil {
			see(all[i].name)
		}
	}
	for i := range r.alone {
		if do(i); errs[i] != nil {
			return nil, nil, errs[i]
		}
	}
	var wait sync.WaitGroup
	for i := range together {
		wait.Go(func() { do(len(r.alone) + i) })
	}
	wait.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return nil, nil, err
	}
	v = &record.CapacityVerified{Ports: r.Ports, Scale: r.Scale, Skipped: r.skipped}
	var scaling []record.ScalingLevel
	for i, e := range all {
		run := runs[i]
		v.Experiments = append(v.Experiments, record.CapacityExperiment{
			Late: late(run), Name: e.name, RatePerS: e.rate, LastsS: e.lasts.Seconds(), SteadyS: e.settled.Seconds(), Valid: run.Verdict.Valid,
			LimitedBy: run.Verdict.LimitedBy, Completed: run.Connections.Completed, Failed: run.Connections.Failed,
		})
		switch {
		case e.compare != nil:
			v.Residuals = append(v.Residuals, e.compare(run)...)
		case e.level > 0:
			scaling = append(scaling, record.ScalingLevel{Connections: e.level, PerS: run.Rate.CompletedPerS})
			if run.Verdict.Valid {
				calibrated = run // the last has the most connections
			}
		}
		if e == r.above {
			v.Limit = e.named(run)
		}
	}
	if s, ok := model.FitScaling(scaling); ok {
		v.Scaling = s
	}
	return v, calibrated, nil
}

// run carries out one.
func (e *experiment) run(ctx context.Context) (*record.Run, error) {
	c, err := bench.Job.Start(ctx, *e.setup.Sandbox, e.setup)
	if err != nil {
		return nil, err
	}
	return c.Record(func(record.Event) {})
}

// late reports whether a run's connections began much later than scheduled: by more than changes a population.
func late(run *record.Run) bool {
	const most = 100e3 // µs
	l, ok := run.Latency["lag"]
	return ok && l.P99Us > most
}
