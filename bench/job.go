package bench

import (
	"context"

	"lastack/bench/cell"
	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/setup"
)

// Job is a run. When the load begins, it drops the capabilities that it no longer needs.
var Job = cell.Job[setup.Setup]{Name: "run", Do: func(ctx context.Context, s setup.Setup, env cell.Env) (*record.Run, error) {
	keep := [][]string{host.RunCapabilities, env.Keep}
	if env.Sandbox != nil || s.Flush {
		keep = append(keep, host.SandboxCapabilities)
	}
	if s.ServerPID != 0 {
		keep = append(keep, host.PIDCapabilities)
	}
	emit := env.Emit
	env.Emit = func(e record.Event) {
		if e.Phase != nil && e.Phase.Text == phaseLoad {
			host.KeepCapabilities(keep...)
		}
		emit(e)
	}
	return Run(ctx, s, env)
}}
