package record

import (
	"math"
)

// Rank is the rank, from 1, of a percentile among n sorted values: ceil(p/100*n), as in HdrHistogram's reference
// (AbstractHistogram.getValueAtPercentile). hdrhistogram-go rounds to the nearest instead: its p99 of 60 values is the
// 59th, which leaves out the worst.
func Rank(percentile float64, n int64) int64 {
	if percentile >= 100 {
		return n
	}
	exact := percentile * float64(n) / 100
	// 99.9 is not exact in binary: ignore an excess over a whole number that the rounding of three operations explains.
	up := math.Ceil(exact - exact*0x1p-50)
	switch {
	case !(up >= 1): // NaN too
		return min(1, n)
	case up >= float64(n):
		return n
	}
	return int64(up)
}

// Percentile is the value of h at a percentile from 0 to 100, 0 if h is empty. It asks the library for the percentile that
// the library's rounding turns into Rank.
func Percentile(h interface {
	TotalCount() int64
	ValueAtPercentile(percentile float64) int64
}, percentile float64,
) int64 {
	n := h.TotalCount()
	if n == 0 || percentile <= 0 {
		return h.ValueAtPercentile(0) // the smallest value
	}
	return h.ValueAtPercentile(100 * float64(Rank(percentile, n)) / float64(n)) // at our rank
}
