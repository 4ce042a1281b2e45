package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	partial bool
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
and says so. A merged record can be merged again, and reported, compared and
exported like any other. FILE may be - for standard input, with one record after
the other, as JSON Lines or not.

The exit code is 3 if the merged run is not valid.`,
		Example: `  lastack merge shard-*.json
  lastack merge shard-*.json -o run.json -o run.html
  lastack merge - --format json <all-shards.jsonl
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
	return cmd
}

func (o *mergeOptions) merge(cmd *cobra.Command, files []string) error {
	p, err := o.printer(cmd)
	if err != nil {
		return err
	}
	defer p.close()
	var m merge.Merger
	for _, path := range files {
		if path == "-" {
			err = addStream(&m, cmd.InOrStdin())
		} else {
			var r *record.Run
			if r, err = readRecord(nil, path); err == nil {
				m.Add(path, r)
			}
		}
		if err != nil {
			return err
		}
	}
	run, err := m.Result(o.partial)
	if e, ok := errors.AsType[*merge.Error](err); ok {
		if e.Missing {
			err = fmt.Errorf("%s: --partial merges the others", strings.Join(e.Problems, "; "))
		}
		return exitWith(exitInvalid, err)
	}
	if err := p.print(func(w io.Writer, v report.View) error { return report.Render(w, v, run) }); err != nil {
		return err
	}
	if !run.Verdict.Valid {
		return exitWith(exitInvalid, nil)
	}
	return nil
}

// mostStream is as many bytes as standard input may have: a thousand records of a long run.
const mostStream = 8 << 30

// addStream adds the records of a stream, one after the other.
func addStream(m *merge.Merger, stdin io.Reader) error {
	d := json.NewDecoder(io.LimitReader(stdin, mostStream))
	for n := 1; ; n++ {
		var text json.RawMessage
		err := d.Decode(&text)
		switch name := fmt.Sprintf("standard input, record %d", n); {
		case errors.Is(err, io.EOF) && n > 1:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("standard input is empty: want the records of shards, one after the other")
		case err != nil:
			return fmt.Errorf("%s: it is not JSON, or ends too early: want records that lastack run -o FILE.json wrote", name)
		default:
			r, err := record.Read(bytes.NewReader(text))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			m.Add(name, r)
		}
	}
}
