package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/report"
)

// viewFlags say how something is shown.
type viewFlags struct {
	format  string
	verbose bool
}

// register adds the flags. The first of the formats is the default.
func (f *viewFlags) register(fs *pflag.FlagSet, formats []string) {
	fs.Var(newChoice(&f.format, formats...), "format", "output format")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "print the whole report, not only its first page")
}

// view is how to show something on w: in a terminal, as wide as it is, and in colour unless NO_COLOR is set (https://no-color.org).
func (f *viewFlags) view(w io.Writer) report.View {
	if c, ok := w.(*checked); ok {
		w = c.Writer
	}
	width := terminalWidth(w)
	return report.View{Format: f.format, Verbose: f.verbose, Width: width, Colour: width > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// printFlags are those of a command that prints a document, or writes it to a file.
type printFlags struct {
	viewFlags
	output, table string

	formats []string
}

// register adds the flags for a document that can be printed in these formats.
func (f *printFlags) register(fs *pflag.FlagSet, formats []string) {
	f.formats = formats
	f.viewFlags.register(fs, formats)
	fs.StringVarP(&f.output, "output", "o", "", "write to this `FILE`, in the format of its suffix, and not to stdout")
	fs.StringVar(&f.table, "table", "", "print the table of this `NAME`, with --format csv")
}

// printer prints a document where the flags say, once.
type printer struct {
	cmd  *cobra.Command
	file *destination
	view report.View
}

// printer checks the flags, and opens the file before anything is read. The caller closes it.
func (f *printFlags) printer(cmd *cobra.Command) (*printer, error) {
	given := cmd.Flags().Changed
	if given("output") && (f.output == "" || f.output == "-") {
		return nil, usagef("--output %q: want a file; without --output the report goes to stdout", f.output)
	}
	suffix, err := outputFormat(f.output)
	switch {
	case err != nil:
		return nil, err
	case suffix != "" && !slices.Contains(f.formats, suffix):
		return nil, usagef("--output %s: %s has no %s: want a suffix of %s", f.output, cmd.Name(), suffix, strings.Join(f.formats, ", "))
	case suffix != "" && given("format") && suffix != f.format:
		return nil, usagef("--format %s: --output %s is %s by its suffix: leave one of them out", f.format, f.output, suffix)
	}
	p := &printer{cmd: cmd, view: f.view(cmd.OutOrStdout())}
	if f.output != "" {
		p.view = report.View{Format: cmp.Or(suffix, f.format), Verbose: true}
	}
	if given("table") {
		switch {
		case p.view.Format != report.CSV:
			return nil, usagef("--table %s: only %s prints one table: add --format %s", f.table, report.CSV, report.CSV)
		case f.table == "":
			return nil, usagef(`--table "": want the name of a table; a name that there is not lists them`)
		}
		p.view.Table = f.table
	}
	if p.file, err = openDestination("output", f.output, cmd.ErrOrStderr()); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *printer) close() { p.file.close() }

// print writes what render does, all of it or nothing.
func (p *printer) print(render func(io.Writer, report.View) error) error {
	var b bytes.Buffer
	switch err := render(&b, p.view); {
	case errors.As(err, new(*report.TableError)):
		return usagef("--table: %w", err)
	case err != nil:
		return err
	case p.file == nil:
		_, err := p.cmd.OutOrStdout().Write(b.Bytes())
		return err
	}
	if err := p.file.write(p.cmd.Context(), b.Bytes()); err != nil {
		return fmt.Errorf("the report could not be saved to %s: %w", p.file.path, err)
	}
	return nil
}
