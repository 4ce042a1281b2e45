// Command drain-gallery stops real servers under load, by lastack drain in a sandbox, and prints
// what their clients saw beside what was to be expected, as Markdown. See make drain-gallery.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"lastack/bench/lab/gallery"
	"lastack/bench/quantity"
)

// Exit codes.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// options are the flags.
type options struct {
	lastack string
	entries []gallery.Entry
	repeat  int
	output  string
	records string
	render  bool
	limit   time.Duration
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("drain-gallery", flag.ContinueOnError)
	f.SetOutput(stderr)
	var only string
	f.StringVar(&o.lastack, "lastack", "lastack", "path of lastack")
	f.StringVar(&only, "only", "", "some of the entries, by the begin of their names, with commas between them: nginx,go-term")
	f.Var(quantity.NewDecimal(&o.repeat, 3), "repeat", "`N` tries of each entry")
	f.StringVar(&o.output, "o", "", "write the Markdown to this file as well")
	f.StringVar(&o.records, "records", "", "keep the run records in this directory")
	f.BoolVar(&o.render, "render", false, "run nothing: make the table of what -records holds")
	f.DurationVar(&o.limit, "limit", 10*time.Minute, "leave out what would begin later than this")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.repeat < 1 || o.repeat > 100:
		return o, fmt.Errorf("-repeat: want 1 to 100, got %d", o.repeat)
	case o.render && o.records == "":
		return o, errors.New("-render needs -records DIR")
	}
	o.entries, err = choose(only)
	return o, err
}

func choose(only string) ([]gallery.Entry, error) {
	all := gallery.Entries()
	if only == "" {
		return all, nil
	}
	var chosen []gallery.Entry
	for begin := range strings.SplitSeq(only, ",") {
		before := len(chosen)
		for i := range all {
			if strings.HasPrefix(all[i].ID, begin) {
				chosen = append(chosen, all[i])
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("-only: no entry begins with %q: want some of %s", begin, strings.Join(ids(all), ","))
		}
	}
	return chosen, nil
}

func ids(es []gallery.Entry) []string {
	var names []string
	for i := range es {
		names = append(names, es[i].ID)
	}
	return slices.Compact(names)
}

// run is main with its arguments and streams. A failure is one sentence on stderr.
func run(args []string, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "drain-gallery: %s\n", quantity.Escape(err.Error()))
		return code
	}
	if len(args) > 0 && args[0] == gallery.GoServerFlag {
		if err := gallery.GoServer(args[1:]); err != nil {
			return fail(exitError, err)
		}
		return exitOK
	}
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return fail(exitUsage, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ending()...)
	defer stop()
	g := newGallery(&o, stderr)
	defer g.close()
	if err := g.all(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fail(exitError, err)
	}
	if err := g.write(stdout); err != nil {
		return fail(exitError, err)
	}
	if ctx.Err() != nil {
		return fail(exitInterrupted, errors.New("interrupted; the table holds what was run until then"))
	}
	return exitOK
}
