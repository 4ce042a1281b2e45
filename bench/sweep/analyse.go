package sweep

import (
	"cmp"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// alpha is the chance that a sweep in which nothing has an effect claims anything.
const alpha = 0.05

// Analyse says what the runs of a sweep tell about the metrics named, the first one most of all; without names about the rate found, or what
// comparisons decide first. Names must be known to Metric.
func Analyse(s *record.Sweep, names ...string) *record.SweepAnalysis {
	a := &analysis{sweep: s, grid: newGrid(s)}
	a.Alpha, a.Claims = alpha, []record.SweepClaim{}
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
			a.find(codeNoValues, map[string]any{"metric": of.Name})
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
