package main

import (
	"io"
	"slices"

	"github.com/spf13/cobra"

	"lastack/bench/compare"
	"lastack/bench/metric"
	"lastack/report"
)

// compareOptions are the flags of compare.
type compareOptions struct {
	printFlags
	force      bool
	thresholds []string

	a, b []string // the files
}

func newCompare() *cobra.Command {
	var o compareOptions
	cmd := &cobra.Command{
		Use:   "compare A... -- B...",
		Short: "Compare saved records",
		Long: `compare says what differs between two sets of records that run or drain saved
with --output: A before the --, B after it. It names what differs in how they
were measured, and tells differences from noise, if each side has several
records: 5 are enough for the most important metrics; for all it takes 6 to 8,
which the page says. Measure A and B in turn, since a host changes over time.
With one record a side it describes the two.
The table has the median of each side, of counts too. A difference of two shares
is in points: from 1 % to 3 % are +2 points.

A --threshold bounds how far B may be from A: by a sign and a percentage of A's
value ('lifecycle.p99<+5%'), or by a sign and a difference ('lost<=+0'). The
exit code is 99 if B misses one. It takes the median of each side, and is met if
noise explains the excess; of counts and shares of what should not happen it
takes the mean, since a median of 0 hides one bad run, and makes no allowance.
Several are corrected (Holm), so that on one build any of them fails by chance
in at most 5 % of comparisons, as a single one does.

Records of different kinds (a run and a drain), of different close policies
(--close) and of different load models (a closed loop, an open one, a plateau)
are refused unless --force is given. Whatever else differs, also the exchange or
the number of connections, is compared, and named as a possible cause.

With -o the suffix of the file's name chooses the format: .html has pictures of
the differences, of both sides' percentiles and of their timelines, .md is for
a pull request, .csv is the table of metrics, or another one (--table).`,
		Example: `  lastack compare before.json after.json
  lastack compare before?.json -- after?.json
  lastack compare before?.json -- after?.json -o page.html
  lastack compare a?.json -- b?.json --threshold 'lifecycle.p99<+5%' \
    --threshold 'failed_ratio<=+0'`,
		Args: func(cmd *cobra.Command, args []string) error { return o.divide(cmd, args) },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if help, err := cmd.Flags().GetBool("help"); err == nil && help {
				return cmd.Help()
			}
			return o.compare(cmd)
		},
	}
	f := cmd.Flags()
	o.register(f, report.ComparisonFormats())
	f.BoolVar(&o.force, "force", false, "compare records of different kinds, close policies or load models too")
	f.StringArrayVar(&o.thresholds, "threshold", nil, "a `BOUND` like '"+metric.ExampleRelative+"': exit 99 if missed (repeatable)")
	return cmd
}

// divide divides the arguments at the --. Two need none. Flags may stand behind it too: it ends the files of A, not the flags.
func (o *compareOptions) divide(cmd *cobra.Command, args []string) error {
	dash := cmd.ArgsLenAtDash()
	if dash >= 0 {
		if err := cmd.ParseFlags(args[dash:]); err != nil {
			return cmd.FlagErrorFunc()(cmd, err)
		}
		if help, err := cmd.Flags().GetBool("help"); err == nil && help {
			return nil
		}
		o.a, o.b = args[:dash], cmd.Flags().Args()
	}
	switch {
	case dash < 0 && len(args) == 2:
		o.a, o.b = args[:1], args[1:]
	case dash < 0 && len(args) > 2:
		return usagef("compare was given %d records, but no -- between those of A and those of B (lastack compare A... -- B...)", len(args))
	case dash < 0:
		return usagef("compare takes at least two records (lastack compare A... -- B...), but was given %d", len(args))
	case len(o.a) == 0 || len(o.b) == 0:
		return usagef("compare takes records on both sides of the -- (lastack compare A... -- B...)")
	}
	stdin := 0
	for _, path := range slices.Concat(o.a, o.b) {
		if path == "-" {
			stdin++
		}
	}
	if stdin > 1 {
		return usagef("standard input (-) can be read once only, but was given %d times", stdin)
	}
	return nil
}

func (o *compareOptions) compare(cmd *cobra.Command) error {
	p, err := o.printer(cmd)
	if err != nil {
		return err
	}
	defer p.close()
	runsA, err := readRecords(cmd.InOrStdin(), o.a)
	if err != nil {
		return err
	}
	runsB, err := readRecords(cmd.InOrStdin(), o.b)
	if err != nil {
		return err
	}
	options := compare.Options{NamesA: recordNames(o.a), NamesB: recordNames(o.b), Force: o.force}
	for _, expr := range o.thresholds {
		t, err := metric.ParseRelative(func(name string) (metric.Metric, error) {
			m, err := metric.Lookup(runsA[0].Kind, name)
			if err == nil && runsB[0].Kind != runsA[0].Kind {
				m, err = metric.Lookup(runsB[0].Kind, name)
			}
			return m, err
		}, expr)
		if err != nil {
			return usagef("%w", err)
		}
		options.Thresholds = append(options.Thresholds, t)
	}
	c, err := compare.Compare(runsA, runsB, options)
	if err != nil {
		return usagef("%w", err)
	}
	if err := p.print(func(w io.Writer, v report.View) error { return report.RenderComparison(w, v, c) }); err != nil {
		return err
	}
	printMissed(cmd.ErrOrStderr(), c.Thresholds)
	for _, t := range c.Thresholds {
		if !t.OK {
			return exitWith(exitThreshold, nil)
		}
	}
	return nil
}
