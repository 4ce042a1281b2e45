package sweep

import (
	"math"
	"slices"

	"lastack/bench/record"
)

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
	d.m.Slopes = d.slopes()
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
