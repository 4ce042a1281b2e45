// Package clock is the monotonic clock of all times in a connection's life.
package clock

import "time"

var start = time.Now()

// Now is CLOCK_MONOTONIC in nanoseconds since the process started.
func Now() int64 { return int64(time.Since(start)) }

// Of converts t from CLOCK_REALTIME to this clock, by the present offset of the two.
func Of(t time.Time) int64 {
	t = t.Round(0) // strip its monotonic reading
	var at, took int64
	// The goroutine may be preempted between the readings: use the closest pair.
	for i := range 5 {
		from := Now()
		left := time.Until(t)
		if d := Now() - from; i == 0 || d < took {
			at, took = from+d/2+int64(left), d
		}
	}
	return at
}
