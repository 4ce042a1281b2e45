package report

import (
	"fmt"
	"math"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/report/document"
)

// pictures has a picture of each factor's levels, and a heat map of two factors, of the metric that the sweep is about.
func (v *sweepView) pictures() *section {
	if len(v.said.Metrics) == 0 {
		return nil
	}
	m := &v.said.Metrics[0]
	var all []*document.Picture
	for f := range v.sweep.Factors {
		all = append(all, v.response(m, f))
	}
	for a := range v.sweep.Factors {
		for b := a + 1; b < len(v.sweep.Factors); b++ {
			all = append(all, v.heat(m, a, b))
		}
	}
	return pictures(all...)
}

// response has what each level of a factor changes, with its interval. Differences that are no ratios have no common axis.
func (v *sweepView) response(m *record.SweepMetric, factor int) *document.Picture {
	f := &v.sweep.Factors[factor]
	if !m.Log || len(f.Levels) < 2 {
		return nil
	}
	p := &document.Picture{
		ID: fmt.Sprintf("p-factor-%d", factor+1), Title: "What " + shortName(f.Key) + " does to " + m.Metric, Form: document.Ranges,
		Desc: "The change by each level against " + f.Levels[0] + given(len(v.sweep.Factors) > 1, ", over all levels of the other factors") +
			", within its 95 % interval, on a logarithmic scale: half and double are equally far from 0. A filled dot is more than noise; an arrow goes on beyond the picture.",
		X: document.Axis{Name: shortName(f.Key)}, Y: document.Axis{Unit: document.Relative, Log: true},
	}
	change, from, to := []float64{0}, []float64{math.NaN()}, []float64{math.NaN()}
	p.Names, p.Remarks = []string{f.Levels[0]}, []document.Remark{{Words: "base"}}
	for i := range m.Effects {
		e := &m.Effects[i]
		if e.Of[0].Factor != factor || e.Difference == nil {
			continue
		}
		p.Names = append(p.Names, f.Levels[e.Of[0].Level])
		p.Remarks = append(p.Remarks, document.Remark{
			Words: join(" ", sweepChange(m, &e.SweepDifference), sweepWord(m, &e.SweepDifference)), Tone: toneOf(e.Result),
			Main: toneOf(e.Result) != 0 || e.Result == record.SweepChanged,
		})
		change, from, to = append(change, *e.Difference), append(from, bound(e.Lo)), append(to, bound(e.Hi))
	}
	if len(p.Names) < 2 {
		return nil
	}
	if n := len(f.Levels) - len(p.Names); n > 0 {
		p.Desc += " Not drawn, as without a value: " + number(n, "level", "levels") + "."
	}
	p.Curves = []document.Curve{
		{Name: "change", Unit: document.Relative, Points: change}, {Name: "from", Unit: document.Relative, Points: from}, {Name: "to", Unit: document.Relative, Points: to},
	}
	return p
}

// mostHeat is the most levels of a side of a heat map.
const mostHeat = 20

// heat has the medians of two factors' levels, with all others at their first.
func (v *sweepView) heat(m *record.SweepMetric, a, b int) *document.Picture {
	down, across := &v.sweep.Factors[a], &v.sweep.Factors[b]
	if len(down.Levels) < 2 || len(across.Levels) < 2 || len(down.Levels) > mostHeat || len(across.Levels) > mostHeat {
		return nil
	}
	unit := map[metric.Unit]document.Unit{metric.PerSecond: document.PerSecond, metric.Micros: document.Microseconds, metric.Share: document.Part}[metric.Unit(m.Unit)]
	p := &document.Picture{
		ID: fmt.Sprintf("p-heat-%d-%d", a+1, b+1), Title: m.Metric + " by " + shortName(down.Key) + " and " + shortName(across.Key), Form: document.Heat,
		Desc: "The median of each pair of levels; the darker, the higher.", Names: down.Levels,
		X: document.Axis{Name: shortName(down.Key)}, Y: document.Axis{Unit: unit, Name: shortName(across.Key), Log: m.Log},
	}
	if len(v.sweep.Factors) > 2 {
		p.Desc = "The median of each pair of levels, with the first of all other factors; the darker, the higher."
	}
	some := false
	for j, level := range across.Levels {
		c := document.Curve{Name: level, Unit: unit}
		for i := range down.Levels {
			at := v.at(a, i, b, j)
			if at < 0 || m.Levels[at].N == 0 {
				c.Points = append(c.Points, math.NaN())
				continue
			}
			c.Points = append(c.Points, m.Levels[at].Median)
			some = true
		}
		p.Curves = append(p.Curves, c)
	}
	if !some {
		return nil
	}
	return p
}

// at finds the cell with these levels of two factors and the first of all others, -1 if there is none.
func (v *sweepView) at(a, i, b, j int) int {
	for c := range v.sweep.Cells {
		is := true
		for f, level := range v.sweep.Cells[c].Levels {
			want := 0
			switch f {
			case a:
				want = i
			case b:
				want = j
			}
			is = is && level == v.sweep.Factors[f].Levels[want]
		}
		if is {
			return c
		}
	}
	return -1
}
