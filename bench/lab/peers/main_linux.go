package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"lastack/bench/lab"
	"lastack/bench/quantity"
	"lastack/bench/sandbox"
)

// job is the name of the job in the sandbox: all of the measuring.
const job = "side by side"

func main() {
	sandbox.Main(map[string]sandbox.Func{job: inside})
	os.Exit(program().Main(os.Args[1:], os.Stdout, os.Stderr))
}

func program() *lab.Program {
	var o options
	return &lab.Program{
		Name:    "sidebyside",
		Parts:   map[string]func([]string, io.Writer) error{floorFlag: floorMain},
		Flags:   o.declare,
		Measure: o.measure,
	}
}

// options are the flags, as JSON where they go into the sandbox.
type options struct {
	Programs  programs
	Load      load
	Pairs     int
	Workloads []workload
	Quiet     time.Duration
	host      bool
}

func (o *options) declare(f *flag.FlagSet) (check func() error) {
	var names string
	f.Var(quantity.NewDecimal(&o.Pairs, 5), "pairs", "`N` rounds: every contender runs once in each")
	f.Var(quantity.NewDecimal(&o.Load.Seconds, 2), "seconds", "duration of each run in `seconds`; several tools take whole seconds only")
	f.Var(quantity.NewDecimal(&o.Load.Connections, 64), "c", "`N` connections at once")
	f.StringVar(&names, "workloads", "all", "some of echo-rst,echo-fin,none-rst,none-fin,http,observed")
	f.BoolVar(&o.host, "host", false, "on the host's loopback, not in a network namespace of its own")
	f.DurationVar(&o.Quiet, "quiet", 2*time.Second, "how long each run waits for an idle machine; 0 = none does")
	p := &o.Programs
	for _, path := range []struct {
		name  string
		value *string
		usage string
	}{
		{"wrk", &p.Wrk, "path of wrk (default: in PATH, as for ab, httperf, hey and nginx)"},
		{"ab", &p.Ab, "path of ab"},
		{"httperf", &p.Httperf, "path of httperf"},
		{"hey", &p.Hey, "path of hey"},
		{"nginx", &p.Nginx, "path of nginx"},
		{"neper", &p.Neper, "path of neper's tcp_crr (left out without, as are netperf and h1load)"},
		{"netperf", &p.Netperf, "path of netperf"},
		{"netserver", &p.Netserver, "path of netserver (default: beside netperf)"},
		{"h1load", &p.H1load, "path of h1load"},
	} {
		f.StringVar(path.value, path.name, "", path.usage)
	}
	return func() (err error) {
		if o.Workloads, err = parseWorkloads(names); err != nil {
			return fmt.Errorf("-workloads: %w", err)
		}
		for _, n := range []struct {
			name     string
			v, least int
			most     int
		}{{"-pairs", o.Pairs, 1, 1000}, {"-seconds", o.Load.Seconds, 1, 600}, {"-c", o.Load.Connections, 2, 10_000}} {
			if n.v < n.least || n.v > n.most {
				return fmt.Errorf("%s: want %d to %d, got %d", n.name, n.least, n.most, n.v)
			}
		}
		if p.Netperf != "" && p.Netserver == "" {
			p.Netserver = filepath.Join(filepath.Dir(p.Netperf), "netserver")
		}
		p.Self = "/proc/self/exe"
		o.Load.CPUs = runtime.NumCPU()
		return nil
	}
}

// measure measures in a sandbox, or on the host's loopback where there is none.
func (o *options) measure(ctx context.Context, r *lab.Run) error {
	o.Programs.Lastack = r.Lastack
	say := func(line string) { fmt.Fprintln(r.Stderr, line) }
	place := "the host's loopback, as asked"
	if !o.host {
		cell, err := sandbox.Start(ctx, sandbox.Spec{}, sandbox.Job{Name: job, Input: o})
		if err == nil {
			return o.await(cell, r, say)
		}
		if _, none := errors.AsType[*sandbox.Error](err); !none {
			return err
		}
		place = fmt.Sprintf("the host's loopback (%v)", err)
	}
	table, err := o.compare(ctx, nil, place, say)
	return errors.Join(err, write(r, table))
}

// await prints the sandbox's events.
func (o *options) await(cell *sandbox.Cell, r *lab.Run, say func(string)) error {
	for event := range cell.Events() {
		var line string
		if err := json.Unmarshal(event, &line); err == nil {
			say(line)
		}
	}
	result, err := cell.Wait()
	var table string
	if result != nil {
		err = errors.Join(err, json.Unmarshal(result, &table))
	}
	return errors.Join(err, write(r, table))
}

// write writes a table, if any.
func write(r *lab.Run, table string) error {
	if table == "" {
		return nil
	}
	return r.Write(func(w io.Writer) error {
		_, err := io.WriteString(w, table)
		return err
	})
}

// inside is the job: its events are progress lines, its result is the table.
func inside(ctx context.Context, sb *sandbox.Sandbox, input json.RawMessage, emit func(any)) (any, error) {
	var o options
	if err := json.Unmarshal(input, &o); err != nil {
		return nil, err
	}
	return o.compare(ctx, sb, fmt.Sprintf("loopback of a network namespace of its own (%s)", sb.Mode), func(line string) { emit(line) })
}

// compare returns the table even if a workload failed or was interrupted.
func (o *options) compare(ctx context.Context, sb *sandbox.Sandbox, place string, say func(string)) (table string, err error) {
	dir, err := os.MkdirTemp("", "sidebyside")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	t, err := openTestbed(sb, dir, o.Quiet)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	f, err := readFacts(ctx, o.Programs, o.Load, o.Pairs, place)
	if err != nil {
		return "", err
	}
	var ms []measurement
	for _, w := range o.Workloads {
		m, merr := o.workload(ctx, t, w, say)
		ms = append(ms, m)
		if err = merr; err != nil {
			break
		}
	}
	var b strings.Builder
	err = errors.Join(err, writeTable(&b, f, ms))
	return b.String(), err
}

// workloadNamed measures one. A workload without its server is a table without rows.
func (o *options) workload(ctx context.Context, t *testbed, w workload, say func(string)) (measurement, error) {
	if w.HTTP {
		end, err := t.serve(ctx, o.Programs.Nginx)
		if err != nil {
			return measurement{Workload: w, Doubts: []string{"not measured: " + err.Error()}}, ctx.Err()
		}
		defer end()
	}
	return t.measure(ctx, w, newField(w, o.Programs, o.Load, t.dir), o.Pairs, func(round int, r *row) {
		last := r.Runs[len(r.Runs)-1]
		said := quantity.PerSecond(last.PerSecond) + "/s"
		if last.Err != nil {
			said = last.Err.Error()
		}
		say(fmt.Sprintf("%s %d/%d  %-40s %s", w.Name, round+1, o.Pairs, r.Name, said))
	})
}
