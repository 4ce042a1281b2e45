package model

import (
	"math"
	"slices"

	"lastack/bench/record"
)

// FitScaling fits the Universal Scalability Law to rates that were measured with several numbers of connections at once (N. Gunther, Guerrilla
// Capacity Planning, 2007):
//
//	X(n) = first n / (1 + contention (n-1) + coherency n (n-1))
//
// It is not ok with fewer than six levels. n/X(n) is linear in 1/first, contention/first and coherency/first, so that the fit is one of least
// squares of relative errors. Contention and coherency are bounded to 0 and 1. What a fit says beyond twice the largest level is not looked at.
func FitScaling(levels []record.ScalingLevel) (*record.Scaling, bool) {
	levels = slices.DeleteFunc(slices.Clone(levels), func(l record.ScalingLevel) bool { return l.Connections < 1 || l.PerS <= 0 })
	slices.SortFunc(levels, func(a, b record.ScalingLevel) int { return a.Connections - b.Connections })
	distinct := slices.CompactFunc(slices.Clone(levels), func(a, b record.ScalingLevel) bool { return a.Connections == b.Connections })
	if len(distinct) < leastLevels {
		return nil, false
	}
	f, ok := fitUSL(levels)
	if !ok {
		return nil, false
	}
	most := 2 * levels[len(levels)-1].Connections
	at, peak := f.peak(most)
	s := &record.Scaling{Levels: levels, FirstPerS: f.first, Contention: f.contention, Coherency: f.coherency, PeakAt: at, Beyond: at == most}
	s.Peak = record.Estimate{Value: peak, Lo: peak, Hi: peak}
	// The jackknife: the fits without one level each tell how much the peak depends on it.
	var without []float64
	mean := 0.0
	for i := range levels {
		if g, ok := fitUSL(slices.Delete(slices.Clone(levels), i, i+1)); ok {
			_, p := g.peak(most)
			without, mean = append(without, p), mean+p
		}
	}
	k := float64(len(without))
	mean /= max(k, 1)
	squares := 0.0
	for _, p := range without {
		squares += (p - mean) * (p - mean)
	}
	const deviations = 4.03 // of Student's distribution with five degrees of freedom hold 99 %
	d := deviations * math.Sqrt((k-1)/k*squares)
	s.Peak.Lo, s.Peak.Hi = max(0, peak-d), peak+d
	return s, true
}

// leastLevels is the fewest numbers of connections that a fit of three coefficients is made of.
const leastLevels = 6

// usl are the coefficients of a fit.
type usl struct{ first, contention, coherency float64 }

func (f usl) at(n float64) float64 {
	return f.first * n / (1 + f.contention*(n-1) + f.coherency*n*(n-1))
}

// peak is the highest rate with at most so many connections.
func (f usl) peak(most int) (at int, perS float64) {
	for n := 1; n <= most; n++ {
		if x := f.at(float64(n)); x > perS*(1+1e-9) {
			at, perS = n, x
		}
	}
	return at, perS
}

// fitUSL tries all coefficients, and each set of them with the others at 0, and takes the best fit whose coefficients are all within bounds.
func fitUSL(levels []record.ScalingLevel) (best usl, ok bool) {
	least := math.Inf(1)
	for _, free := range [][]int{{0, 1, 2}, {0, 1}, {0, 2}, {0}} {
		x, solved := solve(levels, free)
		if !solved || x[0] <= 0 || x[1] < 0 || x[2] < 0 {
			continue
		}
		f := usl{1 / x[0], min(x[1]/x[0], 1), min(x[2]/x[0], 1)}
		errors := 0.0
		for _, l := range levels {
			e := f.at(float64(l.Connections))/l.PerS - 1
			errors += e * e
		}
		if errors < least*(1-1e-9) {
			best, least, ok = f, errors, true
		}
	}
	return best, ok
}

// solve finds the free coefficients of least squares by the normal equations, which Gauss's elimination solves.
func solve(levels []record.ScalingLevel, free []int) (x [3]float64, ok bool) {
	var a [3][4]float64
	k := len(free)
	for _, l := range levels {
		n := float64(l.Connections)
		y := n / l.PerS
		terms := [3]float64{1 / y, (n - 1) / y, n * (n - 1) / y} // relative errors: each equation by y
		for i := range k {
			for j := range k {
				a[i][j] += terms[free[i]] * terms[free[j]]
			}
			a[i][k] += terms[free[i]]
		}
	}
	for i := range k {
		p := i
		for r := i + 1; r < k; r++ {
			if math.Abs(a[r][i]) > math.Abs(a[p][i]) {
				p = r
			}
		}
		if a[i], a[p] = a[p], a[i]; a[i][i] == 0 {
			return x, false
		}
		for r := range k {
			if r == i {
				continue
			}
			f := a[r][i] / a[i][i]
			for c := i; c <= k; c++ {
				a[r][c] -= f * a[i][c]
			}
		}
	}
	for i := range k {
		x[free[i]] = a[i][k] / a[i][i]
	}
	return x, true
}
