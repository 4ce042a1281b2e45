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

// With 63 and 66 s, at 250 Hz, an orphan was seen to be a full socket for 3.1 and 6.2 s, and then a minisocket until 6.3 and 12.7 s. With 5 s it was
// a minisocket for 5.3 s, seen every 20 ms.
func TestOrphanLasts(t *testing.T) {
	for _, tt := range []struct {
		timeout, least, most time.Duration
	}{
		{5 * time.Second, 5 * time.Second, 5256 * time.Millisecond},
		{8 * time.Second, 8 * time.Second, 8256 * time.Millisecond},
		{17 * time.Second, 17 * time.Second, 19048 * time.Millisecond},
		{60 * time.Second, 60 * time.Second, 62048 * time.Millisecond},
		{63 * time.Second, 6 * time.Second, 6512 * time.Millisecond},
		{66 * time.Second, 12 * time.Second, 12512 * time.Millisecond},
		{0, 700 * time.Millisecond, 732 * time.Millisecond},
	} {
		if got := OrphanLasts(tt.timeout, 250); got != (Span{tt.least, tt.most}) {
			t.Errorf("tcp_fin_timeout=%v: %v to %v, want %v to %v", tt.timeout, got.Min, got.Max, tt.least, tt.most)
		}
	}
}

func TestFinTimeoutWithin(t *testing.T) {
	for within, want := range map[time.Duration]int{time.Hour: 60, 62 * time.Second: 59, 5260 * time.Millisecond: 5, 5200 * time.Millisecond: 4, time.Second: 0, 0: 0} {
		if got := FinTimeoutWithin(within, 250); got != want {
			t.Errorf("within %v: %d s, want %d", within, got, want)
		}
	}
}
