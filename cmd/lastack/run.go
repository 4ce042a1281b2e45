package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lastack/bench"
	"lastack/bench/expose"
	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/report"
)

func newRun() *cobra.Command {
	o := newRunOptions()
	cmd := &cobra.Command{
		Use:   "run [TARGET...]",
		Short: "Open and close connections under load, and account for every one",
		Long: `run opens and closes connections. It reports how long each step took, every
state of the teardown at both ends, how TIME_WAIT built up, how loaded the host
was, and what limited the result.

Without a TARGET, run starts a server and puts itself and the server into a
sandbox: private network namespaces with their own ports, counters and sysctls,
which are removed when the run ends. This needs no privilege. With TARGETs
(HOST:PORT) the load goes to those. Nothing is then sent on a connection, unless
you ask for it by --exchange or by a URL (http://HOST:PORT/path). If a name has
several addresses, the load goes to the first that answers, and the report says
which. If requests are sent, one extra connection before the load checks that
the target does not speak first.

Closed loop (-c): a fixed number of connections, each replaced when it ends.
Open loop (-R): connections arrive on a schedule that waits for nothing, so that
the delays of a server that stalls count for every connection due meanwhile.`,
		Example: `  lastack run
  lastack run -c 256 -d 30s --close server:fin
  lastack run -R 2k -d 10s --close client:rst --threshold 'lifecycle.p99<20ms'
  lastack run --topology veth --sysctl net.ipv4.tcp_tw_reuse=1 -R 1k..5k -d 20s
  lastack run -c 5k --plateau 10s --exchange none
  lastack run http://web.example:80/ --close server:fin -o run.json -o run.html`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(cmd, args); err != nil {
				return err
			}
			return o.run(cmd)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// run meets the other shards, if there are any, and runs the load.
func (o *runOptions) run(cmd *cobra.Command) error {
	if err := o.metrics.open(cmd.ErrOrStderr(), o.quiet, expose.Run); err != nil {
		return err
	}
	defer o.metrics.close()
	o.metrics.name(&o.setup.Common)
	see := o.live(cmd.OutOrStdout(), cmd.ErrOrStderr())
	return o.carryOut(cmd, 0, func(ctx context.Context, shown *display, out *outputFiles) (*record.Run, error) {
		if err := o.meet(ctx, &o.setup.Common, o.spec.AllowPublic, o.waiting(shown)); err != nil {
			return nil, err
		}
		o.metrics.name(&o.setup.Common)
		o.spec.Common = o.setup.Common // for the setup without a sandbox
		run, err := execute(ctx, shown, bench.Job, o.setup, o.isolation(), o.metrics.seeing(func(e record.Event) { shown.do(func() { see(e) }) }), out.capabilities())
		o.metrics.end(run)
		return run, err
	})
}

func (o *runOptions) isolation() isolation[setup.Setup] {
	return isolation[setup.Setup]{
		box: o.setup.Sandbox, why: "the target is outside", needs: o.setup.NeedsSandbox,
		fallback: func() (setup.Setup, error) {
			o.spec.Sandbox = nil
			err := o.resolve()
			return o.setup, err
		},
	}
}

// live shows the run's progress: rows on stderr, and for jsonl a line per interval on stdout.
func (o *runOptions) live(stdout, stderr io.Writer) func(record.Event) {
	var rows *report.Progress
	if !o.quiet {
		rows = report.NewProgress(stderr, o.spec.Server != nil, terminalWidth(stderr))
	}
	o.streamed = map[float64]bool{}
	return func(e record.Event) {
		if n := e.Needs; n != nil && !o.quiet {
			if line := report.NeedsLine(n); line != "" {
				fmt.Fprintf(stderr, "lastack: %s\n", line)
			}
		}
		if e.Interval == nil {
			return
		}
		if rows != nil {
			_ = rows.Interval(e.Interval) // an unread progress row must not end the load
		}
		if o.format == "jsonl" {
			_ = report.WriteInterval(stdout, e.Interval) // the checked writer keeps the error
			o.streamed[e.Interval.TS] = true
		}
	}
}
