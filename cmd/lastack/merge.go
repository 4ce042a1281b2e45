package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lastack/bench/merge"
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
kubectl logs --prefix taken off.

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
	f.BoolVar(&o.partial, "partial", false, "merge although shards are missing")
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
	var m merge.Merger
	var unfinished []string
	for part := range readAhead(parts(cmd.InOrStdin(), files)) {
		switch {
		case record.Unfinished(part.err):
			unfinished = append(unfinished, part.name)
		case part.err != nil:
			return part.err
		default:
			m.Add(part.name, part.run)
		}
	}
	const left = "%s: the record is not whole, as of a process that was killed"
	if len(unfinished) > 0 && !o.partial {
		return exitWith(exitInvalid, fmt.Errorf(left+": --partial merges the others", strings.Join(unfinished, ", ")))
	}
	run, err := m.Result(o.partial)
	if e, ok := errors.AsType[*merge.Error](err); ok {
		if e.Missing {
			err = fmt.Errorf("%s: --partial merges the others", strings.Join(e.Problems, "; "))
		}
		return exitWith(exitInvalid, err)
	}
	for _, name := range unfinished {
		run.Warnings = append(run.Warnings, fmt.Sprintf(left+", and was left out", name))
	}
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
}

// parts reads the records of files, of which - is standard input.
func parts(stdin io.Reader, files []string) iter.Seq[part] {
	return func(yield func(part) bool) {
		for _, path := range files {
			if path == "-" {
				for p := range streamed(stdin) {
					if !yield(p) {
						return
					}
				}
				continue
			}
			r, err := readRecord(nil, path)
			if !yield(part{path, r, err}) {
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

// streamed reads the records of a stream, one after the other.
func streamed(stdin io.Reader) iter.Seq[part] {
	return func(yield func(part) bool) {
		all := record.NewStream(newEngineLog(io.LimitReader(stdin, mostStream)))
		for n := 1; ; n++ {
			run, err := all.Next()
			name := fmt.Sprintf("standard input, record %d", n)
			switch {
			case errors.Is(err, io.EOF) && n > 1:
				return
			case errors.Is(err, io.EOF):
				err = errors.New("standard input is empty: want the records of shards, one after the other")
			case err != nil:
				err = fmt.Errorf("%s: %w", name, err)
			}
			if !yield(part{name, run, err}) || err != nil {
				return
			}
		}
	}
}
