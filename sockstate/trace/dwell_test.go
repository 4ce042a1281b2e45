package trace

import (
	"testing"
	"time"
)

// TestBuckets: the middle of a bucket is near every duration in it, and buckets are in order.
func TestBuckets(t *testing.T) {
	last := -1
	for d := time.Duration(1); d < 2*time.Hour; d += d/97 + 1 {
		b := bucketOf(d)
		if b < last || b >= numBuckets {
			t.Fatalf("%v is in bucket %d, after %d", d, b, last)
		}
		last = b
		off := (middle(b) - d).Abs()
		if d < 73*time.Minute && off > 32*time.Nanosecond && float64(off) > 0.004*float64(d) {
			t.Errorf("%v is counted as %v", d, middle(b))
		}
	}
	if last != numBuckets-1 {
		t.Errorf("the last bucket is %d of %d", last, numBuckets)
	}
}

func TestDwell(t *testing.T) {
	var d Dwell
	if d.Count() != 0 || d.Mean() != 0 || d.Histogram().TotalCount() != 0 {
		t.Error("the zero value is not empty")
	}
	for i := range 100 {
		d.Add(time.Duration(i+1) * time.Millisecond)
	}
	if d.Count() != 100 || d.Min != time.Millisecond || d.Max != 100*time.Millisecond || d.Mean() != 50500*time.Microsecond {
		t.Errorf("%d, %v to %v, mean %v", d.Count(), d.Min, d.Max, d.Mean())
	}
	if p := time.Duration(d.Histogram().ValueAtQuantile(50)); (p - 50*time.Millisecond).Abs() > 300*time.Microsecond {
		t.Errorf("median %v", p)
	}
}
