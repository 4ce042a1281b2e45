package sweep

import (
	"math"
	"math/rand/v2"

	"lastack/bench/record"
	"lastack/bench/stat"
)

// shuffles is the most that the randomisation test tries. It stops early when enough of them reached what was observed: its p is then far from
// deciding anything (Besag and Clifford 1991, Sequential Monte Carlo p-values).
const shuffles, enough = 2000, 200

// tested is a metric with its tests, for the randomisation test.
type tested struct {
	contrasts []contrast
	// weight is each one's share of alpha.
	weight float64
	df     int
	// runs are the centred values by run, NaN for one that has none. total is the sum of their squares.
	runs  []float64
	total float64
}

// gate is a randomisation test of the hypothesis that no factor has any effect on any metric. The schedule drew the order of the runs in each
// block, so under that hypothesis every other assignment of a block's runs to its cells was as likely, whatever the noise: heavy tails, a
// drifting machine, runs that resemble those just before. p is the share of assignments in which the most significant of all tests is as
// significant as observed.
func gate(s *record.Sweep, metrics []tested, blocks [][]int, seed uint64) float64 {
	labels := make([]int, len(s.Runs))
	for i := range s.Runs {
		labels[i] = s.Runs[i].Cell
	}
	g := gateSums{blocks: blocks, labels: labels, sums: make([]float64, len(s.Cells)), times: make([]float64, len(s.Cells))}
	observed := 1.0
	for i := range metrics {
		m := &metrics[i]
		observed = min(observed, stat.TTails(math.Sqrt(g.farthest(m)), m.df)/m.weight)
	}
	// How far each metric's most significant test must be from 0 to be as significant.
	bounds := make([]float64, len(metrics))
	for i := range metrics {
		bounds[i] = math.Pow(stat.TBound(min(1, observed*metrics[i].weight), metrics[i].df)*(1-1e-9), 2)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	reached := 0
	for n := 1; n <= shuffles; n++ {
		for _, b := range blocks {
			random.Shuffle(len(b), func(i, j int) { labels[b[i]], labels[b[j]] = labels[b[j]], labels[b[i]] })
		}
		for i := range metrics {
			if g.farthest(&metrics[i]) >= bounds[i] {
				reached++
				break
			}
		}
		if reached == enough {
			return float64(enough) / float64(n)
		}
	}
	return float64(reached+1) / (shuffles + 1)
}

// gateSums are the sums and the numbers of each cell's values.
type gateSums struct {
	blocks      [][]int
	labels      []int
	sums, times []float64
}

// farthest is the largest square of Student's t of a metric's tests. The randomisation test is exact for anything that is computed in the same way
// for each assignment, so cells' means are taken as if no run were missing.
func (g *gateSums) farthest(m *tested) float64 {
	clear(g.sums)
	clear(g.times)
	for _, b := range g.blocks {
		for _, run := range b {
			if v := m.runs[run]; !math.IsNaN(v) {
				g.sums[g.labels[run]] += v
				g.times[g.labels[run]]++
			}
		}
	}
	left := m.total
	for c, sum := range g.sums {
		if g.times[c] > 0 {
			left -= sum * sum / g.times[c]
		}
	}
	if left < 1e-12*m.total {
		left = 0
	}
	far := 0.0
	for _, c := range m.contrasts {
		value, variance := 0.0, 0.0
		for j, cell := range c.cells {
			value += c.weights[j] * g.sums[cell] / g.times[cell]
			variance += c.weights[j] * c.weights[j] / g.times[cell]
		}
		if value != 0 && !math.IsNaN(value) {
			far = max(far, value*value/variance)
		}
	}
	if far == 0 {
		return 0
	}
	return far * float64(m.df) / left
}
