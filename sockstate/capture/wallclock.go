package capture

import (
	"time"

	"lastack/sockstate/clock"
)

// wallClock converts CLOCK_REALTIME to the clock of clock.Now, which is CLOCK_MONOTONIC. The two differ by a constant
// until the time is set (tk->wall_to_monotonic): NTP adjusts the rate of both.
type wallClock struct {
	wall, now func() int64
	// offset is wall minus now, with an error of at most bound.
	offset, bound int64
	worst         int64 // the largest bound so far
	stepped       int64
}

// readings is how often the clocks are read for one offset: the closest pair counts.
const readings = 16

// rounding covers the rounding of both clocks.
const rounding = 100 // nanoseconds

func newWallClock() *wallClock {
	c := &wallClock{wall: func() int64 { return time.Now().UnixNano() }, now: clock.Now}
	c.offset, c.bound = c.measure(readings)
	c.worst = c.bound
	return c
}

func (c *wallClock) measure(n int) (offset, bound int64) {
	bound = 1<<63 - 1
	for range n {
		before := c.now()
		wall := c.wall()
		after := c.now()
		if b := (after-before)/2 + rounding; b < bound {
			offset, bound = wall-before-(after-before)/2, b
		}
	}
	return offset, bound
}

// check detects a step of the wall clock. It is called before each reading of the ring, every 20 ms: only packets of
// the last 20 ms before a step get a wrong time.
func (c *wallClock) check() {
	if offset, bound := c.measure(1); abs(offset-c.offset) <= bound+c.bound {
		return
	}
	offset, bound := c.measure(readings)
	c.stepped += abs(offset - c.offset)
	c.offset, c.bound = offset, bound
	c.worst = max(c.worst, bound)
}

// at converts a time of CLOCK_REALTIME.
func (c *wallClock) at(wall int64) int64 { return wall - c.offset }

func abs(n int64) int64 { return max(n, -n) }
