package main

import (
	"math"
	"time"

	"lastack/bench/lab"
)

// measurement is one workload, measured.
type measurement struct {
	Workload workload
	Rounds   int
	Rows     []row
	// Absent are the contenders that did not take part, and why.
	Absent []lab.Absence
	// Doubts are caveats of the whole table.
	Doubts []string
}

// rowOf is one contender's runs, one a round.
type row struct {
	contender
	Runs []turn
}

// turn is one contender's run in one round: a result, or why there is none.
type turn struct {
	result
	Err error
	// Left is what the run left behind in the testbed.
	Left leftovers
}

// leftovers are the TIME_WAIT sockets that a run left at either end, and the connections
// for which the kernel had no more of them (TCPTimeWaitOverflow).
type leftovers struct{ ClientTimeWait, ServerTimeWait, Overflow int }

// figures returns one figure of each round, NaN if the run failed or has none.
func (r *row) figures(f func(*result) float64) []float64 {
	v := make([]float64, len(r.Runs))
	for i := range r.Runs {
		v[i] = math.NaN()
		if r.Runs[i].Err == nil {
			v[i] = f(&r.Runs[i].result)
		}
	}
	return v
}

func (r *row) rates() []float64 {
	return r.figures(func(r *result) float64 { return r.PerSecond })
}

// usage is CPU time in microseconds a connection.
func (r *row) cpu(of func(cpuTime) time.Duration) spread {
	return spreadOf(r.figures(func(r *result) float64 {
		if d := of(r.CPU); d > 0 {
			return float64(d) / 1e3 / float64(r.Connections)
		}
		return math.NaN()
	}))
}
