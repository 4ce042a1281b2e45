package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report"
	"lastack/sockstate"
	"lastack/sockstate/observe"
)

// resultFlags say how a result is saved, shown and judged.
type resultFlags struct {
	output     string
	format     *choice
	quiet      bool
	verbose    bool
	thresholds []string

	bounds []metric.Threshold
}

func newResultFlags() resultFlags { return resultFlags{format: newChoice(report.FormatNames()...)} }

// register adds the flags; example is a threshold.
func (f *resultFlags) register(fs *pflag.FlagSet, example string) {
	fs.StringVarP(&f.output, "output", "o", "", "save the run record to this `FILE`")
	fs.Var(f.format, "format", "how to print the result")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "print the whole report, not only its first page")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no progress rows on stderr")
	fs.StringArrayVar(&f.thresholds, "threshold", nil, "a `BOUND` like '"+example+"': exit 99 if missed (repeatable)")
}

// parseThresholds reads the bounds on records of a kind.
func (f *resultFlags) parseThresholds(kind string) error {
	for _, expr := range f.thresholds {
		t, err := metric.ParseThreshold(kind, expr)
		if err != nil {
			return usagef("%w", err)
		}
		if name := t.Counter(); name != "" {
			// Without the names the record will tell.
			if known := observe.CounterNames(); known != nil && !slices.Contains(known, name) {
				return usagef("%w", sockstate.BadValue("threshold", strconv.Quote(expr), "%s", metric.UnknownCounter(name, known)))
			}
		}
		f.bounds = append(f.bounds, t)
	}
	return nil
}

// checkOutput tells before the load whether the record could be saved.
func (f *resultFlags) checkOutput(given func(string) bool) error {
	if !given("output") {
		return nil
	}
	return checkOutput(f.output)
}

// finish saves and prints a record, whose run may have ended with err, and returns what the program ends with.
func (f *resultFlags) finish(cmd *cobra.Command, out *output, run *record.Run, err error) error {
	for _, t := range f.bounds {
		run.Thresholds = append(run.Thresholds, t.Evaluate(run))
	}
	run.Redact()
	code := codeOfRun(run)
	// A file comes first: a reader of stdout may have stopped reading. What waits for a reader itself comes last.
	if out.waits() {
		err = errors.Join(err, f.print(cmd.OutOrStdout(), run), out.write(run))
	} else {
		err = errors.Join(err, out.write(run), f.print(cmd.OutOrStdout(), run))
	}
	sayMissed(cmd.ErrOrStderr(), run)
	if err != nil {
		code = worst(code, exitError)
	}
	return exitWith(code, err)
}

// sayMissed says why the program ends as it does, where stdout is data, or goes where nobody looks.
func sayMissed(stderr io.Writer, run *record.Run) {
	for _, t := range run.Thresholds {
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

// print shows the result, or what of it jsonl has not shown yet. Whoever has stopped reading has read enough.
func (f *resultFlags) print(w io.Writer, run *record.Run) error {
	var err error
	if f.format.value == "jsonl" {
		err = report.WriteRest(w, run)
	} else {
		v := viewOf(w, f.format.value, f.verbose)
		if f.output == "" {
			v.Hint = "-o FILE saves it"
		}
		err = report.Render(w, v, run)
	}
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("the result could not be printed: %w", err)
	}
	return nil
}

// codeOfRun is what a finished run ends the program with: the checks stand in the order of worst,
// the mildest first.
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
