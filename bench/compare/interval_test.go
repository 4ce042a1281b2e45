package compare

import (
	"math"
	"math/rand/v2"
	"testing"
)

// boundsOf are the bounds of the 95 % interval of exact values.
func boundsOf(a, b []float64, of func(a, b []float64) []float64) (lo, hi float64) {
	r := &Row{a: a, aMost: a, b: b, bMost: b}
	return r.bounds(of, outsideOf(len(a), len(b), alpha/2))
}

// The limits of n = 5 are those of tables of the Wilcoxon-Mann-Whitney interval: the 3rd and the 23rd of 25 differences.
func TestOutside(t *testing.T) {
	if got := outsideOf(5, 5, alpha/2); got != 3 {
		t.Errorf("5 and 5: limit %d, want 3", got)
	}
	if got := outsideOf(3, 3, alpha/2); got != 0 {
		t.Errorf("3 and 3: limit %d, want none", got)
	}
	if exact, normal := outsideOf(50, 50, alpha/2), outsideOf(51, 51, alpha/2); normal < exact || normal > exact+70 {
		t.Errorf("limits %d of the exact distribution, %d of the next by the normal one", exact, normal)
	}
}

// The bounds that a program of its own found, which tried shifts and factors with the permutation test. The permeability of
// the human chorioamnion is the example of Hollander and Wolfe (1973), page 69, which other programs print too.
func TestIntervalsOfTables(t *testing.T) {
	for _, tt := range []struct {
		name                          string
		a, b                          []float64
		lo, hi, timesLeast, timesMost float64
	}{
		{"amnion", []float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}, []float64{1.15, 0.88, 0.90, 0.74, 1.21}, -0.76, 0.15, 0.5103448, 1.1634615},
		{"five", []float64{0.73, 0.80, 0.83, 1.04, 1.38}, []float64{0.74, 0.88, 0.90, 1.15, 1.21}, -0.48, 0.41, 0.6521739, 1.5125},
		{"wild", []float64{12, 617, 640, 31_200, 99}, []float64{118, 2_050, 97_600, 700, 650}, -30_500, 96_983, 0.0224359, 170.8333333},
	} {
		near := func(got, want float64) bool { return math.Abs(got-want) < 1e-6*max(1, math.Abs(want)) }
		if lo, hi := boundsOf(tt.a, tt.b, differences); !near(lo, tt.lo) || !near(hi, tt.hi) {
			t.Errorf("%s: difference from %v to %v, want %v to %v", tt.name, lo, hi, tt.lo, tt.hi)
		}
		if lo, hi := boundsOf(tt.a, tt.b, ratios); !near(lo+1, tt.timesLeast) || !near(hi+1, tt.timesMost) {
			t.Errorf("%s: ratio from %v to %v, want %v to %v", tt.name, lo+1, hi+1, tt.timesLeast, tt.timesMost)
		}
	}
}

// Both intervals leave out 0 exactly if p is at most alpha, if no values are equal: a logarithm keeps their order. A ratio is never below -1, and
// the other way round it is the inverse.
func TestIntervalsAgreeWithTheTest(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		a, b := make([]float64, 4+r.IntN(5)), make([]float64, 4+r.IntN(5))
		for i := range a {
			a[i] = math.Exp(2 * r.NormFloat64())
		}
		for i := range b {
			b[i] = math.Exp(2 * (1 + r.NormFloat64()))
		}
		p := uTest(a, b)
		for name, of := range map[string]func(a, b []float64) []float64{"difference": differences, "ratio": ratios} {
			if lo, hi := boundsOf(a, b, of); (p <= alpha) != (lo > 0 || hi < 0) {
				t.Errorf("%v and %v: p is %v, %s from %v to %v", a, b, p, name, lo, hi)
			}
		}
		lo, hi := boundsOf(a, b, ratios)
		back, forth := boundsOf(b, a, ratios)
		if lo < -1 || math.Abs((1+lo)*(1+forth)-1) > 1e-9 || math.Abs((1+hi)*(1+back)-1) > 1e-9 {
			t.Errorf("ratios from %v to %v, the other way round from %v to %v", lo, hi, back, forth)
		}
	}
}

// What is 0 in some runs has a ratio without an upper bound. Values that may be higher widen the interval.
func TestOpenIntervals(t *testing.T) {
	lo, hi := boundsOf([]float64{0, 0, 1, 2, 3}, []float64{0, 1, 2, 3, 4}, ratios)
	if lo != -1 || !math.IsInf(hi, 1) {
		t.Errorf("from %v to %v, want -1 to infinity", lo, hi)
	}
	inf := math.Inf(1)
	r := &Row{a: []float64{1, 2, 3, 4, 5}, aMost: []float64{1, 2, 3, 4, 5}, b: []float64{6, 7, 8, 9, 10}, bMost: []float64{inf, inf, inf, inf, inf}}
	if lo, hi := r.bounds(differences, 3); lo != 2 || !math.IsInf(hi, 1) {
		t.Errorf("from %v to %v, want 2 to infinity", lo, hi)
	}
}
