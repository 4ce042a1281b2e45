// Package clock is the monotonic clock that every time of a connection's life is read from.
package clock

import "time"

var start = time.Now()

// Now is CLOCK_MONOTONIC in nanoseconds since the process started.
func Now() int64 { return int64(time.Since(start)) }
