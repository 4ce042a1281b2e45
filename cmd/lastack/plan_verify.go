package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"lastack/bench/model"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/bench/verify"
	"lastack/report"
)

// verifyPlan runs the experiments of a plan, shows their progress, and takes the CPU time of a lifecycle from them unless a record said it. With
// an error there may be a result as well, of the experiments that had ended.
func verifyPlan(cmd *cobra.Command, in *model.Input) (*record.CapacityVerified, error) {
	facts, err := setup.Read(&setup.Spec{Sandbox: &sandbox.Spec{}})
	if err != nil {
		return nil, err
	}
	s, err := verify.Resolve(verify.Spec{Plan: *in, Seed: rand.Uint64() >> 11, Version: versionString()}, facts)
	if err != nil {
		return nil, fmt.Errorf("--verify: %w", err)
	}
	ctx, stop := interruptible(cmd.Context(), func() { exit(exitInterrupted) })
	defer stop()
	shown := newDisplay(cmd.ErrOrStderr())
	defer shown.close()
	shown.do(func() { report.SweepBegins(shown.stderr, s.Describe(), s.Expected(), 1, "") })
	v, calibrated, err := s.Run(ctx, func(name string) {
		shown.do(func() { fmt.Fprintf(shown.stderr, "lastack: %s: done\n", name) })
	})
	if in.CPU == nil && calibrated != nil {
		in.Calibrate(calibrated)
	}
	refused, isRefused := errors.AsType[*sandbox.Error](err)
	switch {
	case err == nil:
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		err = exitWith(exitInterrupted, nil)
	case isRefused && len(v.Experiments) == 0:
		return nil, fmt.Errorf("--verify needs sandboxes, and this host allows none: %s; see lastack doctor, or leave the flag out", whyNoSandbox(refused))
	default:
		err = fmt.Errorf("--verify: an experiment failed, and the plan says what the others measured: %w", err)
	}
	return v, err
}
