package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"lastack/bench"
	"lastack/bench/cell"
	"lastack/bench/drain"
	"lastack/bench/handshake"
	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sandbox"
)

// cellJobs lists the jobs that a cell of this program can run.
var cellJobs = map[string]sandbox.Func{
	bench.Job.Name:     bench.Job.Func,
	drain.Job.Name:     drain.Job.Func,
	handshake.Job.Name: handshake.Job.Func,
}

// isolation says whether a job runs in a sandbox.
type isolation[Input any] struct {
	// box is the sandbox to make. If it is nil, the job runs in the host's network namespace, and why is the reason.
	box *sandbox.Spec
	why string
	// needs is the flag that requires the sandbox. If it is empty and the host allows no sandbox, the job runs in the host's namespace.
	needs string
	// fallback returns the job's input for the host's namespace.
	fallback func() (Input, error)
}

// measure runs a job, then saves and prints its record, see carryOut. m shows its figures to scrapes. see receives the job's events, on one goroutine; add completes the
// record.
func measure[Input any](cmd *cobra.Command, f *resultFlags, m *metricsFlags, j cell.Job[Input], in Input, iso isolation[Input], patience time.Duration, see func(record.Event), add func(*record.Run)) error {
	return f.carryOut(cmd, patience, func(ctx context.Context, shown *display, out *outputFiles) (*record.Run, error) {
		run, err := execute(ctx, shown, j, in, iso, m.seeing(func(e record.Event) { shown.do(func() { see(e) }) }), out.capabilities())
		m.end(run)
		if run != nil {
			add(run)
		}
		return run, err
	})
}

// carryOut makes a record, then saves and prints it. A second signal ends the program without the result, as soon as there is one or after
// patience.
func (f *resultFlags) carryOut(cmd *cobra.Command, patience time.Duration, do func(ctx context.Context, shown *display, out *outputFiles) (*record.Run, error)) error {
	var hurried atomic.Bool
	ended := make(chan struct{})
	ctx, stop := interruptible(cmd.Context(), func() {
		hurried.Store(true)
		select {
		case <-ended:
		case <-time.After(patience):
		}
		exit(exitInterrupted)
	})
	defer stop()
	shown := newDisplay(cmd.ErrOrStderr())
	defer shown.close()
	out, err := openOutputs(f.outputs, shown)
	if err != nil {
		return err
	}
	defer out.close()
	out.noteOneWay(shown, f.format)

	run, err := do(ctx, shown, out)
	close(ended)
	cancelled := ctx.Err() != nil || errors.Is(err, context.Canceled) || run == nil && err == nil
	switch {
	case run != nil && !hurried.Load():
		return f.finish(ctx, cmd, out, shown, run, err)
	case !cancelled:
		return asUsage(cmd, err)
	case err == nil && run == nil, errors.Is(err, context.Canceled):
		err = errors.New(noResult)
	}
	return exitWith(exitInterrupted, err)
}

// execute runs a job in a cell, or in this process.
func execute[Input any](ctx context.Context, stderr io.Writer, j cell.Job[Input], in Input, iso isolation[Input], see func(record.Event), keep []string) (*record.Run, error) {
	if iso.box == nil {
		return j.Do(ctx, in, cell.Here(iso.why, see, keep))
	}
	c, err := j.Start(ctx, *iso.box, in)
	sysctl, isSysctl := errors.AsType[*sandbox.SysctlError](err)
	refused, isRefused := errors.AsType[*sandbox.Error](err)
	switch {
	case err == nil:
		host.KeepCapabilities(keep) // the cell has its own
		run, err := c.Record(see)
		printLeft(stderr, c)
		return run, lost(stderr, err)
	case ctx.Err() != nil:
		return nil, context.Canceled
	case isSysctl:
		return nil, usagef("--%w", sysctl)
	case !isRefused:
		return nil, lost(stderr, err)
	}
	if iso.needs != "" {
		return nil, fmt.Errorf("%w, or leave the flag out", noSandbox(iso.needs+" needs a sandbox", refused))
	}
	why := whyNoSandbox(refused)
	fmt.Fprintf(stderr, "lastack: this host allows no sandbox, so the run uses the host's network namespace: %s\n", quantity.Escape(why))
	if in, err = iso.fallback(); err != nil {
		return nil, err
	}
	return j.Do(ctx, in, cell.Here(why, see, keep))
}

// noSandbox says that something needs what this host does not allow. Any other error is returned as it is.
func noSandbox(needs string, err error) error {
	if refused, ok := errors.AsType[*sandbox.Error](err); ok {
		return fmt.Errorf("%s, and this host allows none: %s; see lastack doctor", needs, whyNoSandbox(refused))
	}
	return err
}

func whyNoSandbox(refused *sandbox.Error) string {
	return strings.TrimPrefix(refused.Error(), "no sandbox: ")
}

// printLeft prints what the record does not have.
func printLeft(stderr io.Writer, c *cell.Cell) {
	if left := c.Left(); left != nil {
		fmt.Fprintf(stderr, "lastack: %v\n", left)
	}
	if n := c.Dropped(); n > 0 {
		fmt.Fprintf(stderr, "lastack: %s %s not shown, because this process did not read them fast enough; the record has them all\n", quantity.Count(n), quantity.Plural(n, "event was", "events were"))
	}
}

// lost explains the death of a cell to the user. It returns any other error as it is.
func lost(stderr io.Writer, err error) error {
	died, ok := errors.AsType[*sandbox.DiedError](err)
	switch {
	case !ok || died.Err != nil:
	case died.Interrupted():
		return exitWith(exitInterrupted, errors.New(noResult))
	case died.OutOfMemory:
		return errors.New("the kernel killed the run, because memory ran out (see dmesg): ask for fewer connections")
	case died.Signal == syscall.SIGKILL:
		return errors.New("the run was killed (SIGKILL): if nobody did that, memory ran out (see dmesg), so ask for fewer connections")
	case died.Signal != 0:
		return fmt.Errorf("the run was ended by signal %d (%v)", int(died.Signal), died.Signal)
	}
	if ok && died.Stderr != "" {
		for line := range strings.Lines(quantity.Escape(record.RedactText(died.Stderr))) {
			fmt.Fprintf(stderr, "lastack: %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	return err
}
