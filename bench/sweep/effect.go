package sweep

import (
	"slices"
	"strconv"
	"strings"

	"lastack/bench/record"
)

// grid finds the cells of combinations of levels.
type grid struct {
	factors []record.Factor
	// levels are the indices of each cell's levels.
	levels [][]int
	index  map[string]int
}

func newGrid(s *record.Sweep) *grid {
	g := &grid{factors: s.Factors, index: make(map[string]int)}
	for i := range s.Cells {
		at := make([]int, len(s.Factors))
		for f, level := range s.Cells[i].Levels {
			at[f] = slices.Index(s.Factors[f].Levels, level)
		}
		g.levels = append(g.levels, at)
		if key := keyOf(at); !g.has(key) {
			g.index[key] = i
		}
	}
	return g
}

func (g *grid) has(key string) bool { _, known := g.index[key]; return known }

func keyOf(levels []int) string {
	var b strings.Builder
	for _, l := range levels {
		b.WriteString(strconv.Itoa(l) + " ")
	}
	return b.String()
}

// with is the cell with the same levels but for some, -1 if the grid has none.
func (g *grid) with(cell int, of ...record.SweepFactorLevel) int {
	at := slices.Clone(g.levels[cell])
	for _, l := range of {
		at[l.Factor] = l.Level
	}
	if i, known := g.index[keyOf(at)]; known {
		return i
	}
	return -1
}

// cell is the contrast of a cell to the base.
func (g *grid) cell(i int) contrast { return contrast{[]int{0, i}, []float64{-1, 1}} }

// effect is the contrast of a level of one factor to the factor's first, averaged over all combinations of the others of which both cells
// are known. Of two levels it is their interaction: what both together do beyond what each does by itself. It is empty if no combination has
// all cells.
func (g *grid) effect(of []record.SweepFactorLevel, known []bool) contrast {
	weights := make(map[int]float64)
	n := 0.0
	for cell := range g.levels {
		if !slices.ContainsFunc(of, func(l record.SweepFactorLevel) bool { return g.levels[cell][l.Factor] != l.Level }) {
			// Each subset of the levels set back to the first; the sign changes with each.
			corners, whole := make(map[int]float64), true
			for set := range 1 << len(of) {
				sign := 1.0
				var back []record.SweepFactorLevel
				for i, l := range of {
					if set>>i&1 == 1 {
						sign, back = -sign, append(back, record.SweepFactorLevel{Factor: l.Factor})
					}
				}
				corner := g.with(cell, back...)
				whole = whole && corner >= 0 && known[corner]
				corners[corner] += sign
			}
			if whole {
				n++
				for c, w := range corners {
					weights[c] += w
				}
			}
		}
	}
	var c contrast
	for cell := range g.levels {
		if w := weights[cell]; w != 0 {
			c.cells, c.weights = append(c.cells, cell), append(c.weights, w/n)
		}
	}
	return c
}

// effects lists the levels of single factors, pairs those of two together, none of them the first.
func (g *grid) effects() (singles, pairs [][]record.SweepFactorLevel) {
	for f := range g.factors {
		for l := 1; l < len(g.factors[f].Levels); l++ {
			singles = append(singles, []record.SweepFactorLevel{{Factor: f, Level: l}})
		}
	}
	for i, a := range singles {
		for _, b := range singles[i+1:] {
			if a[0].Factor != b[0].Factor {
				pairs = append(pairs, []record.SweepFactorLevel{a[0], b[0]})
			}
		}
	}
	return singles, pairs
}
