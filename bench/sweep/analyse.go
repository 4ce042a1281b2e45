package sweep

import (
	"cmp"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/bench/stat"
)

// Alpha is the chance that a sweep in which nothing has an effect claims anything.
const Alpha = 0.05

// firstShare is the share of Alpha of the first metric, which the sweep is about, if there are several.
const firstShare = 0.5

// twinAlpha is the chance that a twin of the base, with nothing wrong, is found to differ.
const twinAlpha = 0.01

// Analyse says what the runs of a sweep tell about the metrics named, the first one most of all; without names about the rate found, or what
// comparisons decide first. Names must be known to Metric.
func Analyse(s *record.Sweep, names ...string) *record.SweepAnalysis {
	a := &analysis{sweep: s, grid: newGrid(s)}
	a.Alpha, a.Claims = Alpha, []record.SweepClaim{}
	asked := len(names) > 0
	if !asked {
		names = responses(s)
	}
	a.Cells = outcomes(s)
	for _, name := range names {
		m, err := Metric(name)
		if err != nil {
			continue // the caller asked Metric
		}
		a.measure(&m, asked)
	}
	a.correct()
	a.decide()
	return &a.SweepAnalysis
}

// analysis is one in progress.
type analysis struct {
	record.SweepAnalysis
	sweep *record.Sweep
	grid  *grid
	tests []test
	// columns is the most runs that a block has.
	columns int
}

// test is a difference that is tested.
type test struct {
	record.SweepClaim
	contrast
	estimate
}

// outcomes counts the runs of each cell.
func outcomes(s *record.Sweep) []record.SweepOutcome {
	list := make([]record.SweepOutcome, len(s.Cells))
	for i := range s.Runs {
		r := &s.Runs[i]
		o := &list[r.Cell]
		if r.Error != "" {
			o.Failed++
			continue
		}
		o.Runs++
		if !r.Valid {
			o.NotValid++
		}
		limit := r.LimitedBy
		if r.Found != nil {
			limit = cmp.Or(r.Found.LimitedBy, limit)
		}
		if limit == "" {
			continue
		}
		if o.Limits == nil {
			o.Limits = make(map[string]int)
		}
		o.Limits[limit]++
		// Of two as frequent, the one first in the alphabet, so that the order of the runs does not matter.
		if n, most := o.Limits[limit], o.Limits[o.LimitedBy]; n > most || n == most && limit < o.LimitedBy {
			o.LimitedBy = limit
		}
	}
	return list
}

// measure adds a metric with all of its differences, not yet corrected.
func (a *analysis) measure(of *metric.Metric, asked bool) {
	m := record.SweepMetric{Metric: of.Name, Unit: string(of.Unit), Better: string(of.Better), Log: true}
	cells := make([][]float64, len(a.sweep.Cells))
	var values []value
	least := make([]int, len(cells)) // values that are lower bounds
	for i := range a.sweep.Runs {
		r := &a.sweep.Runs[i]
		v, known := valueOf(r, of.Name)
		if !known || r.Error != "" {
			continue
		}
		cells[r.Cell] = append(cells[r.Cell], v)
		values = append(values, value{cell: r.Cell, block: r.Block, twin: r.Twin, v: v})
		m.Log = m.Log && v > 0
		if slices.Contains(r.AtLeast, of.Name) {
			least[r.Cell]++
		}
	}
	if len(values) == 0 {
		if asked {
			a.find(NoValues, map[string]any{"metric": of.Name})
		}
		return
	}
	if m.Log {
		for i := range values {
			values[i].v = math.Log(values[i].v)
		}
	}
	for c := range cells {
		m.Levels = append(m.Levels, level(cells[c], least[c]))
	}
	if of.Name == FoundRate {
		a.searched(m.Levels)
	}
	d := differ{a: a, m: &m, fit: fit(values, len(cells)), cells: cells, least: least, index: len(a.Metrics)}
	d.all()
	a.Metrics = append(a.Metrics, m)
}

// level describes a cell's values. The interval of the median is the one of order statistics; of fewer than the six values that 95 % need it is
// their range, with the confidence that that has.
func level(values []float64, atLeast int) record.SweepLevel {
	l := record.SweepLevel{N: len(values), AtLeast: atLeast}
	if l.N == 0 {
		return l
	}
	sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds), 0.95)
	l.Min, l.Max, l.Median = slices.Min(values), slices.Max(values), sum.Center
	switch {
	case !math.IsInf(sum.Lo, 0) && !math.IsInf(sum.Hi, 0):
		l.Lo, l.Hi, l.Confidence = &sum.Lo, &sum.Hi, sum.Confidence
	case l.N >= 3:
		lo, hi := l.Min, l.Max
		l.Lo, l.Hi, l.Confidence = &lo, &hi, 1-math.Pow(2, float64(1-l.N))
	}
	return l
}

// searched widens the intervals of rates found: they are not known better than the searches were fine.
func (a *analysis) searched(levels []record.SweepLevel) {
	for i := range a.sweep.Runs {
		f := a.sweep.Runs[i].Found
		if f == nil || a.sweep.Runs[i].Error != "" {
			continue
		}
		l := &levels[a.sweep.Runs[i].Cell]
		if l.Lo == nil {
			lo, hi := f.LoPerS, f.HiPerS
			l.Lo, l.Hi = &lo, &hi
		}
		*l.Lo, *l.Hi = min(*l.Lo, f.LoPerS), max(*l.Hi, f.HiPerS)
	}
}

// differ computes the differences of a metric.
type differ struct {
	a     *analysis
	m     *record.SweepMetric
	index int
	fit   *model
	cells [][]float64
	least []int
}

func (d *differ) all() {
	if d.fit.df > 0 {
		spread := math.Sqrt(d.fit.s2)
		d.m.Spread = &spread
	}
	for _, r := range d.fit.rows {
		d.a.columns = max(d.a.columns, r.width)
	}
	for c := range d.cells {
		if c == 0 || !d.fit.connected[c] {
			d.m.Cells = append(d.m.Cells, record.SweepDifference{Result: record.SweepUntested})
			continue
		}
		d.m.Cells = append(d.m.Cells, d.difference(d.a.grid.cell(c), record.SweepCells, c))
	}
	singles, pairs := d.a.grid.effects()
	for _, list := range []struct {
		of   [][]record.SweepFactorLevel
		name string
		to   *[]record.SweepEffect
	}{{singles, record.SweepEffects, &d.m.Effects}, {pairs, record.SweepPairs, &d.m.Pairs}} {
		for i, of := range list.of {
			e := record.SweepEffect{Of: of}
			e.SweepDifference = d.difference(d.a.grid.effect(of, d.fit.connected), list.name, i)
			*list.to = append(*list.to, e)
		}
	}
	if e := d.fit.twin(); e != nil {
		t := d.of(e)
		t.Result = record.SweepUntested
		switch {
		case constant(d.cells[0]):
			t.Result = record.SweepEqual
		case t.Lo != nil:
			p := e.p()
			t.P, t.Result = &p, record.SweepNoise
		}
		d.m.Twin = &t
	}
}

// of is an estimate on the scale that is shown.
func (d *differ) of(e *estimate) record.SweepDifference {
	shown := func(v float64) *float64 {
		if d.m.Log {
			v = math.Expm1(v)
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	r := record.SweepDifference{Blocks: e.blocks, Difference: shown(e.value), Own: e.own}
	if e.df > 0 {
		lo, hi := e.within()
		r.Lo, r.Hi = shown(lo), shown(hi)
	}
	return r
}

// difference adds the test of a contrast, unless there is nothing to test.
func (d *differ) difference(c contrast, list string, index int) record.SweepDifference {
	if len(c.cells) == 0 {
		return record.SweepDifference{Result: record.SweepUntested}
	}
	e := d.fit.estimate(c)
	if d.m.Metric == FoundRate {
		d.searched(c, &e)
	}
	r := d.of(&e)
	switch {
	case d.equal(c):
		r.Result = record.SweepEqual
	case e.df < 1 || e.blocks < 2 && d.m.Metric != FoundRate || r.Difference == nil:
		r.Result = record.SweepUntested
	case d.inDoubt(c, e.value):
		r.Result = record.SweepDoubt
	default:
		p := e.p()
		r.P, r.Result = &p, record.SweepNoise
		// With one factor its effects are the cells' differences: no second test of the same.
		if list != record.SweepCells && len(c.cells) == 2 && c.cells[0] == 0 && len(d.a.sweep.Factors) == 1 {
			break
		}
		if list == record.SweepCells && d.m.Metric != FoundRate {
			e.apart = d.apart(index)
		}
		d.a.tests = append(d.a.tests, test{record.SweepClaim{Metric: d.index, List: list, Index: index}, c, e})
	}
	return r
}

// apart reports whether all values of a cell lie on one side of all of the base.
func (d *differ) apart(cell int) bool {
	base, of := d.cells[0], d.cells[cell]
	return slices.Max(base) < slices.Min(of) || slices.Max(of) < slices.Min(base)
}

// equal reports whether all values of a contrast's cells are the same, so that no assignment of them to cells makes a difference (Tarone).
func (d *differ) equal(c contrast) bool {
	var all []float64
	for _, cell := range c.cells {
		all = append(all, d.cells[cell]...)
	}
	return constant(all)
}

func constant(v []float64) bool { return len(v) > 0 && slices.Min(v) == slices.Max(v) }

// inDoubt reports whether values that may be higher than measured could undo the difference.
func (d *differ) inDoubt(c contrast, value float64) bool {
	for i, cell := range c.cells {
		if d.least[cell] > 0 && value*c.weights[i] < 0 {
			return true
		}
	}
	return false
}

// correct corrects the p-values for the number of tests, and asks whether anything may be claimed at all.
func (a *analysis) correct() {
	if a.Tests = len(a.tests); a.Tests == 0 {
		return
	}
	number := make([]float64, len(a.Metrics))
	for _, t := range a.tests {
		number[t.Metric]++
	}
	share := make([]float64, len(a.Metrics))
	others := 0
	for i, n := range number {
		if i > 0 && n > 0 {
			others++
		}
	}
	for i, n := range number {
		switch {
		case n == 0:
		case number[0] == 0:
			share[i] = 1 / float64(others)
		case others == 0:
			share[i] = 1
		case i == 0:
			share[i] = firstShare
		default:
			share[i] = (1 - firstShare) / float64(others)
		}
	}
	p, weights := make([]float64, a.Tests), make([]float64, a.Tests)
	for i := range a.tests {
		t := &a.tests[i]
		p[i], weights[i] = t.p(), share[t.Metric]/number[t.Metric]
	}
	for i, corrected := range stat.Holm(p, weights) {
		a.At(a.tests[i].SweepClaim).Corrected = &corrected
	}
	a.P = a.randomised(weights)
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
	index := make(map[int]int)
	var blocks [][]int
	for i := range a.sweep.Runs {
		r := &a.sweep.Runs[i]
		if r.Error != "" {
			continue
		}
		at, known := index[r.Block]
		if !known {
			at = len(blocks)
			index[r.Block] = at
			blocks = append(blocks, nil)
		}
		blocks[at] = append(blocks[at], i)
	}
	p := gate(a.sweep, metrics, blocks, a.sweep.Seed)
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
		agreed := a.P != nil && *a.P <= Alpha
		if !a.randomises(t.Metric) {
			agreed = t.apart
		}
		switch {
		case differs[0] || differs[t.Metric]:
			continue
		case !agreed || *d.Corrected > Alpha:
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
		if t := a.Metrics[i].Twin; t != nil && t.P != nil {
			pairs++
		}
	}
	for i := range a.Metrics {
		m := &a.Metrics[i]
		if m.Twin == nil || m.Twin.P == nil {
			continue
		}
		corrected := min(1, *m.Twin.P*pairs)
		m.Twin.Corrected = &corrected
		if differs[i] = corrected <= twinAlpha; differs[i] {
			m.Twin.Result = record.SweepChanged
			a.find(TwinDiffers, map[string]any{"metric": m.Metric})
		}
	}
	return differs
}

// tooFew reports whether no difference could have been told from noise, however large, and finds how many blocks it takes.
func (a *analysis) tooFew() bool {
	tests := a.Tests
	for i := range a.tests {
		if a.tests[i].least <= Alpha/float64(tests) {
			return false
		}
	}
	if tests == 0 {
		// What is known, but without a test.
		for i := range a.Metrics {
			m := &a.Metrics[i]
			for _, d := range slices.Concat(m.Cells, differences(m.Effects), differences(m.Pairs)) {
				if d.Result == record.SweepUntested && d.Difference != nil {
					tests++
				}
			}
		}
		if tests == 0 { // either all values are the same, or nothing is known
			return len(a.Metrics) == 0 || len(a.Cells) > 1 && !slices.ContainsFunc(a.Metrics, func(m record.SweepMetric) bool {
				return slices.ContainsFunc(m.Cells, func(d record.SweepDifference) bool { return d.Result == record.SweepEqual })
			})
		}
	}
	need := 2
	a.columns = max(a.columns, len(a.Cells)+1)
	for 2*math.Pow(float64(a.columns), -float64(need)) > Alpha/float64(tests) {
		need++
	}
	a.find(TooFewBlocks, map[string]any{"n": a.sweep.Blocks, "need": need})
	return true
}

func differences(effects []record.SweepEffect) (list []record.SweepDifference) {
	for i := range effects {
		list = append(list, effects[i].SweepDifference)
	}
	return list
}
