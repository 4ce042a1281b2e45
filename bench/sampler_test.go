package bench

import (
	"testing"
	"time"
)

// A census that takes long is rare, one that does not comes with each interval.
func TestCensusIsDue(t *testing.T) {
	for _, tt := range []struct {
		ago, cpu time.Duration
		want     bool
	}{
		{time.Second, 5 * time.Millisecond, true},
		{time.Second, 2 * time.Second, false},
		{19 * time.Second, 2 * time.Second, true},
		{0, time.Second, false},
	} {
		s := &sampler{observed: time.Now().Add(-tt.ago)}
		s.sample.CPU = tt.cpu
		if got := s.censusIsDue(); got != tt.want {
			t.Errorf("%v after one of %v of CPU: %v", tt.ago, tt.cpu, got)
		}
	}
	if !new(sampler).censusIsDue() {
		t.Error("there was none yet")
	}
}
