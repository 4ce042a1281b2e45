package bench

import (
	"context"

	"lastack/bench/cell"
	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/setup"
)

// Job is a run. Once the load begins, it drops the capabilities that it does not need any more.
var Job = cell.Job[setup.Setup]{Name: "run", Do: func(ctx context.Context, s setup.Setup, at cell.Scene) (*record.Run, error) {
	keep := [][]int{host.RunCapabilities, at.Keep}
	if at.Sandbox != nil {
		keep = append(keep, host.SandboxCapabilities)
	}
	if s.ServerPID != 0 {
		keep = append(keep, host.PIDCapabilities)
	}
	return Run(ctx, s, at.Sandbox, func(e record.Event) {
		if e.Phase != nil && e.Phase.Text == phaseLoad {
			host.KeepCapabilities(keep...)
		}
		at.Emit(e)
	})
}}
