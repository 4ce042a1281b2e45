package sweep

import (
	"math"
	"slices"

	"lastack/bench/stat"
)

// value is what one run measured, on the scale on which it is analysed.
type value struct {
	cell, block int
	twin        bool
	v           float64
}

// model is the additive one of blocks: a value is that of its cell, plus what its block adds to all cells, plus noise. Missing runs make it
// unbalanced; what is left is fitted by least squares.
type model struct {
	values []value
	cells  int
	// means are the cells', up to a constant; only cells that blocks connect with the base have one.
	means     []float64
	connected []bool
	// s2 is the variance of the noise, with df degrees of freedom.
	s2 float64
	df int
	// times counts the values of each cell. inverse is that of the normal equations of the connected cells, nil if each block has the
	// same ones.
	times   []int
	inverse [][]float64
	rows    []row
}

// row has the means and the numbers of each cell's values in a block, and how many values the block has.
type row struct {
	means []float64
	times []int
	width int
}

// fit fits the model. The variance of the noise is that of the cells whose spread is alike: a cell that is much noisier would hide what the others
// show, and be judged by their spread itself.
func fit(values []value, cells int) *model {
	whole := fitAll(values, cells)
	for m := whole; ; {
		noisy := m.noisiest()
		if noisy < 0 {
			whole.s2, whole.df = m.s2, m.df
			return whole
		}
		values = slices.DeleteFunc(slices.Clone(values), func(v value) bool { return v.cell == noisy })
		m = fitAll(values, cells)
	}
}

// outlying is the chance that the noisiest of cells that are alike is taken for one that is not.
const outlying = 0.01

// noisiest is the cell whose values stray farther than those of the others by more than chance, -1 if there is none or the others are few.
func (m *model) noisiest() int {
	sums, times, means := make([]float64, m.cells), make([]int, m.cells), make([]float64, len(m.rows))
	for i, b := range m.rows {
		for c, n := range b.times {
			means[i] += float64(n) * (b.means[c] - m.means[c]) / float64(b.width)
		}
		for c, n := range b.times {
			if n > 0 {
				// Not each of the values, so that twins count as one.
				d := b.means[c] - m.means[c] - means[i]
				sums[c] += d * d * float64(n)
				times[c]++
			}
		}
	}
	most, in, total, df := -1, 0, 0.0, 0
	for c, n := range times {
		if n < 2 {
			continue
		}
		in++
		total, df = total+sums[c], df+n-1
		if most < 0 || sums[c]/float64(n-1) > sums[most]/float64(times[most]-1) {
			most = c
		}
	}
	if in < 4 || total == 0 {
		return -1
	}
	n := times[most] - 1
	ratio := sums[most] / float64(n) / ((total - sums[most]) / float64(df-n))
	if 1-stat.FBelow(ratio, n, df-n) > outlying/float64(in) {
		return -1
	}
	return most
}

func fitAll(values []value, cells int) *model {
	m := &model{cells: cells, means: make([]float64, cells), times: make([]int, cells)}
	m.connect(values)
	blocks := byBlock(m.values, blockOf)
	// The normal equations, after the blocks were eliminated.
	sums, total, balanced := make([]float64, cells), 0.0, true
	for _, b := range blocks {
		r := row{make([]float64, cells), make([]int, cells), len(b)}
		mean := 0.0
		for _, v := range b {
			mean += v.v / float64(len(b))
			r.times[v.cell]++
		}
		for _, v := range b {
			r.means[v.cell] += v.v / float64(r.times[v.cell])
			sums[v.cell] += v.v - mean
			total += (v.v - mean) * (v.v - mean)
			m.times[v.cell]++
		}
		balanced = balanced && (len(m.rows) == 0 || slices.Equal(r.times, m.rows[0].times))
		m.rows = append(m.rows, r)
	}
	in := 0
	for c := range cells {
		if m.connected[c] {
			in++
		}
	}
	if balanced {
		for c, n := range m.times {
			if n > 0 {
				m.means[c] = sums[c] / float64(n)
			}
		}
	} else {
		m.solve(blocks, sums)
	}
	left := total
	for c := range cells {
		left -= m.means[c] * sums[c]
	}
	m.df = len(m.values) - len(blocks) - in + 1
	// What rounding leaves is nothing.
	if m.df > 0 && left > 1e-12*total {
		m.s2 = left / float64(m.df)
	}
	return m
}

// byBlock splits a list by block, in the order in which the blocks appear.
func byBlock[T any](all []T, block func(T) int) (blocks [][]T) {
	index := make(map[int]int)
	for _, v := range all {
		b := block(v)
		i, known := index[b]
		if !known {
			i = len(blocks)
			index[b] = i
			blocks = append(blocks, nil)
		}
		blocks[i] = append(blocks[i], v)
	}
	return blocks
}

func blockOf(v value) int { return v.block }

// connect keeps the values that blocks connect with the base: of the others no difference to it is known.
func (m *model) connect(values []value) {
	m.connected = make([]bool, m.cells)
	m.connected[0] = true
	blocks := byBlock(values, blockOf)
	for grown := true; grown; {
		grown = false
		for _, b := range blocks {
			if !slices.ContainsFunc(b, func(v value) bool { return m.connected[v.cell] }) {
				continue
			}
			for _, v := range b {
				grown = grown || !m.connected[v.cell]
				m.connected[v.cell] = true
			}
		}
	}
	for _, v := range values {
		if m.connected[v.cell] {
			m.values = append(m.values, v)
		}
	}
}

// solve inverts the normal equations by Cholesky's method. They say nothing about a constant that all means share, so one is added that makes
// the sum of the means 0.
func (m *model) solve(blocks [][]value, sums []float64) {
	index, n := make([]int, m.cells), 0
	for c := range index {
		index[c] = -1
		if m.connected[c] {
			index[c] = n
			n++
		}
	}
	a := make([][]float64, n)
	for i := range a {
		a[i] = make([]float64, n)
		for j := range a[i] {
			a[i][j] = 1 / float64(n)
		}
	}
	for _, b := range blocks {
		for _, x := range b {
			a[index[x.cell]][index[x.cell]]++
			for _, y := range b {
				a[index[x.cell]][index[y.cell]] -= 1 / float64(len(b))
			}
		}
	}
	inverse := invert(a)
	m.inverse = make([][]float64, m.cells)
	for c, i := range index {
		m.inverse[c] = make([]float64, m.cells)
		for d, j := range index {
			if i >= 0 && j >= 0 {
				m.inverse[c][d] = inverse[i][j]
				m.means[c] += inverse[i][j] * sums[d]
			}
		}
	}
}

// invert inverts a symmetric, positive definite matrix, which it overwrites.
func invert(a [][]float64) [][]float64 {
	n := len(a)
	// a becomes its lower triangular root.
	for j := range n {
		for i := j; i < n; i++ {
			sum := a[i][j]
			for k := range j {
				sum -= a[i][k] * a[j][k]
			}
			if i == j {
				a[j][j] = math.Sqrt(sum)
			} else {
				a[i][j] = sum / a[j][j]
			}
		}
	}
	inverse := make([][]float64, n)
	for c := range n {
		x := make([]float64, n)
		for i := c; i < n; i++ {
			if i == c {
				x[i] = 1
			}
			for k := c; k < i; k++ {
				x[i] -= a[i][k] * x[k]
			}
			x[i] /= a[i][i]
		}
		for i := n - 1; i >= 0; i-- {
			for k := i + 1; k < n; k++ {
				x[i] -= a[k][i] * x[k]
			}
			x[i] /= a[i][i]
		}
		inverse[c] = x
	}
	return inverse
}

// contrast is a weighted sum of cells' means whose weights add up to 0, so that what a block adds to all cells cancels out.
type contrast struct {
	cells   []int
	weights []float64
}

// estimate is a contrast's value with its standard error.
type estimate struct {
	value, se float64
	df        int
	// blocks is how many have cells of both signs; own is set if se is of the spread of those that have all cells, quiet if that is smaller.
	blocks     int
	own, quiet bool
	// apart is set if all values are on one side of all of the base, or no values within the bounds of searches could undo the difference.
	apart bool
	// least is the smallest p that shuffling the runs inside of these blocks can reach.
	least float64
}

// quieter and noisier are the chances with which a spread that is like the rest of the sweep's is taken for one that is smaller, or larger.
const quieter, noisier = 0.05, 0.1

// estimate takes the spread of the whole sweep, which has the most degrees of freedom, unless that of the contrast's own blocks is unlike
// it: cells that are bound by ports repeat within a thousandth, those bound by a busy CPU do not.
func (m *model) estimate(c contrast) estimate {
	e := estimate{df: m.df, least: 1}
	variance := 0.0
	for i, cell := range c.cells {
		e.value += c.weights[i] * m.means[cell]
		if m.inverse == nil {
			variance += c.weights[i] * c.weights[i] / float64(m.times[cell])
			continue
		}
		for j, other := range c.cells {
			variance += c.weights[i] * c.weights[j] * m.inverse[cell][other]
		}
	}
	e.se = math.Sqrt(m.s2 * variance)
	var own []float64
	expected := 0.0
	for _, b := range m.rows {
		v, g, whole, signs := 0.0, 0.0, true, [2]bool{}
		for i, cell := range c.cells {
			if b.times[cell] == 0 {
				whole = false
				continue
			}
			v += c.weights[i] * b.means[cell]
			g += c.weights[i] * c.weights[i] / float64(b.times[cell])
			signs[0], signs[1] = signs[0] || c.weights[i] < 0, signs[1] || c.weights[i] > 0
		}
		if whole {
			own, expected = append(own, v), expected+g
		}
		if signs[0] && signs[1] {
			e.blocks++
			e.least /= float64(b.width)
		}
	}
	e.least = min(1, 2*e.least)
	e.useOwn(own, m.s2*expected/float64(len(own)))
	return e
}

// useOwn takes the spread of the blocks' own values if that is unlike the variance expected.
func (e *estimate) useOwn(own []float64, expected float64) {
	n := len(own)
	if n < 3 {
		return
	}
	mean, sum := 0.0, 0.0
	for _, v := range own {
		mean += v / float64(n)
	}
	for _, v := range own {
		sum += (v - mean) * (v - mean)
	}
	variance := sum / float64(n-1)
	if expected == 0 && variance == 0 {
		return
	}
	if below := stat.FBelow(variance/expected, n-1, e.df); below < quieter || below > 1-noisier {
		e.value, e.se, e.df = mean, math.Sqrt(variance/float64(n)), n-1
		e.own, e.quiet = true, below < quieter
	}
}

// twin estimates the difference of the A/A pair. It is nil if no block has both.
func (m *model) twin() *estimate {
	var own []float64
	for _, b := range byBlock(m.values, blockOf) {
		var pair [2][]float64
		for _, v := range b {
			switch {
			case v.twin:
				pair[1] = append(pair[1], v.v)
			case v.cell == 0:
				pair[0] = append(pair[0], v.v)
			}
		}
		if len(pair[0]) > 0 && len(pair[1]) > 0 {
			own = append(own, pair[1][0]-pair[0][0])
		}
	}
	if len(own) == 0 {
		return nil
	}
	e := &estimate{df: m.df, blocks: len(own)}
	for _, v := range own {
		e.value += v / float64(len(own))
	}
	e.se = math.Sqrt(2 * m.s2 / float64(len(own)))
	e.useOwn(own, 2*m.s2)
	return e
}

// p is that of Student's test, two-sided. A smaller spread may be so by chance, and makes p too small then. So p is raised there, just as far as
// the errors add up to no more than those of the spread of the whole sweep, which is not used with a chance of quieter+noisier.
func (e *estimate) p() float64 {
	if e.value == 0 {
		return 1
	}
	p := stat.TTails(e.value/e.se, e.df)
	if e.quiet {
		p = min(1, p/(quieter+noisier))
	}
	return max(e.least, p)
}

// within is the interval with a confidence of 95 %.
func (e *estimate) within() (lo, hi float64) {
	half := e.se * stat.TBound(0.05, e.df)
	return e.value - half, e.value + half
}
