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
	"github.com/spf13/pflag"

	"lastack/report"
)

// viewFlags say how something is shown.
type viewFlags struct {
	format  string
	verbose bool

	formats []string
}

// register adds the flags. The first of the formats is the default.
func (f *viewFlags) register(fs *pflag.FlagSet, formats []string) {
	f.formats = formats
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

// printFlags are those of a command that prints a document, or writes it to files.
type printFlags struct {
	viewFlags
	outputs []string
	table   string
}

// register adds the flags for a document that can be printed in these formats.
func (f *printFlags) register(fs *pflag.FlagSet, formats []string) {
	f.viewFlags.register(fs, formats)
	fs.StringArrayVarP(&f.outputs, "output", "o", nil, "write to this `FILE`, in the format of its suffix, and not to stdout (repeatable)")
	fs.StringVar(&f.table, "table", "", "print the table of this `NAME`, with --format csv; an unknown name lists those that there are")
}

// printer prints a document where the flags say, once.
type printer struct {
	cmd *cobra.Command
	to  []printed
}

// printed is a place where a document is printed: stdout if there is no file.
type printed struct {
	file *destination
	view report.View
}

// printer checks the flags, and opens the files before anything is read. The caller closes it.
func (f *printFlags) printer(cmd *cobra.Command) (*printer, error) {
	p := &printer{cmd: cmd}
	for _, path := range f.outputs {
		format, err := f.formatOf(cmd, path)
		if err != nil {
			return nil, err
		}
		p.to = append(p.to, printed{view: report.View{Format: format, Verbose: true}})
	}
	if err := onceOnly(f.outputs); err != nil {
		return nil, err
	}
	if len(p.to) == 0 {
		p.to = []printed{{view: f.view(cmd.OutOrStdout())}}
	}
	if cmd.Flags().Changed("table") {
		if !slices.ContainsFunc(p.to, func(t printed) bool { return t.view.Format == report.CSV }) {
			return nil, usagef("--table %s: only %s prints one table: add --format %s", f.table, report.CSV, report.CSV)
		}
		for i := range p.to {
			p.to[i].view.Table = cmp.Or(f.table, " ") // no table's name: the error lists those that there are
		}
	}
	files, err := openOutputs(f.outputs, cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	for i, file := range files.files {
		p.to[i].file = file
	}
	return p, nil
}

// formatOf is the format of a file of --output.
func (f *printFlags) formatOf(cmd *cobra.Command, path string) (string, error) {
	if path == "" || path == "-" {
		return "", usagef("--output %q: want a file; without --output the report goes to stdout", path)
	}
	suffix, err := outputFormat(path, f.formats, f.format)
	switch {
	case err != nil:
		return "", err
	case suffix != "" && cmd.Flags().Changed("format") && suffix != f.format:
		return "", usagef("--format %s: --output %s is %s by its suffix: leave one of them out", f.format, path, suffix)
	}
	return cmp.Or(suffix, f.format), nil
}

// noSuchThing reports whether a record has nothing that its format could show.
func noSuchThing(err error) bool {
	return errors.Is(err, report.ErrNoSettings) || errors.Is(err, report.ErrNoLadder)
}

func (p *printer) close() {
	for _, t := range p.to {
		t.file.close()
	}
}

// print writes what render does to all places, if it could be rendered for all.
func (p *printer) print(render func(io.Writer, report.View) error) error {
	pages := make([]bytes.Buffer, len(p.to))
	for i, t := range p.to {
		switch err := render(&pages[i], t.view); {
		case errors.As(err, new(*report.TableError)):
			return usagef("--table: %w", err)
		case noSuchThing(err) && t.file != nil:
			return usagef("--output %s: %w", t.file.path, err)
		case noSuchThing(err):
			return usagef("--format %s: %w", t.view.Format, err)
		case err != nil:
			return err
		}
	}
	if p.to[0].file == nil {
		_, err := p.cmd.OutOrStdout().Write(pages[0].Bytes())
		return err
	}
	var errs []error
	for _, waiting := range []bool{false, true} { // pipes last, since they may block
		for i, t := range p.to {
			if t.file.waits() != waiting {
				continue
			}
			if err := t.file.write(p.cmd.Context(), pages[i].Bytes()); err != nil {
				errs = append(errs, fmt.Errorf("the report could not be saved to %s: %w", t.file.path, err))
			}
		}
	}
	return errors.Join(errs...)
}
