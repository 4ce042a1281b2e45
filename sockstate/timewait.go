package sockstate

import (
	"fmt"
	"math"
	"time"
)

// TimeWaitLength is TCP_TIMEWAIT_LEN (include/net/tcp.h): what a TIME_WAIT's timer is set to, which no sysctl changes. It ends
// later: see TimeWaitLasts.
const TimeWaitLength = 60 * time.Second

// Span is a range of time, both ends in it.
type Span struct {
	Min, Max time.Duration
}

// String is like "60 to 62.0 s".
func (s Span) String() string {
	return fmt.Sprintf("%.0f to %.1f s", s.Min.Seconds(), s.Max.Seconds())
}

// Mean is the middle of the range.
func (s Span) Mean() time.Duration { return (s.Min + s.Max) / 2 }

// TimeWaitLasts is how long a socket stays in TIME_WAIT on a kernel of that CONFIG_HZ: 60 s, and what the timer wheel adds. So far
// ahead it knows buckets of 512 ticks, or at 1000 Hz of 4,096, and a timer waits for the end of its bucket (calc_index in
// kernel/time/timer.c). TIME_WAITs therefore end in bursts.
//
//	HZ    100           250           300           1000
//	      60 to 65.1 s  60 to 62.0 s  60 to 61.7 s  60 to 64.1 s
//
// 0 is an unknown HZ: the widest range.
func TimeWaitLasts(hz int) Span {
	if hz <= 0 {
		hz = widestHz
	}
	return Span{TimeWaitLength, TimeWaitLength + wheelStep(TimeWaitLength, hz)}
}

// widestHz is the usual CONFIG_HZ by which TIME_WAIT may last longest.
const widestHz = 100

const (
	wheelBits  = 6 // LVL_BITS: 64 buckets a level
	wheelShift = 3 // LVL_CLK_SHIFT: each level is 8 times as coarse as the one before
)

// wheelStep is the width of the timer wheel's buckets for a timer so far ahead (LVL_START, LVL_GRAN).
func wheelStep(ahead time.Duration, hz int) time.Duration {
	ticks := int64(math.Ceil(ahead.Seconds() * float64(hz)))
	level := 0
	for ticks >= (1<<wheelBits-1)<<(level*wheelShift) {
		level++
	}
	return time.Duration(1<<(level*wheelShift)) * time.Second / time.Duration(hz)
}
