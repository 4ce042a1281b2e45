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
// CPU times tell what a lifecycle costs here, nil if there is none. Without sandboxes the error is a *sandbox.Error. With an error, or when ctx
// is over, the result is of the experiments that had ended, and says which had not.
func (r *Setup) Run(ctx context.Context, see func(name string)) (v *record.CapacityVerified, calibrated *record.Run, err error) {
	together := r.together()
	all := slices.Concat(r.alone, together)
	runs, errs := make([]*record.Run, len(all)), make([]error, len(all))
	do := func(i int) {
		if errs[i] = ctx.Err(); errs[i] != nil {
			return
		}
		run, err := all[i].run(ctx)
		switch {
		case err != nil:
			errs[i] = err
		case run.Interrupted:
			errs[i] = context.Canceled
		default:
			runs[i] = run
			see(all[i].name)
		}
	}
	for i := range r.alone {
		if do(i); errs[i] != nil {
			break
		}
	}
	if errors.Join(errs...) == nil {
		var wait sync.WaitGroup
		for i := range together {
			wait.Go(func() { do(len(r.alone) + i) })
		}
		wait.Wait()
	}
	v, calibrated = r.result(all, runs)
	return v, calibrated, errors.Join(append(errs, ctx.Err())...)
}

// result is what the experiments measured. The run of one that did not end is nil.
func (r *Setup) result(all []*experiment, runs []*record.Run) (v *record.CapacityVerified, calibrated *record.Run) {
	v = &record.CapacityVerified{Ports: r.Ports, Scale: r.Scale, Skipped: slices.Clone(r.skipped), Experiments: []record.CapacityExperiment{}, Residuals: []record.CapacityResidual{}}
	var scaling []record.ScalingLevel
	for i, e := range all {
		run := runs[i]
		if run == nil {
			v.Skipped = append(v.Skipped, "the experiment "+e.name+": it did not end")
			continue
		}
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
	return v, calibrated
}

// run carries out one.
func (e *experiment) run(ctx context.Context) (*record.Run, error) {
	c, err := bench.Job.Start(ctx, *e.setup.Sandbox, e.setup)
	if err != nil {
		return nil, err
	}
	return c.Record(func(record.Event) {})
}

// late reports whether a run's connections began much later than scheduled: by more than changes a population. Those that waited for a descriptor
// do not count.
func late(run *record.Run) bool {
	const most = 100e3 // µs
	l, ok := run.Latency["lag"]
	return ok && l.P99Us > most && run.Connections.Capped == 0
}
