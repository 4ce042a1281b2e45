package compare

import (
	"math"
	"slices"
	"sort"

	"github.com/aclements/go-moremath/stats"
)

// differences lists those of each value of b from each of a, sorted. Their median is the Hodges-Lehmann estimate of the shift.
func differences(a, b []float64) []float64 {
	return pairs(a, b, func(x, y float64) float64 { return y - x })
}

// ratios does so with b as a part of a, less 1: -0.1 is 10 % less. That is the shift of the logarithms. From 0 to 0 nothing changes, and from 0
// to more is infinite.
func ratios(a, b []float64) []float64 {
	return pairs(a, b, func(x, y float64) float64 {
		if x == y {
			return 0
		}
		return y/x - 1
	})
}

func pairs(a, b []float64, of func(x, y float64) float64) []float64 {
	all := make([]float64, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			all = append(all, of(x, y))
		}
	}
	slices.Sort(all)
	return all
}

// bounds are those of the differences, or ratios, to which the U test has no objection: [D(k), D(nm+1-k)] of all, sorted, with k of outsideOf. In
// doubt, a value may be anything up to its most. They are infinite if there are too few values for any.
func (r *Row) bounds(of func(a, b []float64) []float64, outside int) (lo, hi float64) {
	low, high := of(r.aMost, r.b), of(r.a, r.bMost)
	if outside < 1 || 2*outside > len(low) {
		return math.Inf(-1), math.Inf(1)
	}
	return low[outside-1], high[len(high)-outside]
}

// interval sets the bounds that there are.
func (r *Row) interval(outside int) {
	set := func(to **float64, v float64) {
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			*to = &v
		}
	}
	lo, hi := r.bounds(differences, outside)
	set(&r.Lo, lo)
	set(&r.Hi, hi)
	if r.Ratio != nil {
		lo, hi = r.bounds(ratios, outside)
		set(&r.RatioLo, lo)
		set(&r.RatioHi, hi)
	}
}

// ranks keeps outsideOf for the sizes of two samples.
type ranks map[[2]int]int

func (t ranks) outside(n, m int) int {
	k, known := t[[2]int{n, m}]
	if !known {
		k = outsideOf(n, m, alpha/2)
		t[[2]int{n, m}] = k
	}
	return k
}

// outsideOf is the largest k with P(U < k) <= tail; 0 if there is none.
func outsideOf(n, m int, tail float64) int {
	if n > stats.MannWhitneyExactLimit || m > stats.MannWhitneyExactLimit {
		z := math.Sqrt2 * math.Erfinv(1-2*tail)
		nm := float64(n) * float64(m)
		return int(nm/2 - z*math.Sqrt(nm*float64(n+m+1)/12))
	}
	dist := stats.UDist{N1: n, N2: m}
	const rounding = 1 + 1e-9 // 1/20 is no more than 0.05
	return sort.Search(n*m, func(u int) bool { return dist.CDF(float64(u)) > tail*rounding })
}
