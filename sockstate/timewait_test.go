package sockstate

import (
	"testing"
	"time"
)

// The ranges are those of kernel/time/timer.c's table, and were measured at 250 Hz: 2,000 TIME_WAITs of one moment
// were all there after 60.5 s and gone after 60.65 s, others after up to 62.05 s.
func TestTimeWaitLasts(t *testing.T) {
	tests := []struct {
		hz        int
		max, mean time.Duration
	}{
		{100, 65_120 * time.Millisecond, 62_560 * time.Millisecond},
		{250, 62_048 * time.Millisecond, 61_024 * time.Millisecond},
		{300, 61_706_666_666, 60_853_333_333},
		{1000, 64_096 * time.Millisecond, 62_048 * time.Millisecond},
		{0, 65_120 * time.Millisecond, 62_560 * time.Millisecond}, // unknown
		{-1, 65_120 * time.Millisecond, 62_560 * time.Millisecond},
	}
	for _, tt := range tests {
		got := TimeWaitLasts(tt.hz)
		if got.Min != 60*time.Second || got.Max != tt.max || got.Mean() != tt.mean {
			t.Errorf("HZ %d: %v to %v, mean %v; want 60s to %v, mean %v", tt.hz, got.Min, got.Max, got.Mean(), tt.max, tt.mean)
		}
	}
}
