package compare

import (
	"slices"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// gate is a threshold on the difference between the sides.
type gate struct {
	metric.Relative
	// res is what the medians say.
	res record.ThresholdResult
	row Row
	of  func(a, b []float64) []float64
	// tested is set if noise can explain that the medians miss it.
	tested bool
}

func newGate(t metric.Relative, sides *[2]side) gate {
	m := t.Metric()
	a, b := sides[0].values(&m), sides[1].values(&m)
	g := gate{Relative: t, res: t.Evaluate(a, b), of: differences}
	g.row.A, g.row.a, g.row.aMost = g.row.read(a)
	g.row.B, g.row.b, g.row.bMost = g.row.read(b)
	if t.Ratio() {
		g.of = ratios
	}
	g.tested = g.res.GotText != "" && !t.Counted() && !g.row.inDoubt && g.outside(alpha) > 0
	return g
}

// outside is that of a level. A threshold asks about one direction only.
func (g *gate) outside(level float64) int { return outsideOf(len(g.row.a), len(g.row.b), level) }

// at is the result at a level. If no values of that many runs reach it, it takes the least that they reach.
func (g *gate) at(level float64) record.ThresholdResult {
	if !g.tested {
		return g.res
	}
	lo, hi := g.row.bounds(g.of, max(1, g.outside(level)))
	return g.Weigh(g.res, lo, hi)
}

// evaluate checks thresholds. A median that misses one by what may well be chance does not: a gate that fails by itself is switched off. Several are
// corrected by Holm's procedure, so that the chance that any fails by itself stays alpha. It ends at one level for all: alpha over the number of
// tests that are left once those that it rejects are taken away. Those that the medians meet are tests too.
func evaluate(thresholds []metric.Relative, sides *[2]side) (results []record.ThresholdResult, together *Family) {
	var gates []gate
	together = new(Family)
	for _, t := range thresholds {
		g := newGate(t, sides)
		gates = append(gates, g)
		if g.tested {
			together.Metrics++
		}
	}
	tested := together.Metrics
	together.Weight, together.Need = 1/float64(max(1, tested)), need(2*alpha/float64(max(1, tested)))
	together.Decidable = !slices.ContainsFunc(gates, func(g gate) bool { return g.tested && g.outside(alpha*together.Weight) == 0 })
	if tested < 2 {
		together = nil
	}
	for missed := 0; ; {
		level, n := alpha/float64(max(1, tested-missed)), 0
		results = nil
		for i := range gates {
			r := gates[i].at(level)
			results = append(results, r)
			if gates[i].tested && !r.OK {
				n++
			}
		}
		if n <= missed {
			return results, together
		}
		missed = n
	}
}
