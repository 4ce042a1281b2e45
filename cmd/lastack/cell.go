package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"lastack/bench"
	"lastack/bench/cell"
	"lastack/bench/drain"
	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sandbox"
)

// cellJobs are what cells of this program do.
var cellJobs = map[string]sandbox.Func{
	bench.Job.Name: bench.Job.Func,
	drain.Job.Name: drain.Job.Func,
}

// place is where a job is to be done.
type place[Input any] struct {
	// box is the sandbox to be made; nil: the host's network namespace will do, for the reason why.
	box *sandbox.Spec
	why string
	// needs is the flag that insists on the sandbox; empty: where there can be none, the host's namespace will do.
	needs string
	// otherwise is the input of the job in the host's namespace, where there can be no sandbox for the reason why.
	otherwise func(why string) (Input, error)
}

// measure has a job done in its place, and saves and prints what comes of it. A second signal ends the program once the job has
// ended, or after patience. see is called for what goes on, and add completes the record.
func measure[Input any](cmd *cobra.Command, f *resultFlags, j cell.Job[Input], in Input, at place[Input], patience time.Duration, see func(record.Event), add func(*record.Run)) error {
	// Whoever asks twice does not want to wait for the result.
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
	stderr := cmd.ErrOrStderr()
	out, err := openOutput(ctx, f.output, stderr)
	if err != nil {
		return err
	}
	defer out.close()

	run, err := carryOut(ctx, stderr, j, in, at, see, out.capabilities())
	close(ended)
	cancelled := ctx.Err() != nil || errors.Is(err, context.Canceled) || run == nil && err == nil
	switch {
	case run != nil && !hurried.Load():
		add(run)
		return f.finish(cmd, out, run, err)
	case !cancelled:
		return asUsage(cmd, err)
	case err == nil && run == nil, errors.Is(err, context.Canceled):
		err = errors.New(noResult)
	}
	return exitWith(exitInterrupted, err)
}

// carryOut does a job in a cell, or in this process.
func carryOut[Input any](ctx context.Context, stderr io.Writer, j cell.Job[Input], in Input, at place[Input], see func(record.Event), keep []int) (*record.Run, error) {
	if at.box == nil {
		return j.Do(ctx, in, cell.Here(at.why, see, keep))
	}
	c, err := j.Start(ctx, *at.box, in)
	sysctl, isSysctl := errors.AsType[*sandbox.SysctlError](err)
	refused, isRefused := errors.AsType[*sandbox.Error](err)
	switch {
	case err == nil:
		host.KeepCapabilities(keep) // what needs a privilege is done there
		run, err := c.Record(see)
		sayLeft(stderr, c)
		return run, lost(stderr, err)
	case ctx.Err() != nil:
		return nil, context.Canceled
	case isSysctl:
		return nil, usagef("--%w", sysctl)
	case !isRefused:
		return nil, lost(stderr, err)
	}
	why := strings.TrimPrefix(refused.Error(), "no sandbox: ")
	if at.needs != "" {
		return nil, fmt.Errorf("%s needs a sandbox, and this host allows none: %s; lastack doctor knows the remedy, and without the flag the run needs no sandbox", at.needs, why)
	}
	fmt.Fprintf(stderr, "lastack: the run takes place in this host's network namespace, as it allows no sandbox: %s\n", quantity.Escape(why))
	if in, err = at.otherwise(why); err != nil {
		return nil, err
	}
	return j.Do(ctx, in, cell.Here(why, see, keep))
}

// sayLeft says what is not in the record.
func sayLeft(stderr io.Writer, c *cell.Cell) {
	if left := c.Left(); left != nil {
		fmt.Fprintf(stderr, "lastack: %v\n", left)
	}
	if n := c.Dropped(); n > 0 {
		fmt.Fprintf(stderr, "lastack: %s %s not shown, as nobody read what was: the record has all\n", quantity.Count(n), quantity.Plural(n, "event was", "events were"))
	}
}

// lost gives the end of a cell that is not its job's the words of a run; any other error stays.
func lost(stderr io.Writer, err error) error {
	died, ok := errors.AsType[*sandbox.DiedError](err)
	switch {
	case !ok || died.Err != nil:
	case slices.Contains(endings(), os.Signal(died.Signal)):
		return exitWith(exitInterrupted, errors.New(noResult))
	case died.OutOfMemory:
		return errors.New("the run was killed by the kernel, which was out of memory (dmesg tells): ask for fewer connections")
	case died.Signal == syscall.SIGKILL:
		return errors.New("the run was killed before its end: if nobody did so, the kernel was out of memory (dmesg tells), so ask for fewer connections")
	case died.Signal != 0:
		return fmt.Errorf("the run was ended by signal %d (%v)", int(died.Signal), died.Signal)
	}
	if ok && died.Stderr != "" {
		fmt.Fprintln(stderr, quantity.Escape(record.RedactText(strings.TrimSuffix(died.Stderr, "\n"))))
	}
	return err
}
