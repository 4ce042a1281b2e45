package trace

import (
	"math/bits"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"lastack/sockstate"
)

// The histograms are log-linear: 128 buckets for each power of two, so that the middle of a bucket is at most 0.4 % off. Durations
// below 64 ns are 0, those above 73 minutes the largest.
const (
	unitBits    = 6 // the unit is 64 ns
	subBits     = 7
	longestBits = 36
	subBuckets  = 1 << subBits
	numBuckets  = (longestBits-subBits)*subBuckets + subBuckets
)

// Dwell is a distribution of durations. The zero value is empty.
type Dwell struct {
	Sum, Min, Max time.Duration // exact
	buckets       []uint64      // nil: empty
}

// bucketOf is what the programs compute too.
func bucketOf(d time.Duration) int {
	v := min(uint64(max(d, 0))>>unitBits, 1<<longestBits-1)
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - subBits
	return shift<<subBits + int(v>>shift)
}

// middle is the duration in the middle of a bucket.
func middle(bucket int) time.Duration {
	lo, width := uint64(bucket), uint64(1)
	if bucket >= subBuckets {
		shift := bucket>>subBits - 1
		width <<= shift
		lo = uint64(bucket-shift<<subBits) << shift
	}
	return time.Duration(lo<<unitBits + width<<unitBits/2)
}

// Count is the number of durations.
func (d *Dwell) Count() (n int64) {
	for _, c := range d.buckets {
		n += int64(c)
	}
	return n
}

// Mean is exact, 0 without durations.
func (d *Dwell) Mean() time.Duration {
	if n := d.Count(); n > 0 {
		return d.Sum / time.Duration(n)
	}
	return 0
}

// Add adds one duration.
func (d *Dwell) Add(t time.Duration) {
	one := Dwell{Sum: t, Min: t, Max: t, buckets: make([]uint64, numBuckets)}
	one.buckets[bucketOf(t)] = 1
	d.merge(&one)
}

// merge adds o's durations to d.
func (d *Dwell) merge(o *Dwell) {
	if o.Count() == 0 {
		return
	}
	if d.buckets == nil {
		d.buckets = make([]uint64, numBuckets)
		d.Min = o.Min
	}
	for i, n := range o.buckets {
		d.buckets[i] += n
	}
	d.Sum += o.Sum
	d.Min, d.Max = min(d.Min, o.Min), max(d.Max, o.Max)
}

// Histogram is the distribution in a run's form. Its quantiles are at most 0.5 % off; Min, Max and Mean of d are exact.
func (d *Dwell) Histogram() *hdrhistogram.Histogram {
	h := hdrhistogram.New(sockstate.HistogramMin, sockstate.HistogramMax, sockstate.HistogramDigits)
	for i, n := range d.buckets {
		if n > 0 {
			at := min(max(middle(i), d.Min), d.Max, time.Duration(sockstate.HistogramMax))
			_ = h.RecordValues(int64(at), int64(n)) // within its range
		}
	}
	return h
}
