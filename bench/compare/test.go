package compare

import (
	"cmp"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"

	"lastack/bench/stat"
)

// Test says how the rows were judged.
type Test struct {
	Alpha float64 `json:"alpha"`
	// Primary and Secondary describe the two groups of metrics.
	Primary   Family `json:"primary"`
	Secondary Family `json:"secondary"`
	// Thresholds describes those that noise can explain, if there are several.
	Thresholds *Family `json:"thresholds,omitempty"`
}

// Family is a number of metrics, or of thresholds on them, that were tested together.
type Family struct {
	// Metrics is how many could have differed: those whose values are not all the same.
	Metrics int `json:"metrics"`
	// Weight is each one's share of alpha.
	Weight float64 `json:"weight"`
	// Need is the number of runs a side from which on the first of them can be told from noise.
	Need int `json:"need,omitempty"`
	// Decidable is set if the sides have as many.
	Decidable bool `json:"decidable"`
}

// secondaryShare is the share of alpha of all secondary metrics together. With five runs a side the U test's smallest p is 2/252 = 0.0079.
// Six primary metrics that share the rest have 0.05 * 0.96 / 6 = 0.008 each, which is just enough.
//
// If it takes more for the secondary metrics to be told from noise with as many runs as there are, they get that, up to mostSecondary. The
// shares depend on the numbers of runs and metrics, not on values, so that the chance of a false alarm stays alpha.
const secondaryShare, mostSecondary = 0.04, 0.5

// tested is a metric's exact U test.
type tested struct {
	row *Row
	p   float64
}

// judge tests all rows, and corrects for their number by Holm's procedure with weights.
func judge(rows []Row, na, nb int) Test {
	t := Test{Alpha: alpha}
	var all []tested
	ranks := make(ranks)
	for i := range rows {
		r := &rows[i]
		if len(r.a) < 2 || len(r.b) < 2 {
			continue
		}
		// In doubt, the true values lie anywhere between the lowest and the highest possible ones: what holds for both ends is said.
		p := max(uTest(r.aMost, r.b), uTest(r.a, r.bMost))
		if direction(r.aMost, r.b) != direction(r.a, r.bMost) {
			p = 1
		}
		r.P = &p
		r.interval(ranks.outside(len(r.a), len(r.b)))
		// A metric that no arrangement of these values could tell from noise is no hypothesis (Tarone), unless that is so of any values: then
		// Need shall say how many runs it takes.
		if least(r.a, r.b) > alpha && (leastP(len(r.a), len(r.b)) <= alpha || r.constant()) {
			continue
		}
		all = append(all, tested{row: r, p: p})
		if r.Primary {
			t.Primary.Metrics++
		} else {
			t.Secondary.Metrics++
		}
	}
	share := secondaryShare
	if enough := float64(t.Secondary.Metrics) * leastP(na, nb) / alpha * (1 + 1e-9); enough > share && enough <= mostSecondary {
		share = enough
	}
	switch {
	case t.Primary.Metrics == 0:
		share = 1
	case t.Secondary.Metrics == 0:
		share = 0
	}
	for _, f := range []struct {
		*Family
		share, most float64
	}{{&t.Primary, 1 - share, 1 - secondaryShare}, {&t.Secondary, share, max(share, mostSecondary)}} {
		if f.Metrics > 0 {
			f.Weight = f.share / float64(f.Metrics)
			f.Need = need(alpha * f.most / float64(f.Metrics))
			f.Decidable = leastP(na, nb) <= alpha*f.Weight
		}
	}
	weights := make([]float64, len(all))
	ps := make([]float64, len(all))
	for i := range all {
		ps[i], weights[i] = all[i].p, t.Secondary.Weight
		if all[i].row.Primary {
			weights[i] = t.Primary.Weight
		}
	}
	for i, p := range stat.Holm(ps, weights) {
		all[i].row.Corrected = &p
	}
	for i := range rows {
		rows[i].Result = rows[i].result()
	}
	return t
}

// result is that of the whole table.
func (t *Test) result(rows []Row) string {
	tested, spread := false, false
	for i := range rows {
		switch rows[i].Result {
		case Better, Worse, Changed:
			return Differs
		}
		tested = tested || rows[i].Corrected != nil
		spread = spread || rows[i].P != nil
	}
	switch {
	case !spread:
		return SpreadUnknown
	case tested && !t.Primary.Decidable && !t.Secondary.Decidable:
		return TooFew
	}
	return NoDifference
}

// uTest is the two-sided Mann-Whitney U test, exact up to 50 values a side, 25 if some are equal. It is 1 if all are.
func uTest(a, b []float64) float64 {
	if len(a) != len(b) && max(len(a), len(b)) <= stats.MannWhitneyTiesExactLimit {
		if u, ties := uOf(a, b); slices.Max(ties) > 1 {
			return twoTails(stats.UDist{N1: len(a), N2: len(b), T: ties}, u)
		}
	}
	sample := func(v []float64) *benchmath.Sample {
		return benchmath.NewSample(slices.Clone(v), &benchmath.DefaultThresholds)
	}
	return max(0, min(1, benchmath.AssumeNothing.Compare(sample(a), sample(b)).P))
}

// twoTails is twice the smaller tail of a distribution at u. With equal values and sides of different sizes it is not symmetric, but benchmath
// takes the tail at min(u, nm-u), which may be the wrong one and too small.
func twoTails(d stats.UDist, u float64) float64 {
	if len(d.T) == 1 {
		return 1
	}
	return min(1, 2*min(d.CDF(u), 1-d.CDF(u-d.Step())))
}

// uOf counts the pairs in which the value of a is larger, an equal one as a half, and how often each value occurs in both, by size.
func uOf(a, b []float64) (u float64, ties []int) {
	for _, x := range a {
		for _, y := range b {
			u += float64(1+cmp.Compare(x, y)) / 2
		}
	}
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	for i, v := range all {
		if i == 0 || v != all[i-1] {
			ties = append(ties, 0)
		}
		ties[len(ties)-1]++
	}
	return u, ties
}

// least is the smallest p that any split of these values into sides of these sizes has: that of the most extreme ones.
func least(a, b []float64) float64 {
	all := slices.Sorted(slices.Values(slices.Concat(a, b)))
	return min(uTest(all[:len(a)], all[len(a):]), uTest(all[len(b):], all[:len(b)]))
}

// leastP is the same for values of which no two are equal.
func leastP(na, nb int) float64 {
	if na < 1 || nb < 1 {
		return 1
	}
	lgamma := func(n int) float64 { v, _ := math.Lgamma(float64(n + 1)); return v }
	return min(1, 2*math.Exp(lgamma(na)+lgamma(nb)-lgamma(na+nb)))
}

// need is the least number of values a side with which the U test can reach p.
func need(p float64) int {
	n := 2
	for leastP(n, n) > p {
		n++
	}
	return n
}

// direction is 1 if more pairs of a value of a and one of b are larger in b, -1 if more are smaller.
func direction(a, b []float64) int {
	n := 0
	for _, x := range a {
		for _, y := range b {
			n += cmp.Compare(y, x)
		}
	}
	return cmp.Compare(n, 0)
}
