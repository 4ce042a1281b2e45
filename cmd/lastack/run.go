package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lastack/bench"
	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/report"
	"lastack/sockstate"
)

func newRun() *cobra.Command {
	o := newRunOptions()
	cmd := &cobra.Command{
		Use:   "run [TARGET...]",
		Short: "Generate a load of connections and account for every one",
		Long: `run opens and closes connections, and reports how long each step took, every state of
the teardown on both ends, how TIME_WAIT built up, what pressure the host was under, and
what bound the result.

Without a TARGET it starts a server of its own and puts both into a sandbox: network
namespaces of their own, with their own ports, counters and sysctls, gone when the run
ends. No privilege is needed. With TARGETs (HOST:PORT) the load goes to those, and nothing is
exchanged unless --exchange says so, or the TARGET does (http://HOST:PORT/path). Of a name's
addresses it goes to the first that answers, and says so. A target that is to be asked something
gets one connection more, before the load: whether it speaks before it is asked.

Closed loop (-c): so many connections at once, each followed by the next. Open loop (-R):
arrivals on a schedule that does not wait for anybody, so that a server that stalls is
charged for all who would have come.`,
		Example: `  lastack run
  lastack run -c 256 -d 30s --close server:fin
  lastack run -R 2k -d 10s --close client:rst --threshold 'lifecycle.p99<20ms'
  lastack run --topology veth --sysctl net.ipv4.tcp_tw_reuse=1 -R 1k..5k -d 20s
  lastack run -c 5k --plateau 10s --exchange none
  lastack run http://web.example:80/ --close server:fin -o run.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(cmd, args); err != nil {
				return err
			}
			return o.execute(cmd)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// execute runs the load where it belongs.
func (o *runOptions) execute(cmd *cobra.Command) error {
	if !o.sandboxed() {
		return o.measure(cmd, nil, o.unboxed)
	}
	o.spec.Inherit = o.inherit
	return inSandbox(cmd, o.spec, o.needsSandbox, o.measure)
}

// measure runs the load in this process and shows the result.
func (o *runOptions) measure(cmd *cobra.Command, sb *sandbox.Sandbox, status record.Sandbox) error {
	// Whoever asks twice does not want to wait for the result.
	ctx, stop := interruptible(cmd.Context(), func() { exit(exitInterrupted) })
	defer stop()
	out, err := openOutput(ctx, o.output, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer out.close()
	live := o.live(cmd.OutOrStdout(), cmd.ErrOrStderr())
	cfg := o.config(sb, status, live)
	cfg.OnNeeds = func(n *record.Needs) {
		if line := report.NeedsLine(n); line != "" && !o.quiet {
			fmt.Fprintf(cmd.ErrOrStderr(), "lastack: %s\n", line)
		}
	}
	keep := [][]int{host.RunCapabilities, out.capabilities()}
	if sb != nil {
		keep = append(keep, host.SandboxCapabilities)
	}
	if o.serverPID != 0 {
		keep = append(keep, host.PIDCapabilities)
	}
	cfg.OnReady = func() { host.KeepCapabilities(keep...) }
	run, err := bench.Run(ctx, cfg)
	if run == nil {
		return asUsage(cmd, err)
	}
	run.Plan.Resolved = o.resolved
	return o.finish(cmd, out, run, err)
}

// live shows the run as it goes: rows on stderr, and on stdout the lines of jsonl.
func (o *runOptions) live(stdout, stderr io.Writer) func(*record.Interval) {
	var rows *report.Progress
	if !o.quiet {
		rows = report.NewProgress(stderr, report.ProgressConfig{Server: len(o.targets) == 0, Width: progressWidth(stderr)})
	}
	return func(iv *record.Interval) {
		if rows != nil {
			_ = rows.Interval(iv) // a progress row that nobody reads is no reason to end the load
		}
		if o.format.value == "jsonl" {
			_ = report.WriteInterval(stdout, iv) // the result's own error will tell
		}
	}
}

// asUsage turns what bench refuses before a socket opens into a usage error. A flag that was not given is not blamed: its value is
// said to be the default, or lastack's choice.
func asUsage(cmd *cobra.Command, err error) error {
	e, ok := errors.AsType[*sockstate.ValueError](err)
	if !ok {
		return err
	}
	f := cmd.Flags().Lookup(e.Name)
	switch {
	case e.Name == "" || f != nil && f.Changed:
		return usagef("%w", err)
	case f == nil:
		return usagef("%s %s: %s", e.Name, e.Value, e.Want)
	case e.Value == "":
		return usagef("--%s (not given): %s", e.Name, e.Want)
	case e.Value == f.DefValue:
		return usagef("--%s %s (the default): %s", e.Name, e.Value, e.Want)
	}
	return usagef("--%s %s (not given, so that lastack chose): %s", e.Name, e.Value, e.Want)
}
