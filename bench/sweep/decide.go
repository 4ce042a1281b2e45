package sweep

import (
	"math"
	"slices"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/bench/stat"
)

// firstShare is the share of alpha of the first metric, which the sweep is about, if there are several.
const firstShare = 0.5

// twinAlpha is the chance that a twin of the base, with nothing wrong, is found to differ.
const twinAlpha = 0.01

// correct corrects the p-values for the number of tests, and asks whether anything may be claimed at all.
func (a *analysis) correct() {
	if a.Tests = len(a.tests); a.Tests == 0 {
		return
	}
	number := make([]float64, len(a.Metrics))
	for _, t := range a.tests {
		number[t.Metric]++
	}
	each := weightsOf(number)
	p, weights := make([]float64, a.Tests), make([]float64, a.Tests)
	for i := range a.tests {
		t := &a.tests[i]
		p[i], weights[i] = t.p(), each[t.Metric]
	}
	for i, corrected := range stat.Holm(p, weights) {
		a.At(a.tests[i].SweepClaim).Corrected = &corrected
	}
	a.P = a.randomised(weights)
}

// weightsOf is the part of alpha that each test of a metric has, by the number of tests of each metric.
func weightsOf(number []float64) []float64 {
	others := 0
	for i, n := range number {
		if i > 0 && n > 0 {
			others++
		}
	}
	each := make([]float64, len(number))
	for i, n := range number {
		switch {
		case n == 0:
		case number[0] == 0:
			each[i] = 1 / float64(others) / n
		case others == 0:
			each[i] = 1 / n
		case i == 0:
			each[i] = firstShare / n
		default:
			each[i] = (1 - firstShare) / float64(others) / n
		}
	}
	return each
}

// randomises reports whether the tests of a metric need the randomisation test: those of rates found have the bounds of the searches.
func (a *analysis) randomises(metric int) bool { return a.Metrics[metric].Metric != FoundRate }

// randomised is the p of the randomisation test over all tests.
func (a *analysis) randomised(weights []float64) *float64 {
	var metrics []tested
	last := -1
	for i, t := range a.tests {
		if !a.randomises(t.Metric) {
			continue
		}
		if t.Metric != last {
			last = t.Metric
			metrics = append(metrics, a.centred(t.Metric))
		}
		m := &metrics[len(metrics)-1]
		m.contrasts, m.weight = append(m.contrasts, t.contrast), weights[i]
	}
	if len(metrics) == 0 {
		return nil
	}
	var ended []int
	for i := range a.sweep.Runs {
		if a.sweep.Runs[i].Error == "" {
			ended = append(ended, i)
		}
	}
	p := gate(a.sweep, metrics, byBlock(ended, func(i int) int { return a.sweep.Runs[i].Block }), a.sweep.Seed)
	return &p
}

// centred are the values of a metric by run, without what blocks have in common.
func (a *analysis) centred(index int) tested {
	m := &a.Metrics[index]
	t := tested{runs: make([]float64, len(a.sweep.Runs))}
	sums, times := make(map[int]float64), make(map[int]float64)
	seen := make(map[int]bool)
	n := 0
	for i := range a.sweep.Runs {
		r := &a.sweep.Runs[i]
		v, known := valueOf(r, m.Metric)
		if t.runs[i] = math.NaN(); !known || r.Error != "" {
			continue
		}
		if m.Log {
			v = math.Log(v)
		}
		t.runs[i] = v
		sums[r.Block] += v
		times[r.Block]++
		seen[r.Cell] = true
		n++
	}
	for i := range t.runs {
		if b := a.sweep.Runs[i].Block; !math.IsNaN(t.runs[i]) {
			t.runs[i] -= sums[b] / times[b]
			t.total += t.runs[i] * t.runs[i]
		}
	}
	t.df = max(1, n-len(times)-len(seen)+1)
	return t
}

// decide turns p-values into results.
func (a *analysis) decide() {
	a.doubts()
	differs := a.twins()
	for _, t := range a.tests {
		d, m := a.At(t.SweepClaim), &a.Metrics[t.Metric]
		agreed := a.P != nil && *a.P <= alpha
		if !a.randomises(t.Metric) {
			agreed = t.apart
		}
		switch {
		case differs[0] || differs[t.Metric]:
			continue
		case !agreed || *d.Corrected > alpha:
			if t.apart {
				d.Result = record.SweepApart
			}
			continue
		}
		d.Result = claim(m, t.value)
		a.Claims = append(a.Claims, t.SweepClaim)
	}
	// The effects of a single factor are its cells' differences.
	if len(a.sweep.Factors) == 1 {
		for i := range a.Metrics {
			m := &a.Metrics[i]
			for j := range m.Effects {
				e := &m.Effects[j]
				if cell := a.grid.with(0, e.Of...); cell > 0 {
					e.SweepDifference = m.Cells[cell]
				}
			}
		}
	}
	switch {
	case len(a.Metrics) > 0 && differs[0]:
		a.Result = record.SweepCannotTell
	case len(a.Claims) > 0:
		a.Result = record.SweepDiffers
	case a.tooFew():
		a.Result = record.SweepTooFew
	default:
		a.Result = record.SweepNoDifference
	}
}

func claim(m *record.SweepMetric, value float64) string {
	switch metric.Better(m.Better) {
	case metric.Neither:
		return record.SweepChanged
	case metric.Higher:
		value = -value
	}
	if value > 0 {
		return record.SweepWorse
	}
	return record.SweepBetter
}

// twins judges the A/A pairs: of a metric in which two runs of one cell differ, no difference is claimed.
func (a *analysis) twins() []bool {
	differs := make([]bool, max(1, len(a.Metrics)))
	pairs := 0.0
	for i := range a.Metrics {
		if t := a.Metrics[i].Twin; t != nil && t.P != nil && a.randomises(i) {
			pairs++
		}
	}
	for i := range a.Metrics {
		m := &a.Metrics[i]
		if m.Twin == nil || m.Twin.P == nil {
			continue
		}
		if !a.randomises(i) {
			if differs[i] = a.twinsApart(); differs[i] {
				m.Twin.Result = record.SweepChanged
				a.find(codeTwinDiffers, map[string]any{"metric": m.Metric})
			}
			continue
		}
		corrected := min(1, *m.Twin.P*pairs)
		m.Twin.Corrected = &corrected
		if differs[i] = corrected <= twinAlpha; differs[i] {
			m.Twin.Result = record.SweepChanged
			a.find(codeTwinDiffers, map[string]any{"metric": m.Metric})
		}
	}
	return differs
}

// tooFew reports whether no difference could have been told from noise, however large, and finds how many blocks it takes.
func (a *analysis) tooFew() bool {
	number := make([]float64, len(a.Metrics))
	for i := range a.tests {
		number[a.tests[i].Metric]++
	}
	each := weightsOf(number)
	for i := range a.tests {
		if a.tests[i].least <= alpha*each[a.tests[i].Metric] {
			return false
		}
	}
	if len(a.tests) == 0 {
		// What is known, but without a test.
		for i := range a.Metrics {
			m := &a.Metrics[i]
			list := m.Cells
			if len(a.sweep.Factors) > 1 { // the effects of a single factor are its cells' differences
				list = slices.Concat(list, differences(m.Effects), differences(m.Pairs))
			}
			for _, d := range list {
				if d.Result == record.SweepUntested && d.Difference != nil {
					number[i]++
				}
			}
		}
		if each = weightsOf(number); slices.Max(append(each, 0)) == 0 { // either all values are the same, or nothing is known
			return len(a.Metrics) == 0 || len(a.Cells) > 1 && !slices.ContainsFunc(a.Metrics, func(m record.SweepMetric) bool {
				return slices.ContainsFunc(m.Cells, func(d record.SweepDifference) bool { return d.Result == record.SweepEqual })
			})
		}
	}
	need := 2
	a.columns = max(a.columns, len(a.Cells)+1)
	for 2*math.Pow(float64(a.columns), -float64(need)) > alpha*slices.Max(each) {
		need++
	}
	a.find(codeTooFewBlocks, map[string]any{"n": a.sweep.Blocks, "need": need})
	return true
}

func differences(effects []record.SweepEffect) (list []record.SweepDifference) {
	for i := range effects {
		list = append(list, effects[i].SweepDifference)
	}
	return list
}
