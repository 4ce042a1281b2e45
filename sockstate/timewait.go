package sockstate

import (
	"fmt"
	"math"
	"time"
)

// TimeWaitLength is TCP_TIMEWAIT_LEN (include/net/tcp.h), the timeout of a TIME_WAIT. No sysctl changes it. The timer fires
// later: see TimeWaitLasts.
const TimeWaitLength = 60 * time.Second

// Span is an inclusive range of durations.
type Span struct {
	Min, Max time.Duration
}

// String is like "60 to 62.0 s".
func (s Span) String() string {
	return fmt.Sprintf("%.0f to %.1f s", s.Min.Seconds(), s.Max.Seconds())
}

// Mean is the middle of the range.
func (s Span) Mean() time.Duration { return (s.Min + s.Max) / 2 }

// TimeWaitLasts is how long a socket stays in TIME_WAIT on a kernel with that CONFIG_HZ: 60 s and the rounding of the timer wheel.
// 60 s ahead, the wheel has buckets of 512 ticks (4,096 at 1000 Hz), and a timer fires at the end of its bucket (calc_index in
// kernel/time/timer.c). So TIME_WAITs end in bursts.
//
//	HZ    100           250           300           1000
//	      60 to 65.1 s  60 to 62.0 s  60 to 61.7 s  60 to 64.1 s
//
// If hz is 0 (unknown) the range is the widest.
func TimeWaitLasts(hz int) Span { return timerLasts(TimeWaitLength, hz) }

// minOrphan is 3.5 times the smallest RTO (tcp_fin_time).
const minOrphan = 700 * time.Millisecond

// OrphanLasts is how long an orphan stays in FIN_WAIT_2 if its peer does not close: tcp_fin_timeout and the rounding of the timer wheel. With 5 s
// and 250 Hz it lasts 5 to 5.26 s. Above 60 s it stays a full socket for the excess, and then a minisocket for the excess again
// (tcp_keepalive_timer): with 63 s it lasts 6 to 6.5 s.
func OrphanLasts(finTimeout time.Duration, hz int) Span {
	if excess := finTimeout - TimeWaitLength; excess > 0 {
		each := timerLasts(excess, hz)
		return Span{2 * each.Min, 2 * each.Max}
	}
	return timerLasts(max(finTimeout, minOrphan), hz)
}

// FinTimeoutWithin is the longest tcp_fin_timeout, in seconds and of a minute at most, with which each orphan ends within d; 0 if none does.
func FinTimeoutWithin(d time.Duration, hz int) (seconds int) {
	for seconds = int(TimeWaitLength / time.Second); seconds > 0; seconds-- {
		if OrphanLasts(time.Duration(seconds)*time.Second, hz).Max <= d {
			break
		}
	}
	return seconds
}

// timerLasts is how long the kernel takes to fire a timer that is due in d: d and the rounding of the timer wheel.
func timerLasts(d time.Duration, hz int) Span {
	if hz <= 0 {
		hz = widestHz
	}
	return Span{d, d + wheelStep(d, hz)}
}

// widestHz is the CONFIG_HZ in use with which TIME_WAIT may last longest.
const widestHz = 100

const (
	wheelBits  = 6 // LVL_BITS: 64 buckets a level
	wheelShift = 3 // LVL_CLK_SHIFT: each level is 8 times as coarse as the one before
)

// wheelStep is the width of the timer wheel's bucket for a timer due in ahead (LVL_START, LVL_GRAN).
func wheelStep(ahead time.Duration, hz int) time.Duration {
	ticks := int64(math.Ceil(ahead.Seconds() * float64(hz)))
	level := 0
	for ticks >= (1<<wheelBits-1)<<(level*wheelShift) {
		level++
	}
	return time.Duration(1<<(level*wheelShift)) * time.Second / time.Duration(hz)
}
