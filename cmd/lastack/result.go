package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report"
	"lastack/sockstate/observe"
)

// resultFlags say how a result is saved, shown and judged.
type resultFlags struct {
	viewFlags
	outputs    []string
	quiet      bool
	thresholds []string

	bounds []metric.Threshold
	// streamed holds the ends of the intervals that format jsonl has printed while they came.
	streamed map[float64]bool
}

// register adds the flags. example is a threshold for the help text.
func (f *resultFlags) register(fs *pflag.FlagSet, example string) {
	f.registerOutput(fs, report.FormatNames())
	fs.StringArrayVar(&f.thresholds, "threshold", nil, "a `BOUND` like '"+example+"': exit 99 if missed (repeatable)")
}

// registerOutput adds the flags without those that judge, for a record that can be shown in these formats.
func (f *resultFlags) registerOutput(fs *pflag.FlagSet, formats []string) {
	fs.StringArrayVarP(&f.outputs, "output", "o", nil, "save the record to this `FILE`; a suffix like .html or .md makes it a report (repeatable)")
	f.viewFlags.register(fs, formats)
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no progress rows on stderr")
}

// parseThresholds reads the bounds on records of a kind.
func (f *resultFlags) parseThresholds(kind string) (err error) {
	f.bounds, err = parseThresholds(kind, f.thresholds)
	return err
}

func parseThresholds(kind string, exprs []string) (bounds []metric.Threshold, err error) {
	for _, expr := range exprs {
		t, err := metric.ParseThreshold(kind, expr)
		if err != nil {
			return nil, usagef("%w", err)
		}
		// If the names cannot be read here, Evaluate finds a misspelt one.
		if err := t.CheckCounter(observe.CounterNames()); err != nil {
			return nil, usagef("%w", err)
		}
		bounds = append(bounds, t)
	}
	return bounds, nil
}

// finish saves and prints a record, and returns the program's error. err is the error of the run itself.
func (f *resultFlags) finish(ctx context.Context, cmd *cobra.Command, out *outputFiles, shown *display, run *record.Run, err error) error {
	for _, t := range f.bounds {
		run.Thresholds = append(run.Thresholds, t.Evaluate(run))
	}
	run.Build = recordedBuild()
	run.Redact()
	code := codeOfRun(run)
	// Save to files first, since stdout and stderr may block. Save to pipes last, since they may block too.
	err = errors.Join(err, out.save(ctx, run, false))
	shown.flush()
	err = errors.Join(err, f.print(cmd.OutOrStdout(), run))
	err = errors.Join(err, out.save(ctx, run, true))
	shown.flush()
	printMissed(cmd.ErrOrStderr(), run.Thresholds)
	if err != nil {
		code = worst(code, exitError)
	}
	return exitWith(code, err)
}

// printMissed prints the missed thresholds to stderr, since stdout may be JSON, or discarded.
func printMissed(stderr io.Writer, thresholds []record.ThresholdResult) {
	for _, t := range thresholds {
		if t.OK {
			continue
		}
		why := cmp.Or(t.Reason, "it has no value")
		if t.GotText != "" {
			why = "it is " + t.GotText
			if t.Reason != "" {
				why += ", " + t.Reason
			}
		}
		fmt.Fprintf(stderr, "lastack: threshold missed: %s (%s)\n", quantity.Escape(t.Expr), quantity.Escape(why))
	}
}

// print shows the result; for jsonl, only the lines that have not been printed yet. EPIPE is not an error: the reader has seen enough.
func (f *resultFlags) print(w io.Writer, run *record.Run) error {
	v := f.view(w)
	if len(f.outputs) == 0 {
		v.Hint = "-o FILE saves it"
	}
	rest := *run
	rest.Timeline = slices.DeleteFunc(slices.Clone(run.Timeline), func(iv record.Interval) bool { return f.streamed[iv.TS] })
	err := report.Render(w, v, &rest)
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("the result could not be printed: %w", err)
	}
	return nil
}

// codeOfRun returns the exit code for a finished run. The last check that applies wins, in the order of worst.
func codeOfRun(r *record.Run) int {
	code := exitOK
	for _, t := range r.Thresholds {
		if !t.OK {
			code = exitThreshold
		}
	}
	if !r.Verdict.Valid {
		code = exitInvalid
	}
	if r.Interrupted {
		code = exitInterrupted
	}
	return code
}
