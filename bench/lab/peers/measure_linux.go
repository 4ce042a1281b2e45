package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"lastack/bench/lab"
)

// measure runs every contender once a round. A contender that fails is tried again in the next
// round, an unavailable one is not. tell, if not nil, is called after each run. The error is
// ctx's; the measurement until then is returned with it.
func (t *testbed) measure(ctx context.Context, w workload, f field, rounds int, tell func(round int, row *row)) (measurement, error) {
	m := measurement{Workload: w, Rounds: rounds, Absent: slices.Clone(f.Absent)}
	for _, c := range f.Contenders {
		m.Rows = append(m.Rows, row{contender: c, Runs: make([]turn, 0, rounds)})
	}
	out := make([]bool, len(m.Rows))
	busy, turns := 0, 0
	for round := range rounds {
		for _, i := range order(len(m.Rows), round) {
			if out[i] {
				continue
			}
			quiet, err := t.prepare(ctx)
			if err != nil {
				return m.without(out), err
			}
			if turns++; !quiet {
				busy++
			}
			row := &m.Rows[i]
			var run turn
			run.result, run.Err = t.once(ctx, &row.contender)
			if ctx.Err() != nil {
				return m.without(out), ctx.Err()
			}
			var absent *unavailableError
			if errors.As(run.Err, &absent) {
				out[i] = true
				m.Absent = append(m.Absent, lab.Absence{Name: row.Name, Reason: absent.Reason})
				continue
			}
			run.Left, err = t.remains()
			if err != nil && !slices.Contains(m.Doubts, err.Error()) {
				m.Doubts = append(m.Doubts, err.Error())
			}
			row.Runs = append(row.Runs, run)
			if tell != nil {
				tell(round, row)
			}
		}
	}
	if busy > 0 {
		m.Doubts = append(m.Doubts, fmt.Sprintf("before %d of %d runs the machine was not idle within %v: something else ran on it", busy, turns, t.quiet))
	}
	return m.without(out), nil
}

// once runs a contender.
func (t *testbed) once(ctx context.Context, c *contender) (result, error) {
	if c.file != "" {
		if err := os.Remove(c.file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return result{}, err
		}
	}
	var server *child
	before, err := t.nginxCPU()
	if err == nil && c.server != nil {
		server, err = t.start(ctx, *c.server)
	}
	if err != nil {
		return result{}, err
	}
	e, err := run(ctx, c.client)
	if err != nil {
		if server != nil {
			if _, serr := server.end(); serr != nil {
				// The server's error is the reason for the client's.
				return result{}, serr
			}
		}
		return result{}, err
	}
	after, err := t.nginxCPU()
	served := ended{cpu: after - before}
	if err == nil && server != nil {
		served, err = server.wait()
	}
	if err != nil {
		return result{}, err
	}
	r, err := c.read(e)
	if r.CPU == (cpuTime{}) {
		r.CPU = cpuTime{Client: e.cpu, Server: served.cpu}
	}
	return r, err
}

// without leaves out the rows of absent contenders.
func (m measurement) without(out []bool) measurement {
	var rows []row
	for i, r := range m.Rows {
		if !out[i] {
			rows = append(rows, r)
		}
	}
	m.Rows = rows
	return m
}
