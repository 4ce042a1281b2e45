package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"lastack/bench/record"
	"lastack/report"
)

// reportOptions are the flags of report.
type reportOptions struct {
	format  string
	output  string
	table   string
	verbose bool
}

func newReport() *cobra.Command {
	var o reportOptions
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "Show saved runs in any format",
		Long: `report shows a record that run or drain saved with --output, exactly as the
command itself would have. It works on any operating system. FILE may be - for
standard input. With several FILEs, one follows the other; as csv they are one
table, whose first column names the FILE.

  text    a page for people: the first, or all with -v
  json    the record itself
  jsonl   a line for each interval, then the rest of the record
  csv     the timeline, a row for each interval, or another table (--table)
  html    a page with pictures, in one file
  md      Markdown for a pull request, at most 60 lines
  hlog    the latency histograms of the intervals, for HdrHistogram's tools

With -o the suffix of the file's name chooses the format: .txt (with -v),
.json, .jsonl, .csv, .html, .md or .hlog.`,
		Example: `  lastack report run.json
  lastack report -v run.json
  lastack report run.json -o run.html
  lastack report --format csv --table latency monday.json tuesday.json
  lastack report --format jsonl run.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("report needs a FILE (- for standard input)")
			}
			if i := slices.Index(args, "-"); i >= 0 && slices.Contains(args[i+1:], "-") {
				return usagef("standard input (-) can be read once only")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.report(cmd, args) },
	}
	fs := cmd.Flags()
	fs.Var(newChoice(&o.format, report.FormatNames()...), "format", "output format")
	fs.StringVarP(&o.output, "output", "o", "", "write to this `FILE`, in the format of its suffix, and not to stdout")
	fs.StringVar(&o.table, "table", "", "print the table of this `NAME`, with --format csv")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "print the whole report, not only its first page")
	return cmd
}

func (o *reportOptions) report(cmd *cobra.Command, files []string) error {
	given := cmd.Flags().Changed
	if given("output") && (o.output == "" || o.output == "-") {
		return usagef("--output %q: want a file; without --output the report goes to stdout", o.output)
	}
	suffix, err := outputFormat(o.output)
	if err != nil {
		return err
	}
	if suffix != "" && given("format") && suffix != o.format {
		return usagef("--format %s: --output %s is %s by its suffix: leave one of them out", o.format, o.output, suffix)
	}
	out, err := openDestination("output", o.output, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer out.close()
	v := viewOf(cmd.OutOrStdout(), o.format, o.verbose)
	if out != nil {
		v = report.View{Format: cmp.Or(suffix, o.format), Verbose: true}
	}
	if given("table") {
		if v.Format != report.CSV {
			return usagef("--table %s: only %s prints one table: add --format %s", o.table, report.CSV, report.CSV)
		}
		if o.table == "" {
			return usagef(`--table "": want the name of a table; a name that there is not lists them`)
		}
		v.Table = o.table
	}
	runs, err := readRecords(cmd.InOrStdin(), files)
	if err != nil {
		return err
	}
	v.Names = files
	var b bytes.Buffer
	switch err := report.Render(&b, v, runs...); {
	case errors.As(err, new(*report.TableError)):
		return usagef("--table: %w", err)
	case err != nil:
		return err
	case out != nil:
		if err := out.write(cmd.Context(), b.Bytes()); err != nil {
			return fmt.Errorf("the report could not be saved to %s: %w", o.output, err)
		}
		return nil
	}
	_, err = cmd.OutOrStdout().Write(b.Bytes())
	return err
}

// viewOf returns how to show a result on w: in a terminal, as wide as it is, and in colour unless NO_COLOR is set
// (https://no-color.org).
func viewOf(w io.Writer, format string, verbose bool) report.View {
	if c, ok := w.(*checked); ok {
		w = c.Writer
	}
	width := terminalWidth(w)
	return report.View{Format: format, Verbose: verbose, Width: width, Colour: width > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func readRecords(stdin io.Reader, files []string) ([]*record.Run, error) {
	var runs []*record.Run
	for _, path := range files {
		run, err := readRecord(stdin, path)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

func readRecord(stdin io.Reader, path string) (*record.Run, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usagef("the record %s cannot be opened (%w): want a file that lastack run -o FILE wrote, or - for standard input", path, errors.Unwrap(err))
		}
		defer f.Close()
		if st, err := f.Stat(); err == nil && st.IsDir() {
			return nil, usagef("%s is a directory: want a file that lastack run -o FILE wrote, or - for standard input", path)
		}
		in = f
	}
	run, err := record.Read(in)
	switch {
	case errors.Is(err, record.ErrNewer):
		return nil, usagef("%s: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return run, nil
}
