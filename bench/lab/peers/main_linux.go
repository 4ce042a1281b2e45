// Command sidebyside measures lastack against other tools and the serial floor, in turn
// and on one machine, and prints the ratios as Markdown. See make bench.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/sandbox"
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
	programs  programs
	load      load
	pairs     int
	workloads []workload
	output    string
	host      bool
	quiet     time.Duration
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("sidebyside", flag.ContinueOnError)
	f.SetOutput(stderr)
	var workloads string
	f.Var(quantity.NewDecimal(&o.pairs, 5), "pairs", "`N` rounds: every contender runs once in each")
	f.Var(quantity.NewDecimal(&o.load.Seconds, 2), "seconds", "duration of each run in `seconds`; several tools take whole seconds only")
	f.Var(quantity.NewDecimal(&o.load.Connections, 64), "c", "`N` connections at once")
	f.StringVar(&workloads, "workloads", "all", "some of echo-rst,echo-fin,none-rst,none-fin,http")
	f.StringVar(&o.output, "o", "", "write the Markdown to this file as well")
	f.BoolVar(&o.host, "host", false, "on the host's loopback, not in a network namespace of its own")
	f.DurationVar(&o.quiet, "quiet", 2*time.Second, "how long each run waits for an idle machine; 0 = none does")
	p := &o.programs
	for _, path := range []struct {
		name  string
		value *string
		usage string
	}{
		{"lastack", &p.Lastack, "path of lastack (default: in PATH)"},
		{"wrk", &p.Wrk, "path of wrk (default: in PATH; so for ab, httperf, hey and nginx)"},
		{"ab", &p.Ab, "path of ab"},
		{"httperf", &p.Httperf, "path of httperf"},
		{"hey", &p.Hey, "path of hey"},
		{"nginx", &p.Nginx, "path of nginx"},
		{"neper", &p.Neper, "path of neper's tcp_crr (left out without; so for netperf and h1load)"},
		{"netperf", &p.Netperf, "path of netperf"},
		{"netserver", &p.Netserver, "path of netserver (default: beside netperf)"},
		{"h1load", &p.H1load, "path of h1load"},
	} {
		f.StringVar(path.value, path.name, "", path.usage)
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if o.workloads, err = parseWorkloads(workloads); err != nil {
		return o, fmt.Errorf("-workloads: %w", err)
	}
	for _, n := range []struct {
		name     string
		v, least int
		most     int
	}{{"-pairs", o.pairs, 1, 1000}, {"-seconds", o.load.Seconds, 1, 600}, {"-c", o.load.Connections, 2, 10_000}} {
		if n.v < n.least || n.v > n.most {
			return o, fmt.Errorf("%s: want %d to %d, got %d", n.name, n.least, n.most, n.v)
		}
	}
	if p.Lastack == "" {
		p.Lastack = "lastack"
	}
	if p.Netperf != "" && p.Netserver == "" {
		p.Netserver = filepath.Join(filepath.Dir(p.Netperf), "netserver")
	}
	p.Self = "/proc/self/exe"
	o.load.CPUs = runtime.NumCPU()
	return o, nil
}

// run is main with its arguments and streams. A failure is one sentence on stderr.
func run(args []string, stdout, stderr io.Writer) int {
	fail := func(code int, err error) int {
		fmt.Fprintf(stderr, "sidebyside: %s\n", quantity.Escape(err.Error()))
		return code
	}
	if len(args) > 0 && args[0] == floorFlag {
		if err := floorMain(args[1:], stdout); err != nil {
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

	if sandbox.Inside() {
		sb, err := sandbox.Enter()
		if err != nil {
			return exitError // the parent says why
		}
		defer sb.Close()
		return finish(o.measure(ctx, sb, fmt.Sprintf("loopback of a network namespace of its own (%s)", sb.Mode), stdout, stderr), stderr)
	}
	place := "the host's loopback, as asked"
	if !o.host {
		stop() // Run passes signals on
		code, _, err := sandbox.Run(context.Background(), sandbox.Spec{})
		if err == nil {
			return code
		}
		place = fmt.Sprintf("the host's loopback (%v)", err)
		ctx, stop = signal.NotifyContext(context.Background(), ending()...)
		defer stop()
	}
	return finish(o.measure(ctx, nil, place, stdout, stderr), stderr)
}

func finish(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "sidebyside: interrupted; the table holds what was measured until then")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "sidebyside: %s\n", quantity.Escape(err.Error()))
	return exitError
}

// measure writes the table also when a workload could not be measured, or was interrupted.
func (o *options) measure(ctx context.Context, sb *sandbox.Sandbox, place string, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "sidebyside")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t, err := openTestbed(sb, dir, o.quiet)
	if err != nil {
		return err
	}
	defer t.Close()
	facts, err := readFacts(ctx, o.programs, o.load, o.pairs, place)
	if err != nil {
		return err
	}
	var ms []measurement
	for _, w := range o.workloads {
		m, merr := o.workload(ctx, t, w, stderr)
		ms = append(ms, m)
		if err = merr; err != nil {
			break
		}
	}
	return errors.Join(err, o.write(facts, ms, stdout))
}

// workload measures one. A workload without its server is a table without rows.
func (o *options) workload(ctx context.Context, t *testbed, w workload, stderr io.Writer) (measurement, error) {
	field := newField(w, o.programs, o.load)
	if w.HTTP {
		end, err := t.Serve(ctx, o.programs.Nginx)
		if err != nil {
			return measurement{Workload: w, Doubts: []string{"not measured: " + err.Error()}}, ctx.Err()
		}
		defer func() { _ = end() }() // it has served
	}
	return measure(ctx, t, w, field, o.pairs, func(round int, row *row) {
		last := row.Runs[len(row.Runs)-1]
		said := quantity.PerSecond(last.PerSecond) + "/s"
		if last.Err != nil {
			said = last.Err.Error()
		}
		fmt.Fprintf(stderr, "%s %d/%d  %-40s %s\n", w.Name, round+1, o.pairs, row.Name, said)
	})
}

func (o *options) write(facts facts, ms []measurement, stdout io.Writer) error {
	if err := writeTable(stdout, facts, ms); err != nil {
		return err
	}
	if o.output == "" {
		return nil
	}
	f, err := os.Create(o.output)
	if err != nil {
		return err
	}
	return errors.Join(writeTable(f, facts, ms), f.Close())
}
