package sweep

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/stat"
)

// A factor whose levels are numbers has a slope: how much the metric changes for each 1 more, over all levels of the others, in the metric's unit. It is that of
// the line of least squares through the levels' means, which are geometric where the metric is compared by logarithms. It describes, and
// is no claim: whether there is an effect at all is for the tests of the levels.
//
// Its interval is a bootstrap's, since the line is in the metric's unit and the noise in proportion to it: each cell's mean is drawn anew from the cell's own
// residuals, which may spread unlike another's. Few residuals spread too little, and an interval of theirs is too short: so they are
// stretched by their number, and the interval as far as Student's t is wider than the normal distribution.

const (
	// leastLevels is how many different numbers make a line that could also be none.
	leastLevels = 3
	// resamples of the bootstrap: its bounds are then as good as a twentieth of their distance.
	resamples = 1000
	// modes is the number below which the levels of a sysctl are taken for modes, such as those of tcp_tw_reuse.
	modes = 4
)

// Number is a level of a factor as a number: what it counts, or seconds. A range of ports is as many as it has.
func Number(key, level string) (v float64, ok bool) {
	if v, err := strconv.ParseFloat(level, 64); err == nil {
		return v, !math.IsNaN(v) && !math.IsInf(v, 0)
	}
	if key == "source-ports" || strings.HasSuffix(key, "ip_local_port_range") {
		ends := strings.Fields(strings.Replace(level, "-", " ", 1))
		if len(ends) != 2 {
			return 0, false
		}
		from, err := strconv.ParseUint(ends[0], 10, 16)
		to, terr := strconv.ParseUint(ends[1], 10, 16)
		return float64(to) - float64(from) + 1, err == nil && terr == nil && to >= from
	}
	if d, err := time.ParseDuration(level); err == nil {
		return d.Seconds(), true
	}
	n, err := quantity.ParseCount(level)
	return float64(n), err == nil
}

// numbers are the levels of a factor, nil if they are too few, or no numbers.
func numbers(f *record.Factor) (x []float64) {
	for _, l := range f.Levels {
		v, ok := Number(f.Key, l)
		if !ok {
			return nil
		}
		x = append(x, v)
	}
	different := slices.Compact(slices.Sorted(slices.Values(x)))
	if len(different) < leastLevels || strings.HasPrefix(f.Key, "net.") && different[len(different)-1] < modes {
		return nil
	}
	return x
}

// slopes are those of all factors that have one.
func (d *differ) slopes() (list []record.SweepSlope) {
	for f := range d.a.grid.factors {
		if x := numbers(&d.a.grid.factors[f]); x != nil {
			if s := d.slope(f, x); s != nil {
				list = append(list, *s)
			}
		}
	}
	return list
}

// slope is that of a factor with the levels x, nil unless all cells have values.
func (d *differ) slope(factor int, x []float64) *record.SweepSlope {
	if slices.Contains(d.fit.connected, false) || slices.Contains(d.fit.times, 0) {
		return nil
	}
	// The slope is a weighted sum of the cells' values.
	mean, square := 0.0, 0.0
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		square += (v - mean) * (v - mean)
	}
	others := float64(len(d.cells)) / float64(len(x))
	weights := make([]float64, len(d.cells))
	for c := range weights {
		weights[c] = (x[d.a.grid.levels[c][factor]] - mean) / square / others
	}
	means := d.fit.levels()
	of := func(means []float64) (v float64) {
		for c, w := range weights {
			v += w * d.inUnit(means[c])
		}
		return v
	}
	s := &record.SweepSlope{Factor: factor, Slope: of(means)}
	at := make([]float64, len(x))
	all := 0.0
	for c, v := range means {
		at[d.a.grid.levels[c][factor]] += d.inUnit(v) / others
		all += d.inUnit(v) / float64(len(means))
	}
	for l, v := range at {
		if v != 0 {
			s.Off = max(s.Off, math.Abs((all+s.Slope*(x[l]-mean))/v-1))
		}
	}
	if all != 0 {
		s.Proportion = s.Slope * mean / all
	}
	if lo, hi, ok := d.slopeWithin(s.Slope, weights, means, of); ok {
		s.Lo, s.Hi = &lo, &hi
	}
	for _, v := range []float64{s.Slope, s.Off, s.Proportion} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	}
	return s
}

// inUnit is a value on the scale of the model in the metric's unit.
func (d *differ) inUnit(v float64) float64 {
	if d.m.Log {
		return math.Exp(v)
	}
	return v
}

// slopeWithin is the interval of a slope. That of rates found is what the bounds of all searches leave open, which is more than 95 %.
func (d *differ) slopeWithin(slope float64, weights, means []float64, of func([]float64) float64) (lo, hi float64, ok bool) {
	if d.m.Metric == FoundRate {
		for c, w := range weights {
			least, most, _ := d.bounds(c)
			least, most = d.inUnit(least), d.inUnit(most)
			lo, hi = lo+min(w*least, w*most), hi+max(w*least, w*most)
		}
		return lo, hi, true
	}
	residuals := d.fit.residuals()
	// The degrees of freedom are those of the cells that make most of the noise (Satterthwaite 1946).
	all, squares := 0.0, 0.0
	for c, r := range residuals {
		n := float64(len(r))
		if n < 2 {
			return 0, 0, false
		}
		square := 0.0
		for _, v := range r {
			square += v * v
		}
		part := weights[c] * weights[c] * square / (n * (n - 1))
		if d.m.Log {
			part *= math.Pow(d.inUnit(means[c]), 2)
		}
		all, squares = all+part, squares+part*part/(n-1)
	}
	if all == 0 {
		return slope, slope, true
	}
	df := max(int(all*all/squares), 1)
	random := rand.New(rand.NewPCG(d.a.sweep.Seed, 2))
	drawn := make([]float64, len(means))
	lo, hi = stat.Bootstrap(resamples, 1-confidence, func() float64 {
		for c, r := range residuals {
			n := float64(len(r))
			sum := 0.0
			for range r {
				sum += r[random.IntN(len(r))]
			}
			drawn[c] = means[c] + sum/n*math.Sqrt(n/(n-1))
		}
		return of(drawn)
	})
	const normal = 1.959964
	wider := stat.TBound(1-confidence, df) / normal
	return slope - (slope-lo)*wider, slope + (hi-slope)*wider, true
}

// confidence is that of an interval.
const confidence = 0.95

// levels are the cells' means in a block that adds nothing to them.
func (m *model) levels() []float64 {
	base := 0.0
	for _, v := range m.values {
		base += (v.v - m.means[v.cell]) / float64(len(m.values))
	}
	all := slices.Clone(m.means)
	for c := range all {
		all[c] += base
	}
	return all
}

// residuals are what the cells and the blocks leave of the values, by cell, around 0.
func (m *model) residuals() [][]float64 {
	all := make([][]float64, m.cells)
	for _, b := range byBlock(m.values, blockOf) {
		adds := 0.0
		for _, v := range b {
			adds += (v.v - m.means[v.cell]) / float64(len(b))
		}
		// The block's part is estimated from the same values, which leaves less of each.
		left := math.Sqrt(float64(len(b)) / max(float64(len(b)-1), 1))
		for _, v := range b {
			all[v.cell] = append(all[v.cell], (v.v-m.means[v.cell]-adds)*left)
		}
	}
	for _, r := range all {
		mean := 0.0
		for _, v := range r {
			mean += v / float64(len(r))
		}
		for i := range r {
			r[i] -= mean
		}
	}
	return all
}
