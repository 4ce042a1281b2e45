package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lastack/bench/record"
	"lastack/report"
)

func newReport() *cobra.Command {
	var flags printFlags
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "Show saved records in any format",
		Long: `report shows a record that run, drain, sweep, tune or handshake saved with
--output, exactly as the command itself would have. It works on any operating
system. FILE may be - for standard input. With several FILEs, one follows the
other; as csv they are one table, whose first column names the FILE.

  text    a page for people: the first, or all with -v
  json    the record itself
  jsonl   a line for each interval, then the rest of the record
  csv     the timeline, a row for each interval, of a drain for each 100 ms of
          each try, or another table (--table)
  html    a page with pictures, in one file
  md      Markdown for a pull request, at most 60 lines
  hlog    the latency histograms of the intervals, for HdrHistogram's tools
  conf    the settings that tune recommends, as a file of sysctl.d
  svg     the drawing of a handshake, by itself; mermaid for a Markdown page
  pcapng  its packets for Wireshark, with the states of both ends as comments

With -o the suffix of the file's name chooses the format: .txt (with -v),
.json, .jsonl, .csv, .html, .md, .hlog, .conf, .svg, .mmd or .pcapng. Several -o
write several files.
Without a suffix --format chooses it.`,
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
		RunE: func(cmd *cobra.Command, args []string) error { return printReport(cmd, &flags, args) },
	}
	flags.register(cmd.Flags(), append(tuneFormats(), report.SVG, report.Mermaid, report.PcapNG))
	return cmd
}

func printReport(cmd *cobra.Command, flags *printFlags, files []string) error {
	p, err := flags.printer(cmd)
	if err != nil {
		return err
	}
	defer p.close()
	runs, err := readRecords(cmd.InOrStdin(), files)
	if err != nil {
		return err
	}
	return p.print(func(w io.Writer, v report.View) error {
		v.Names = recordNames(files)
		return report.Render(w, v, runs...)
	})
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
	read := record.Read
	if strings.HasSuffix(path, journalSuffix) {
		read = record.ReadJournal
	}
	run, err := read(in)
	name := recordNames([]string{path})[0]
	switch {
	case errors.Is(err, record.ErrNewer):
		return nil, usagef("%s: %w", name, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return run, nil
}

// recordNames are what pages and messages call files.
func recordNames(paths []string) (names []string) {
	for _, path := range paths {
		if path == "-" {
			path = "standard input"
		}
		names = append(names, path)
	}
	return names
}
