package report

import (
	"math"
	"strings"
)

// sparkWidth is the most columns of a sparkline.
const sparkWidth = 48

// stretch is the number of columns of each of n samples, 0 where several samples share one.
func stretch(n int) int {
	if n == 0 {
		return 0
	}
	return min(sparkWidth/n, 4)
}

// spark draws values as blocks, scaled from 0 to their largest. A dot is 0, so that anything above it is seen.
// Where samples share a column, the largest of them is drawn: peaks must not vanish.
func spark(values []float64) string {
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	blocks := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, v := range resample(values, math.Max) {
		r := '·'
		if v > 0 && top > 0 {
			// v/top is in (0, 1]: the last block is for the top alone, but for rounding.
			r = blocks[max(0, min(len(blocks)-1, int(v/top*float64(len(blocks))+0.5)-1))]
		}
		b.WriteRune(r)
	}
	return b.String()
}

// resample spreads or gathers values to at most sparkWidth columns.
func resample[T any](values []T, gather func(a, b T) T) []T {
	var out []T
	if k := stretch(len(values)); k > 0 {
		for _, v := range values {
			for range k {
				out = append(out, v)
			}
		}
		return out
	}
	for i := range sparkWidth {
		lo, hi := i*len(values)/sparkWidth, (i+1)*len(values)/sparkWidth
		if lo >= hi {
			continue
		}
		v := values[lo]
		for _, w := range values[lo+1 : hi] {
			v = gather(v, w)
		}
		out = append(out, v)
	}
	return out
}
