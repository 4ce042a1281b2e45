package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench/grid"
	"lastack/bench/host"
	"lastack/bench/preset"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/sweep"
	"lastack/report"
)

func newSweep() *cobra.Command {
	o := &sweepOptions{runOptions: *newRunOptions()}
	cmd := &cobra.Command{
		Use:   "sweep --vary KEY=LEVEL,LEVEL [--vary ...] | --preset NAME",
		Short: "Vary sysctls, policies and rates, and say which of them matter",
		Long: `sweep runs a load in every combination of the levels that you list. It says
which of them make a difference, how large that is, and how likely it is noise.
Each combination, a cell, runs in a sandbox of its own. The host's sysctls are
never written. No privilege is needed.

KEY is a sysctl of a network namespace, of which net.ipv4. or net.core. may be
left out (tcp_tw_reuse, ip_local_port_range=32768-60999,1024-65535), or one of:

` + grid.KeyHelp() + `
Where a level has a comma, semicolons separate the levels.

Everything else is given by the flags of run. Client and server are joined by a
veth pair, since loopback flatters: tcp_tw_reuse=2, the default, is on there and
off on a network. The load connects from one source address, and meets the
limits that a real one would.

The sandboxes begin with this host's sysctls, the kernel's defaults, or a file
of sysctl.d (--base). Every cell runs once in each block, in an order shuffled
anew, and cells are compared inside blocks, so that a machine that drifts does
not decide. The first cell, of the first level of each factor, runs twice in a
block: if those two differ, the sweep cannot tell. Runs that use little CPU go
side by side.

Ctrl-C keeps the runs that have ended. With -o FILE so does SIGKILL: they are in
FILE.unfinished until FILE is saved. --resume FILE with the same command line,
on the same kernel, goes on; a search keeps its loads too.

--find rate searches for the highest rate that each cell sustains: no failure
beyond --allow, arrivals on time, and every --threshold met. Where TIME_WAIT
holds the local ports, a load lasts until they have come back twice, which takes
two minutes. Since connect takes much CPU to search thousands of ports in use,
the search narrows them (--scale), unless a --threshold is given: a search
through few ports takes less time. The rates that it prints are those of all
ports.

--preset answers a known question on this kernel, and shows what was predicted
beside what was observed. It takes three minutes at most:

` + presetHelp() + `
A preset sets the load itself: of the flags of run it takes --workers, --engine
and --census. It begins with the kernel's defaults unless --base is given.`,
		Example: `  lastack sweep --vary tcp_tw_reuse=0,1,2 -R 1k -d 40s
  lastack sweep --vary close=client:fin,server:fin,client:rst -c 64 -d 5s
  lastack sweep --vary tcp_fin_timeout=5,60 --vary on-eof=close,never -R 200 \
    --metric time_wait.fin_wait2_mini_peak
  lastack sweep --vary sources=1,2,4 --find rate --blocks 1
  lastack sweep --vary backlog=16,4k -R 1k --base default -o sweep.json
  lastack sweep --preset close-policy`,
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

// sweepOptions is sweep's command line: run's, without a target, and its own.
type sweepOptions struct {
	runOptions

	vary     []string
	blocks   int
	seed     int64
	base     string
	parallel parallelFlag
	find     string
	scale    scaleFlag
	allow    shareFlag
	metrics  []string
	yes      bool
	resume   string
	preset   string

	asked *preset.Preset
	spec  grid.Spec
	setup grid.Setup
}

func (o *sweepOptions) register(f *pflag.FlagSet) {
	f.StringArrayVar(&o.vary, "vary", nil, "vary `KEY=LEVEL,LEVEL`: a sysctl, or one of the settings above (repeatable)")
	f.StringVar(&o.preset, "preset", "", "answer the question of this `NAME`; see lastack help presets")
	o.blocks = grid.DefaultBlocks
	f.Var(count(&o.blocks), "blocks", "how many times each cell runs")
	f.Var(count(&o.seed), "seed", "seed of the order in which cells run (random)")
	f.Lookup("seed").DefValue = ""
	registerBase(f, &o.base)
	f.Var(&o.parallel, "parallel", "the most runs at once; auto: as many as the CPUs allow")
	f.Var(newChoice(&o.find, "no", record.FindRate), "find", "rate: search for the highest rate that each cell sustains")
	o.scale = grid.ScaleAuto
	f.Var(&o.scale, "scale", "with --find: where TIME_WAIT holds the ports, narrow ports, buckets and rates to 1/N; auto: to about 1000 ports, or not at all with --threshold")
	f.Var(&o.allow, "allow", "with --find: the share of connections that may fail, like 0.1%")
	f.StringArrayVar(&o.metrics, "metric", nil, "the metric `NAME` by which cells are compared (repeatable); see lastack help metrics")
	f.BoolVar(&o.yes, "yes", false, "run a grid of more than 500 cells, or for more than a day")
	f.StringVar(&o.resume, "resume", "", "go on with the sweep of this record `FILE`")
	o.registerLoad(f, sandbox.Veth, sandbox.Lo, sandbox.Routed)
	o.registerOutput(f, report.FormatNames())
	f.StringArrayVar(&o.thresholds, "threshold", nil, "with --find: a `BOUND` that a sustained rate must meet, like 'connect.p99<5ms' (repeatable)")
}

// registerBase adds --base.
func registerBase(f *pflag.FlagSet, base *string) {
	f.StringVar(base, "base", grid.FromHost, "where the sysctls begin: host, default, or a `FILE` of sysctl.d (host unless given)")
	f.Lookup("base").DefValue = ""
}

// complete checks the whole command line before a socket opens.
func (o *sweepOptions) complete(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	if given("preset") {
		if err := o.setPreset(cmd.Flags()); err != nil {
			return err
		}
	}
	old, err := o.checkOwn(cmd)
	if err != nil {
		return err
	}
	if err := o.completeSpec(cmd); err != nil {
		return err
	}
	if o.spec.Base, err = readBase(o.base); err != nil {
		return err
	}
	o.spec.Run = o.runOptions.spec
	known := host.NetSysctls()
	for _, text := range o.vary {
		f, err := grid.ParseFactor(text, known)
		if err != nil {
			return usagef("--vary %w", err)
		}
		o.spec.Factors = append(o.spec.Factors, f)
	}
	o.spec.Blocks, o.spec.Parallel, o.spec.Consent, o.spec.Scale = o.blocks, int(o.parallel), o.yes, float64(o.scale)
	if o.find == record.FindRate {
		o.spec.Find, o.spec.Goal = record.FindRate, grid.Goal{Allow: float64(o.allow), Bounds: o.bounds}
		o.bounds = nil // they are for the runs, not for the record
	}
	o.spec.Seed = uint64(o.seed)
	switch {
	case !given("seed") && old != nil:
		o.spec.Seed = old.Sweep.Seed
	case !given("seed"):
		o.spec.Seed = uint64(rand.Int64N(1e6)) // short enough to type
	}
	facts, err := grid.Read(cmd.Context(), &o.spec)
	if err == nil {
		o.setup, err = grid.Resolve(o.spec, facts)
	}
	if err == nil && old != nil {
		err = o.setup.CheckResume(old)
	}
	return asUsage(cmd, noSandbox("a sweep needs sandboxes", err))
}

// checkOwn checks sweep's own flags, and reads the record of --resume.
func (o *sweepOptions) checkOwn(cmd *cobra.Command) (old *record.Run, err error) {
	given := cmd.Flags().Changed
	searches := o.find == record.FindRate
	switch {
	case len(o.vary) == 0:
		return nil, usagef("--vary is missing: want what to vary, like --vary tcp_tw_reuse=0,1, or a --preset (see lastack sweep --help)")
	case given("blocks") && o.blocks == 0:
		return nil, usagef("--blocks 0: want at least 1")
	case searches && given("rate"):
		return nil, usagef("--rate: --find rate searches for it: want one of the two")
	case searches && (given("plateau") || given("count") || given("ramp") || given("warmup") || given("duration")):
		return nil, usagef("--find rate chooses how long each load is: leave out --duration, --count, --warmup, --ramp and --plateau")
	case !searches && given("threshold"):
		return nil, usagef("--threshold: a sweep has no single result to judge: want --find rate, where it bounds what a sustained rate must meet, or lastack run --threshold")
	case !searches && given("allow"):
		return nil, usagef("--allow %v: only with --find rate", &o.allow)
	case !searches && given("scale"):
		return nil, usagef("--scale %v: only with --find rate: narrow the ports yourself by --sysctl net.ipv4.ip_local_port_range", &o.scale)
	}
	for _, name := range o.metrics {
		if _, err := sweep.Metric(name); err != nil {
			return nil, usagef("--metric %s: %w", name, err)
		}
	}
	if err := o.parseThresholds(record.KindRun); err != nil {
		return nil, err
	}
	if err := checkJournals(o.outputs, o.resume); err != nil {
		return nil, err
	}
	if !given("resume") {
		return nil, nil
	}
	old, err = readUnfinished(cmd.InOrStdin(), o.resume)
	switch {
	case err != nil:
		return nil, err
	case old.Kind != record.KindSweep:
		return nil, usagef("--resume %s: this record is of a %s: want one that lastack sweep wrote", o.resume, old.Kind)
	}
	return old, nil
}

// readBase reads --base.
func readBase(base string) (b grid.Base, err error) {
	if base == grid.FromHost || base == grid.FromDefault {
		return grid.Base{From: base}, nil
	}
	f, err := os.Open(base)
	if err != nil {
		return b, usagef("--base %s: cannot be opened (%w): want host, default, or a file of sysctl.d", base, reasonOf(err))
	}
	defer f.Close()
	b = grid.Base{From: grid.FromFile, File: base}
	if b.Settings, err = grid.ParseConf(f); err != nil {
		return b, usagef("--base %s: %w", base, err)
	}
	return b, nil
}

// run runs the sweep, and shows its progress.
func (o *sweepOptions) run(ctx context.Context, shown *display, out *outputFiles) (*record.Run, error) {
	kept := out.journal()
	o.say(shown, func(w io.Writer) {
		if o.asked != nil {
			fmt.Fprintf(w, "lastack: %s\n", o.asked.Question)
		}
		report.SweepBegins(w, o.setup.Describe(), o.setup.Expected(), o.setup.SideBySide(), kept.kept(o.outputs))
	})
	run := o.setup.Run(ctx, func(p grid.Progress) {
		if p.Run == nil && p.Tried == nil {
			return
		}
		kept.keep(o.setup.Begun, p.Part)
		step := report.SweepStep{Done: p.Done, All: p.All, Left: p.Left, Cell: o.setup.CellName(p.Slot), Block: p.Slot.Block, Run: p.Run, Tried: p.Tried}
		o.say(shown, func(w io.Writer) { report.SweepProgress(w, step) })
	}, o.metrics...)
	if o.asked != nil {
		o.asked.Answer(run)
	}
	return run, nil
}

// say writes progress, unless --quiet.
func (o *sweepOptions) say(shown *display, write func(io.Writer)) {
	if !o.quiet {
		shown.do(func() { write(shown.stderr) })
	}
}
