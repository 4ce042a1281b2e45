// Package lab is the frame of the project's own measurements, which are not part of lastack: bench/lab/peers compares it with
// other tools, bench/lab/gallery stops real servers under its load. Each is one program that prints a table as Markdown.
package lab

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"lastack/bench/quantity"
)

// Exit codes.
const (
	ExitOK          = 0
	ExitError       = 1
	ExitUsage       = 2
	ExitInterrupted = 130
)

// Program is a measurement.
type Program struct {
	Name string
	// Parts need a process of their own: the first argument may be the name of one, which then runs instead.
	Parts map[string]func(args []string, stdout io.Writer) error
	// Flags declares further flags and returns a check of their values.
	Flags func(f *flag.FlagSet) (check func() error)
	// Measure writes its table with Run.Write, even if ctx is over before all is measured.
	Measure func(ctx context.Context, r *Run) error
}

// Run is one call of a program.
type Run struct {
	// Lastack is the path of the program to measure.
	Lastack        string
	Stdout, Stderr io.Writer
	output         string
}

// Write writes the table to stdout, and to the file of -o.
func (r *Run) Write(table func(io.Writer) error) error {
	if err := table(r.Stdout); err != nil || r.output == "" {
		return err
	}
	f, err := os.Create(r.output)
	if err != nil {
		return err
	}
	return errors.Join(table(f), f.Close())
}

// Main runs the program and returns its exit code. A failure is one sentence on stderr.
func (p *Program) Main(args []string, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "%s: %s\n", p.Name, quantity.Escape(err.Error()))
		return code
	}
	if len(args) > 0 && p.Parts[args[0]] != nil {
		if err := p.Parts[args[0]](args[1:], stdout); err != nil {
			return fail(ExitError, err)
		}
		return ExitOK
	}
	r := &Run{Stdout: stdout, Stderr: stderr}
	switch err := p.parse(r, args); {
	case errors.Is(err, flag.ErrHelp):
		return ExitOK
	case err != nil:
		return fail(ExitUsage, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := p.Measure(ctx, r); {
	case ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
		return fail(ExitInterrupted, errors.New("interrupted; the table holds what was measured until then"))
	case err != nil:
		return fail(ExitError, err)
	}
	return ExitOK
}

func (p *Program) parse(r *Run, args []string) error {
	f := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	f.SetOutput(r.Stderr)
	f.StringVar(&r.Lastack, "lastack", "lastack", "path of lastack, or its name in PATH")
	f.StringVar(&r.output, "o", "", "write the Markdown to this file as well")
	check := p.Flags(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return check()
}
