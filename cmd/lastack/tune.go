package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench/grid"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/tune"
	"lastack/report"
)

func newTune() *cobra.Command {
	o := &tuneOptions{runOptions: *newRunOptions()}
	cmd := &cobra.Command{
		Use:   "tune -R RATE",
		Short: "Find the fewest changes by which a load is sustained",
		Long: `tune runs your load in a sandbox. If the load is not sustained, tune says what
limited it, and tries each remedy for that limit by itself. It then confirms, in
new sandboxes, the smallest set of changes that sustains the load. The answer is
a file of sysctl.d, a flag, or a change of your program. Each change comes with
the evidence, its cost and its risk. tune also lists what does not help, as
measured. The host's sysctls are never written. No privilege is needed.

Describe the load by the flags of run. Client and server are joined by a veth
pair, since loopback flatters: tcp_tw_reuse=2, the default, is on there and off
on a network. The sandboxes begin with this host's sysctls, the kernel's
defaults, or a file of sysctl.d (--base). The load connects from one source
address.

A load is sustained if its rate is met until TIME_WAIT has turned over, which
takes a minute, if no more connections fail than --allow says, and if every
--threshold is met. Where local ports are the limit, remedies are tried side by
side with a part of the ports and of the rate.

` + strings.Join(wrapped("--keep forbids a change. The changes that tune may make: "+strings.Join(shortKeys(), ", ")+".", usageWidth), "\n") + `

Exit code 3 says that no change that tune may make sustains the load, or that
tune cannot tell: the CPUs of this machine, and no setting, were the limit.
Ctrl-C keeps the trials that have ended. With -o FILE so does SIGKILL, those of
the rounds that have ended: lastack report FILE.unfinished shows them.`,
		Example: `  lastack tune -R 1k --close client:fin
  lastack tune -R 200 --hold 2s --exchange http:/ -o tune.json
  lastack tune -R 5k --close client:fin -o /tmp/90-lastack.conf
  lastack tune -R 1k --keep tcp_tw_reuse --keep close --base default`,
		Args: noArgumentsBut("it starts its own server, in a sandbox of its own"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd); err != nil {
				return err
			}
			return o.carryOut(cmd, 0, o.run)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// shortKeys lists what tune may change, sysctls without the prefix that may be left out.
func shortKeys() (list []string) {
	for _, k := range tune.Keys() {
		list = append(list, grid.ShortKey(k))
	}
	return list
}

// tuneOptions is tune's command line: run's, without a target, and its own.
type tuneOptions struct {
	runOptions

	base  string
	keep  []string
	allow shareFlag
	yes   bool

	setup tune.Setup
}

// tuneFormats are those of a record of a tune.
func tuneFormats() []string { return append(report.FormatNames(), report.Conf) }

// chosen are flags of a load that tune sets itself.
var chosen = []string{"duration", "count", "warmup", "ramp", "plateau", "close-rate"}

func (o *tuneOptions) register(f *pflag.FlagSet) {
	registerBase(f, &o.base)
	f.StringArrayVar(&o.keep, "keep", nil, "do not change `KEY`, one of those above (repeatable)")
	f.Var(&o.allow, "allow", "the share of connections that may fail, like 0.1%")
	f.BoolVar(&o.yes, "yes", false, "search for more than a day")
	o.registerLoad(f, sandbox.Veth, sandbox.Lo, sandbox.Routed)
	o.registerOutput(f, tuneFormats())
	for _, name := range chosen {
		_ = f.MarkHidden(name) // they exist
	}
	f.StringArrayVar(&o.thresholds, "threshold", nil, "a `BOUND` that the load must meet, like 'connect.p99<5ms' (repeatable)")
	f.Lookup("rate").Usage = "new connections/s that are to be sustained"
	f.Lookup("connections").Usage = "connections open at once, at most (no limit unless given)"
	f.Lookup("connections").DefValue = ""
}

// complete checks the whole command line before a socket opens.
func (o *tuneOptions) complete(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	for _, name := range chosen {
		if given(name) {
			return usagef("--%s: tune chooses how long each load is: leave it out", name)
		}
	}
	if err := o.parseThresholds(record.KindRun); err != nil {
		return err
	}
	if err := checkJournals(o.outputs, ""); err != nil {
		return err
	}
	if err := o.completeSpec(cmd); err != nil {
		return err
	}
	base, err := readBase(o.base)
	if err != nil {
		return err
	}
	spec := tune.Spec{Run: o.spec, Base: base, Keep: o.keep, Consent: o.yes, Goal: grid.Goal{Allow: float64(o.allow), Bounds: o.bounds}}
	o.bounds = nil // they are for the trials, not for the record
	facts, err := tune.Read(cmd.Context(), &spec)
	if err == nil {
		o.setup, err = tune.Resolve(spec, facts)
	}
	return asUsage(cmd, noSandbox("tune needs sandboxes", err))
}

// run searches, and shows the progress.
func (o *tuneOptions) run(ctx context.Context, shown *display, out *outputFiles) (*record.Run, error) {
	kept := out.journal()
	say := func(write func(io.Writer)) {
		if !o.quiet {
			shown.do(func() { write(shown.stderr) })
		}
	}
	say(func(w io.Writer) { report.SweepBegins(w, o.setup.Describe(), o.setup.Expected(), 1, "") })
	return o.setup.Run(ctx, func(p tune.Progress) {
		if p.Until != nil {
			kept.replace(p.Until)
		}
		if p.Run == nil {
			return
		}
		step := report.SweepStep{Done: p.Done, All: p.All, Left: p.Left, Cell: p.What, Block: p.Round, Run: p.Run}
		say(func(w io.Writer) { report.SweepProgress(w, step) })
	})
}
