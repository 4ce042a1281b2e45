package clock

import (
	"testing"
	"time"
)

func TestOf(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Hour, 0, time.Hour} {
		from := Now()
		now := time.Now()
		to := Now()
		at := Of(now.Add(ahead))
		// The wall clock may be adjusted meanwhile, by less than a thousandth.
		slack := int64(time.Millisecond)
		if at < from+int64(ahead)-slack || at > to+int64(ahead)+slack {
			t.Errorf("%v from now is %d, want %d to %d", ahead, at, from+int64(ahead), to+int64(ahead))
		}
	}
}
