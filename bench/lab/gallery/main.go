// Command drain-gallery stops real servers under load with lastack drain, in a sandbox. It prints what their clients saw, beside what was
// expected, as Markdown. See README.md.
//
// A [server] is a program with a configuration for a sandbox: it runs in the foreground, with all its files in one directory, as the user
// that starts it. It answers / at once, and keeps connections longer than any run, so that no idle connection times out. Its slow path
// takes one and a half to two seconds; some servers begin the reply at once, others at the end.
//
// An [entry] is one way to stop a server, with what its documentation and source lead one to expect. A [note] explains a known difference.
// [writeTable] marks what is neither expected nor explained: either this version of the server behaves differently, or lastack is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"lastack/bench/lab"
	"lastack/bench/quantity"
)

func main() {
	os.Exit(program().Main(os.Args[1:], os.Stdout, os.Stderr))
}

func program() *lab.Program {
	var o options
	return &lab.Program{
		Name:  "drain-gallery",
		Parts: map[string]func([]string, io.Writer) error{goServerFlag: func(args []string, _ io.Writer) error { return serveGo(args) }},
		Flags: o.declare,
		Measure: func(ctx context.Context, r *lab.Run) error {
			g := newGallery(&o, r)
			defer g.close()
			if err := g.all(ctx); err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			return r.Write(func(w io.Writer) error { return writeTable(w, g.facts, g.rows, g.absent) })
		},
	}
}

// options are the flags.
type options struct {
	entries []entry
	repeat  int
	records string
	render  bool
	limit   time.Duration
}

func (o *options) declare(f *flag.FlagSet) (check func() error) {
	var only string
	f.StringVar(&only, "only", "", "some of the entries, by the start of their names, separated by commas: nginx,go-term")
	f.Var(quantity.NewDecimal(&o.repeat, 3), "repeat", "`N` tries of each entry")
	f.StringVar(&o.records, "records", "", "keep the run records in this directory")
	f.BoolVar(&o.render, "render", false, "run nothing: print the table of the records in the directory of -records")
	f.DurationVar(&o.limit, "limit", 10*time.Minute, "leave out what would start later than this")
	return func() (err error) {
		switch {
		case o.repeat < 1 || o.repeat > 100:
			return fmt.Errorf("-repeat: want 1 to 100, got %d", o.repeat)
		case o.render && o.records == "":
			return errors.New("-render needs -records DIR")
		}
		o.entries, err = choose(only)
		return err
	}
}

func choose(only string) ([]entry, error) {
	all := entries()
	if only == "" {
		return all, nil
	}
	var chosen []entry
	for start := range strings.SplitSeq(only, ",") {
		before := len(chosen)
		for _, e := range all {
			if strings.HasPrefix(e.ID, start) {
				chosen = append(chosen, e)
			}
		}
		if len(chosen) == before {
			var ids []string
			for _, e := range all {
				ids = append(ids, e.ID)
			}
			return nil, fmt.Errorf("-only: no entry begins with %q: want some of %s", start, strings.Join(ids, ","))
		}
	}
	return chosen, nil
}
