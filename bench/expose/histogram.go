package expose

import (
	"math"

	"lastack/bench/record"
)

// bounds are the classic buckets' upper bounds in seconds: few, for scrapers that know no native histograms.
var bounds = [...]float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// classicHistogram is a histogram with those buckets, and the last one for all that is above.
type classicHistogram struct {
	cumulative [len(bounds) + 1]int64
	count      int64
	sum        float64 // seconds
}

func classic(of *record.LatencySum) (h classicHistogram) {
	h.count, h.sum = of.Count(), of.SumNs()/1e9
	at := 0
	for ns, n := range of.Buckets {
		for at < len(bounds) && float64(ns)/1e9 > bounds[at] {
			at++
			h.cumulative[at] = h.cumulative[at-1]
		}
		h.cumulative[at] += n
	}
	for at++; at < len(h.cumulative); at++ {
		h.cumulative[at] = h.cumulative[at-1]
	}
	return h
}

// nativeHistogram has exponential buckets: bucket i holds what is above base^(i-1), and at most base^i, of a base of 2^(2^-schema).
type nativeHistogram struct {
	schema int
	index  []int
	count  []int64
}

// bestSchema makes buckets 9 % wide, of which mostBuckets span a factor of a million. Beyond that they become twice as wide, and so on.
const (
	bestSchema  = 3
	mostBuckets = 160
)

func native(of *record.LatencySum) (h nativeHistogram) {
	for h.schema = bestSchema; ; h.schema-- {
		h.index, h.count = h.index[:0], h.count[:0]
		scale := math.Ldexp(1, h.schema)
		for ns, n := range of.Buckets {
			i := int(math.Ceil(math.Log2(float64(ns)/1e9) * scale))
			if last := len(h.index) - 1; last >= 0 && h.index[last] == i {
				h.count[last] += n
				continue
			}
			h.index, h.count = append(h.index, i), append(h.count, n)
		}
		if len(h.index) <= mostBuckets {
			return h
		}
	}
}
