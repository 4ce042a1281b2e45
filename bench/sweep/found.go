package sweep

import (
	"math"

	"lastack/bench/metric"
)

// searched takes into account how fine the searches for rates were. Searches are long, so there are few blocks, too few for a randomisation
// test. But each has bounds: the rate below was sustained, the one above was not. A difference is claimed only if no rates within the
// bounds of all searches of its cells could undo it.
//
// The standard error is that of the model and that of the bounds together, with the degrees of freedom of the model, which are few: one twin in one
// block says little about how well a search repeats. So one block is enough for one or two cells that differ by a multiple, two blocks are
// for more.
func (d *differ) searched(c contrast, e *estimate) {
	e.least = 0
	fine, lo, hi := 0.0, 0.0, 0.0
	for i, cell := range c.cells {
		w := c.weights[i]
		least, most, width := d.bounds(cell)
		fine += w * width * w * width
		lo, hi = lo+min(w*least, w*most), hi+max(w*least, w*most)
	}
	e.apart = lo > 0 || hi < 0
	e.se = math.Sqrt(e.se*e.se + fine)
}

// twinsApart reports whether the searches of the base and those of its twin have found rates with no bounds in common. A search repeats as far as its
// bounds: nothing is said by a smaller difference.
func (a *analysis) twinsApart() bool {
	var lo, hi [2]float64
	lo[0], lo[1] = math.Inf(1), math.Inf(1)
	for i := range a.sweep.Runs {
		r := &a.sweep.Runs[i]
		if r.Cell != 0 || r.Found == nil || r.Error != "" {
			continue
		}
		k := 0
		if r.Twin {
			k = 1
		}
		lo[k], hi[k] = min(lo[k], r.Found.LoPerS), max(hi[k], r.Found.HiPerS)
	}
	return hi[0] > 0 && hi[1] > 0 && (lo[0] > hi[1] || lo[1] > hi[0])
}

// bounds are those of all searches of a cell together, on the scale of the metric, and the standard error because a search is no finer. More
// searches of the same kind do not make that smaller.
func (d *differ) bounds(cell int) (least, most, width float64) {
	var widths []float64
	least, most = math.Inf(1), math.Inf(-1)
	for i := range d.a.sweep.Runs {
		r := &d.a.sweep.Runs[i]
		if r.Cell != cell || r.Found == nil || r.Error != "" {
			continue
		}
		lo, hi := r.Found.LoPerS, r.Found.HiPerS
		if d.m.Log {
			lo, hi = math.Log(max(lo, hi/1e6)), math.Log(hi)
		}
		least, most = min(least, lo), max(most, hi)
		widths = append(widths, (hi-lo)/math.Sqrt(12)) // of a uniform distribution
	}
	return least, most, metric.Median(widths)
}
