package verify

import (
	"context"
	"errors"
	"sync"

	"lastack/bench"
	"lastack/bench/record"
)

// Run carries out the experiments side by side, each in a sandbox of its own. see is called when one ends, on any goroutine. Without
// sandboxes the error is a *sandbox.Error. When ctx is over there is no result.
func (r *Setup) Run(ctx context.Context, see func(name string)) (*record.CapacityVerified, error) {
	all := r.all()
	runs, errs := make([]*record.Run, len(all)), make([]error, len(all))
	var wait sync.WaitGroup
	for i, e := range all {
		wait.Go(func() {
			c, err := bench.Job.Start(ctx, *e.setup.Sandbox, e.setup)
			if err == nil {
				runs[i], err = c.Record(func(record.Event) {})
			}
			if errs[i] = err; err == nil {
				see(e.name)
			}
		})
	}
	wait.Wait()
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return nil, err
	}
	v := &record.CapacityVerified{Ports: r.Ports, Scale: r.Scale, Skipped: r.skipped}
	for i, e := range all {
		v.Experiments = append(v.Experiments, record.CapacityExperiment{
			Name: e.name, RatePerS: e.rate, LastsS: e.lasts.Seconds(), SteadyS: e.settled.Seconds(), Valid: runs[i].Verdict.Valid,
			LimitedBy: runs[i].Verdict.LimitedBy, Completed: runs[i].Connections.Completed, Failed: runs[i].Connections.Failed,
		})
		if e == r.below {
			v.Residuals = append(v.Residuals, e.steady(runs[i])...)
			continue
		}
		v.Residuals = append(v.Residuals, e.exhausted(runs[i])...)
		v.Limit = e.named(runs[i])
	}
	return v, nil
}
