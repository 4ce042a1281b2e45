package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lastack/bench/merge"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report"
)

// mergeOptions are the flags of merge.
type mergeOptions struct {
	printFlags
	partial    bool
	thresholds []string
}

func newMerge() *cobra.Command {
	var o mergeOptions
	cmd := &cobra.Command{
		Use:   "merge FILE...",
		Short: "Make one record of those of the shards of a run",
		Long: `merge adds up the records that the shards of one run saved (lastack run --shard
I/N -o FILE). Histograms are added bucket by bucket, so that percentiles are
those of all connections, and not means of percentiles. What the kernel counted
counts once for each network namespace. Hosts, pressure and the verdict are kept
for each shard, and the verdict says which of them differs.

A shard that is missing, there twice, of another run or of another plan is
named, and nothing is merged. --partial merges without those that are missing,
or whose record is not whole, and says so. A merged record can be merged again,
and reported, compared and exported like any other. FILE may be - for standard
input, with one record after the other, as JSON Lines or not, or the log of an
engine: lastack's own messages are passed over, and the labels of srun -l and
kubectl logs --prefix taken off. Other lines, as of a process that crashed, are
refused, and passed over by --partial, which says how many there were.

The exit code is 3 if the merged run is not valid, and 99 if it is and misses a
--threshold.`,
		Example: `  lastack merge shard-*.json
  lastack merge shard-*.json -o run.json -o run.html
  lastack merge - --format json <all-shards.jsonl
  lastack merge shard-*.json --threshold 'connect.p99<5ms'
  lastack merge --partial shard-0.json shard-2.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("merge needs the records of the shards (- for standard input)")
			}
			if i := slices.Index(args, "-"); i >= 0 && slices.Contains(args[i+1:], "-") {
				return usagef("standard input (-) can be read once only")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.merge(cmd, args) },
	}
	f := cmd.Flags()
	o.register(f, report.FormatNames())
	f.BoolVar(&o.partial, "partial", false, "merge although shards are missing, or records or lines of a log damaged")
	f.StringArrayVar(&o.thresholds, "threshold", nil, "a `BOUND` on the merged run like 'connect.p99<5ms': exit 99 if missed (repeatable)")
	return cmd
}

func (o *mergeOptions) merge(cmd *cobra.Command, files []string) error {
	p, err := o.printer(cmd)
	if err != nil {
		return err
	}
	defer p.close()
	bounds, err := parseThresholds(record.KindRun, o.thresholds)
	if err != nil {
		return err
	}
	// A record is garbage as soon as it has been added.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	var m merge.Merger
	var unfinished, warnings []string
	const left = "%s: the record is not whole, as of a process that was killed"
	for part := range readAhead(parts(cmd.InOrStdin(), files, o.partial)) {
		var stray *strayLine
		switch {
		case record.Unfinished(part.err) && !o.partial:
			unfinished = append(unfinished, part.name)
		case record.Unfinished(part.err):
			warnings = append(warnings, fmt.Sprintf(left+", and was left out", part.name))
		case part.streamed && record.Faulty(part.err) && !o.partial:
			return fmt.Errorf("%w; --partial merges the others", part.err)
		case part.streamed && record.Faulty(part.err):
			warnings = append(warnings, fmt.Sprintf("left out %v", part.err))
		case errors.As(part.err, &stray) && !o.partial:
			return fmt.Errorf("%w; --partial passes over such lines", part.err)
		case errors.As(part.err, &stray):
			warnings = append(warnings, part.err.Error())
		case part.err != nil:
			return part.err
		default:
			m.Add(part.name, part.run)
		}
	}
	if len(unfinished) > 0 {
		return exitWith(exitInvalid, fmt.Errorf(left+": --partial merges the others", strings.Join(unfinished, ", ")))
	}
	for i := range warnings {
		warnings[i] = record.RedactText(warnings[i])
		fmt.Fprintf(cmd.ErrOrStderr(), "lastack: %s\n", quantity.Escape(warnings[i]))
	}
	run, err := m.Result(o.partial)
	if e, ok := errors.AsType[*merge.Error](err); ok {
		if e.Missing {
			err = fmt.Errorf("%s: --partial merges the others", strings.Join(e.Problems, "; "))
		}
		return exitWith(exitInvalid, err)
	}
	run.Warnings = append(run.Warnings, warnings...)
	for _, t := range bounds {
		run.Thresholds = append(run.Thresholds, t.Evaluate(run))
	}
	if err := p.print(func(w io.Writer, v report.View) error { return report.Render(w, v, run) }); err != nil {
		return err
	}
	printMissed(cmd.ErrOrStderr(), run.Thresholds)
	switch {
	case !run.Verdict.Valid && p.to[0].file != nil && len(run.Verdict.Reasons) > 0:
		return exitWith(exitInvalid, fmt.Errorf("the merged run is not valid: %s", run.Verdict.Reasons[0]))
	case !run.Verdict.Valid:
		return exitWith(exitInvalid, nil)
	case slices.ContainsFunc(run.Thresholds, func(t record.ThresholdResult) bool { return !t.OK }):
		return exitWith(exitThreshold, nil)
	}
	return nil
}

// mostStream is as many bytes as standard input may have: a thousand records of a long run.
const mostStream = 8 << 30

// part is the record of a shard, or why there is none.
type part struct {
	name string
	run  *record.Run
	err  error
	// streamed: it began in a line of standard input.
	streamed bool
}

// parts reads the records of files, of which - is standard input.
func parts(stdin io.Reader, files []string, partial bool) iter.Seq[part] {
	return func(yield func(part) bool) {
		for _, path := range files {
			if path == "-" {
				for p := range streamed(stdin, partial) {
					if !yield(p) {
						return
					}
				}
				continue
			}
			r, err := readRecord(nil, path)
			if !yield(part{name: path, run: r, err: err}) {
				return
			}
		}
	}
}

// readAhead reads the next one while the caller adds the last.
func readAhead(all iter.Seq[part]) iter.Seq[part] {
	return func(yield func(part) bool) {
		next, done := make(chan part, 2), make(chan struct{})
		defer close(done)
		go func() {
			defer close(next)
			for p := range all {
				select {
				case next <- p:
				case <-done:
					return
				}
			}
		}()
		for p := range next {
			if !yield(p) {
				return
			}
		}
	}
}

// streamed reads the records of a stream, one after the other. If partial is set, the last part says what lines were passed over.
func streamed(stdin io.Reader, partial bool) iter.Seq[part] {
	return func(yield func(part) bool) {
		log := newEngineLog(io.LimitReader(stdin, mostStream), partial)
		all := record.NewStream(log)
		for n := 1; ; n++ {
			run, err := all.Next()
			at := log.where(all.Began())
			name := fmt.Sprintf("standard input, record %d", n)
			var stray *strayLine
			switch {
			case errors.Is(err, io.EOF) && log.stray != nil:
				yield(part{err: fmt.Errorf("standard input: %w", log.stray), streamed: true})
				return
			case errors.Is(err, io.EOF) && n > 1:
				return
			case errors.Is(err, io.EOF):
				err = errors.New("standard input is empty: want the records of shards, one after the other")
			case errors.As(err, &stray):
				err = fmt.Errorf("standard input, %w", stray)
			case err != nil:
				name += at.of(record.ShardOf(err))
				err = fmt.Errorf("%s: %w", name, err)
			}
			inLine := at.line > 0 // and not what is no log at all
			if !yield(part{name, run, err, inLine}) || err != nil && !record.Faulty(err) {
				return
			}
		}
	}
}

// of says whose record it is, as far as that is known.
func (b beginning) of(s *record.Shard) string {
	if b.line == 0 {
		return ""
	}
	known := fmt.Sprintf("line %d", b.line)
	if b.label != "" {
		known += fmt.Sprintf(" (%s)", b.label)
	}
	if s != nil {
		known += fmt.Sprintf(", shard %d of 0 to %d", s.I, s.N-1)
	}
	return ", " + known
}
