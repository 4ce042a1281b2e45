package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"lastack/bench/record"
	"lastack/report"
)

func newReport() *cobra.Command {
	var format string
	verbose := false
	cmd := &cobra.Command{
		Use:   "report FILE",
		Short: "Show a saved run",
		Long: `report shows a record that run or drain saved with --output, exactly as the
command itself would have. It works on any operating system. FILE may be - for
standard input.`,
		Example: `  lastack report run.json
  lastack report -v run.json
  lastack report --format jsonl run.json`,
		Args: oneArgument("FILE (- for standard input)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			run, err := readRecord(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			return report.Render(cmd.OutOrStdout(), viewOf(cmd.OutOrStdout(), format, verbose), run)
		},
	}
	cmd.Flags().Var(newChoice(&format, report.FormatNames()...), "format", "output format")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "print the whole report, not only its first page")
	return cmd
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
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return run, nil
}
