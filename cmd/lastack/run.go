package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lastack/bench"
	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/report"
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
			return measure(cmd, &o.resultFlags, bench.Job, o.setup, o.place(), 0, o.live(cmd.OutOrStdout(), cmd.ErrOrStderr()), func(*record.Run) {})
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// place is where the run takes place.
func (o *runOptions) place() place[setup.Setup] {
	return place[setup.Setup]{
		box: o.setup.Sandbox, why: o.setup.NoSandbox, needs: o.setup.NeedsSandbox,
		otherwise: func(why string) (setup.Setup, error) {
			o.spec.Sandbox, o.spec.NoSandbox = nil, why
			err := o.resolve()
			return o.setup, err
		},
	}
}

// live shows the run as it goes: rows on stderr, and on stdout the lines of jsonl.
func (o *runOptions) live(stdout, stderr io.Writer) func(record.Event) {
	var rows *report.Progress
	if !o.quiet {
		rows = report.NewProgress(stderr, report.ProgressConfig{Server: o.spec.Server != nil, Width: progressWidth(stderr)})
	}
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
			_ = rows.Interval(e.Interval) // a progress row that nobody reads is no reason to end the load
		}
		if o.format.value == "jsonl" {
			_ = report.WriteInterval(stdout, e.Interval) // the result's own error will tell
		}
	}
}
