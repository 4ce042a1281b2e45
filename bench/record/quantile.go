package record

import (
	"math"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Rank is the place, from 1, of a percentile among n values in order: the smallest of them that at least so many
// percent do not exceed, ceil(p/100*n), as HdrHistogram's reference has it (AbstractHistogram.getValueAtPercentile).
// hdrhistogram-go rounds to the nearest instead: of 60 values its p99 is the 59th, which leaves the worst out.
func Rank(percentile float64, n int64) int64 {
	if percentile >= 100 {
		return n
	}
	exact := percentile * float64(n) / 100
	// 99.9 is no binary fraction: what is above a whole number by no more than the rounding of three operations is that number.
	up := math.Ceil(exact - exact*0x1p-50)
	switch {
	case !(up >= 1): // NaN too
		return min(1, n)
	case up >= float64(n):
		return n
	}
	return int64(up)
}

// Percentile is the value of h at a percentile from 0 to 100, 0 if h is empty. Only here is the library asked, for the
// percentile that its rounding turns into Rank.
func Percentile(h *hdr.Histogram, percentile float64) int64 {
	n := h.TotalCount()
	if n == 0 || percentile <= 0 {
		return h.ValueAtPercentile(0) //nolint:forbidigo // the smallest value
	}
	return h.ValueAtPercentile(100 * float64(Rank(percentile, n)) / float64(n)) //nolint:forbidigo // at a rank of our own
}
