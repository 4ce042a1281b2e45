package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"
)

// Measurement is one workload, measured.
type measurement struct {
	Workload workload
	Rounds   int
	Rows     []row
	// Absent are the contenders that took no part, and why.
	Absent []Absence
	// Doubts are what the whole table must not be read without.
	Doubts []string
}

// Absence is a contender that took no part.
type Absence struct{ Name, Reason string }

// Row is one contender's runs, one a round.
type row struct {
	contender
	Runs []turn
}

// Run is one contender's turn in one round: a Result, or why there is none.
type turn struct {
	result
	Err error
	// Left is what the run left behind in the testbed.
	Left leftovers
}

// Remains are the TIME_WAIT sockets that a run left at either end, and the connections
// for which the kernel had no more of them (TCPTimeWaitOverflow).
type leftovers struct{ ClientTimeWait, ServerTimeWait, Overflow int }

// figures returns one figure of each round, NaN where the run failed or f has none.
func (r *row) figures(f func(*result) float64) []float64 {
	v := make([]float64, len(r.Runs))
	for i := range r.Runs {
		v[i] = math.NaN()
		if r.Runs[i].Err == nil {
			v[i] = f(&r.Runs[i].Result)
		}
	}
	return v
}

func (r *row) rates() []float64 {
	return r.figures(func(r *result) float64 { return r.PerSecond })
}

// cpu is CPU time in microseconds a connection.
func (r *row) cpu(of func(cpuTime) time.Duration) spread {
	return spreadOf(r.figures(func(r *result) float64 {
		if d := of(r.CPU); d > 0 {
			return float64(d) / 1e3 / float64(r.Connections)
		}
		return math.NaN()
	}))
}

// order is the order of n contenders in a round: every second round goes backwards, and each pair of
// rounds starts one further on, so that nobody is always first or always follows the same one.
func order(n, round int) []int {
	o := make([]int, n)
	for i := range o {
		o[i] = (i + round/2) % n
	}
	if round%2 == 1 {
		slices.Reverse(o)
	}
	return o
}

// Measure runs every contender once a round. A contender that fails is tried again in the next
// round, one that is unavailable is not. tell, if not nil, hears of each run when it has
// ended. The error is ctx's; what was measured until then is returned with it.
func measure(ctx context.Context, t *testbed, w workload, field field, rounds int, tell func(round int, row *row)) (measurement, error) {
	m := measurement{Workload: w, Rounds: rounds, Absent: slices.Clone(field.Absent)}
	for _, c := range field.Contenders {
		m.Rows = append(m.Rows, row{Contender: c, Runs: make([]turn, 0, rounds)})
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
			run.Result, run.Err = row.measure(ctx, t)
			if ctx.Err() != nil {
				return m.without(out), ctx.Err()
			}
			var absent *unavailableError
			if errors.As(run.Err, &absent) {
				out[i] = true
				m.Absent = append(m.Absent, Absence{row.Name, absent.Reason})
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
		m.Doubts = append(m.Doubts, t.busyDoubt(busy, turns))
	}
	return m.without(out), nil
}

// without leaves out the rows of those that took no part.
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
