// Package clock is the monotonic clock that every time of a connection's life is read from.
package clock

import "time"

var start = time.Now()

// Now is CLOCK_MONOTONIC in nanoseconds since the process started.
func Now() int64 { return int64(time.Since(start)) }

// Of is the moment of t, of CLOCK_REALTIME, on this clock, as the two clocks stand to each other now.
func Of(t time.Time) int64 {
	t = t.Round(0) // without a monotonic reading of its own
	var at, took int64
	// A goroutine may be suspended between the readings: the closest ones count.
	for i := range 5 {
		from := Now()
		left := time.Until(t)
		if d := Now() - from; i == 0 || d < took {
			at, took = from+d/2+int64(left), d
		}
	}
	return at
}
