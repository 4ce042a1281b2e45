package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sweep"
	"lastack/report/document"
	"lastack/report/text"
)

// cellsID is the section of the cells of the metric that a sweep is about.
const cellsID = "cells"

// metric has the tables of a metric: the one that the sweep is about in two sections, each other in one.
func (v *sweepView) metric(i int) []*section {
	m := &v.said.Metrics[i]
	lead := given(m.Spread != nil, "runs of one cell in a block spread by "+v.spread(m))
	if i > 0 {
		s := begin(document.Detail, m.Metric, lead)
		s.ID = fmt.Sprintf("metric_%d", i+1)
		v.cells(s, m)
		if len(v.sweep.Factors) > 1 && len(m.Effects) > 0 {
			v.effects(s, m).ID = "effects"
		}
		v.slopes(s, m, document.Detail)
		return []*section{s}
	}
	cells := begin(document.First, "CELLS", join("; ", m.Metric, lead))
	v.cells(cells, m)
	cells.say(document.First, fmt.Sprintf("change: against the first row, inside blocks; ~ is noise; better and worse are corrected for the whole sweep (Holm): if nothing differed, any would be called different in at most %g %% of sweeps",
		100*v.said.Alpha))
	if len(m.Effects) == 0 {
		return []*section{cells}
	}
	effects := begin(levelIf(len(v.sweep.Factors) > 1), "EFFECTS", "of a level against the factor's first"+
		given(len(v.sweep.Factors) > 1, ", over all levels of the others; a pair: what both do beyond what each does by itself"))
	v.effects(effects, m)
	v.slopes(effects, m, effects.Level)
	return []*section{cells, effects}
}

// cells adds the table of a metric's cells.
func (v *sweepView) cells(s *section, m *record.SweepMetric) {
	var columns []string
	for _, f := range v.sweep.Factors {
		columns = append(columns, shortName(f.Key))
	}
	if len(columns) == 0 {
		columns = []string{""}
	}
	t := s.table(document.First, append(columns, "median", "95 % interval", "change", "|result", "~limited by", "+runs", "+change within", "p, Holm", "difference", "from", "to", "median from", "median to")...)
	for c := range t.Columns {
		switch t.Columns[c].Name {
		case "p, Holm", "difference", "from", "to", "median from", "median to":
			t.Columns[c].Level = document.Data
		}
	}
	for c := range v.sweep.Cells {
		var row document.Row
		for _, l := range v.sweep.Cells[c].Levels {
			row.Cells = append(row.Cells, document.Text(l))
		}
		if len(row.Cells) == 0 {
			row.Cells = append(row.Cells, document.Text("base"))
		}
		row.Level, row.Main, row.Tone = document.First, c == 0 || toneOf(m.Cells[c].Result) != 0, toneOf(m.Cells[c].Result)
		row.Cells = append(row.Cells, v.cellValues(m, c)...)
		t.Rows = append(t.Rows, row)
	}
	if m.Twin != nil {
		s.say(levelIf(m.Twin.Result == record.SweepChanged), "the first cell ran twice in a block: "+join(" ", sweepChange(m, m.Twin), sweepWithin(m, m.Twin))+" apart"+
			map[string]string{record.SweepNoise: ", as chance has it", record.SweepChanged: ", more than chance has it: ? is what nobody can tell"}[m.Twin.Result])
	}
	if v.sweep.Find != "" {
		s.note("the interval of a rate found is at least what its search left open")
	}
	for c := range m.Levels {
		if l := &m.Levels[c]; l.Lo != nil && l.Confidence > 0 && l.Confidence < 0.95 {
			s.note(fmt.Sprintf("with %s the interval of a median is their range, which holds it with a confidence of %.3g %%", number(l.N, "run", "runs"), 100*l.Confidence))
			break
		}
	}
}

func (v *sweepView) spread(m *record.SweepMetric) string {
	switch {
	case m.Spread == nil:
		return ""
	case m.Log:
		return strings.TrimPrefix(percent(*m.Spread), "+")
	}
	return strings.TrimPrefix(signed(metric.Unit(m.Unit), *m.Spread), "+")
}

// cellValues are a row's cells after the levels.
func (v *sweepView) cellValues(m *record.SweepMetric, c int) []document.Value {
	l, d := &m.Levels[c], &m.Cells[c]
	unit := metric.Unit(m.Unit)
	if l.N == 0 {
		return []document.Value{nil, nil, nil, nil, txt(v.missing(c)), count(0)}
	}
	optional := func(p *float64, value func(float64) document.Value) document.Value {
		if p == nil {
			return nil
		}
		return value(*p)
	}
	inUnit := func(p float64) document.Value { return inUnit(unit, p) }
	difference := inUnit
	if m.Log {
		difference = func(p float64) document.Value { return document.Change(p) }
	}
	limit := ""
	if c < len(v.said.Cells) {
		o := &v.said.Cells[c]
		limit = o.LimitedBy
		if n := o.Limits[limit]; n < o.Runs {
			limit += fmt.Sprintf(" (%d of %d)", n, o.Runs)
		}
	}
	interval := ""
	if l.Lo != nil && l.Hi != nil && *l.Lo < *l.Hi {
		interval = between(text.Value(inUnit(*l.Lo)), text.Value(inUnit(*l.Hi)))
	}
	return []document.Value{
		inUnit(l.Median), txt(interval), txt(sweepChange(m, d)), txt(sweepWord(m, d)), txt(limit), count(l.N), txt(sweepWithin(m, d)),
		optional(d.Corrected, func(p float64) document.Value { return document.Chance(p) }),
		optional(d.Difference, difference), optional(d.Lo, difference), optional(d.Hi, difference), optional(l.Lo, inUnit), optional(l.Hi, inUnit),
	}
}

// missing says why a cell has no value.
func (v *sweepView) missing(c int) string {
	if why := v.sweep.Cells[c].Refused; why != "" {
		return "refused: " + why
	}
	for i := range v.sweep.Runs {
		if r := &v.sweep.Runs[i]; r.Cell == c && r.Error != "" {
			return "failed: " + r.Error
		}
	}
	return "it did not run"
}

// effects adds the table of a metric's effects: of factors, then of pairs of them.
func (v *sweepView) effects(s *section, m *record.SweepMetric) *table {
	t := s.table(document.First, "", "change", "95 % interval", "|result", "+p", "p, Holm", "difference", "from", "to")
	for c := range t.Columns {
		switch t.Columns[c].Name {
		case "p, Holm", "difference", "from", "to":
			t.Columns[c].Level = document.Data
		}
	}
	for k, list := range [][]record.SweepEffect{m.Effects, m.Pairs} {
		for j := range list {
			d := &list[j].SweepDifference
			cells := []document.Value{txt(sweepChange(m, d)), txt(sweepWithin(m, d)), txt(sweepWord(m, d)), nil, nil, nil, nil, nil}
			if d.P != nil {
				cells[3] = document.Chance(*d.P)
			}
			if d.Corrected != nil {
				cells[4] = document.Chance(*d.Corrected)
			}
			for at, p := range []*float64{d.Difference, d.Lo, d.Hi} {
				switch {
				case p == nil:
				case m.Log:
					cells[5+at] = document.Change(*p)
				default:
					cells[5+at] = inUnit(metric.Unit(m.Unit), *p)
				}
			}
			row := t.row(v.levels(list[j].Of), cells...)
			row.Tone, row.Main = toneOf(d.Result), k == 0
			// A pair that does nothing more is no news.
			row.Level = levelIf(k == 0 || toneOf(d.Result) != 0 || d.Result == record.SweepChanged)
		}
	}
	return t
}

// slopes says how the metric changes with each factor whose levels are numbers.
func (v *sweepView) slopes(s *section, m *record.SweepMetric, level document.Level) {
	for i := range m.Slopes {
		l := &m.Slopes[i]
		f := &v.sweep.Factors[l.Factor]
		step, per := slopeStep(f)
		unit := metric.Unit(m.Unit)
		within := ""
		if l.Lo != nil && l.Hi != nil {
			within = " [" + signed(unit, *l.Lo*step) + ", " + signed(unit, *l.Hi*step) + "]"
		}
		s.say(level, fmt.Sprintf("slope: %s%s for %s more of %s; %.2f of what it would be in proportion; no level is farther than %s from the line",
			signed(unit, l.Slope*step), within, per, shortName(f.Key), l.Proportion, quantity.Share(l.Off, 1)))
	}
}

// slopeStep is the power of ten next below the span of a factor's levels, for which a slope is shown, and that in words.
func slopeStep(f *record.Factor) (step float64, words string) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, l := range f.Levels {
		n, _ := sweep.Number(f.Key, l) // a slope has numbers
		lo, hi = min(lo, n), max(hi, n)
	}
	if step = 1; hi > lo {
		step = math.Pow(10, math.Floor(math.Log10(hi-lo)))
	}
	if step < 1 {
		return step, fmt.Sprintf("each %g", step)
	}
	return step, "each " + quantity.Count(int64(step))
}

// limits lists what limited the runs of each cell, if not one thing all.
func (v *sweepView) limits() *section {
	s := begin(document.Detail, "LIMITS", "")
	t := s.table(document.Detail, "", "runs", "failed", "not valid", "~limited by")
	for c := range v.said.Cells {
		o := &v.said.Cells[c]
		var all []string
		for _, name := range slices.Sorted(maps.Keys(o.Limits)) {
			all = append(all, name+given(len(o.Limits) > 1, fmt.Sprintf(" (%d)", o.Limits[name])))
		}
		t.row(v.cell(c), count(o.Runs), count(o.Failed), count(o.NotValid), txt(strings.Join(all, ", ")))
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return s
}

// searches lists the loads of searches for a rate.
func (v *sweepView) searches() *section {
	s := begin(document.Detail, "SEARCHES", "the loads by which each rate was found"+given(v.sweep.Scale > 0 && v.sweep.Scale < 1, ", at the scaled rates"))
	t := s.table(document.Detail, "", "block", "offered", "completed", "took", "failed", "|result", "~why not")
	for _, r := range slices.Concat(v.sweep.Runs, v.sweep.Unfinished) {
		if r.Found == nil {
			continue
		}
		for _, f := range r.Found.Tries {
			t.row(v.cell(r.Cell), count(r.Block+1), document.Rate(f.OfferedPerS), document.Rate(f.CompletedPerS), seconds(f.ElapsedS), count(f.Failed),
				txt(given(f.Sustained, "sustained")), txt(join(", ", given(!f.Sustained, f.LimitedBy), f.Reason)))
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return s
}

// runs lists every run.
func (v *sweepView) runs() *section {
	s := begin(document.Detail, "RUNS", "in the order of their ends")
	columns := []string{"", "block", "position", "took"}
	for i := range v.said.Metrics {
		columns = append(columns, v.said.Metrics[i].Metric)
	}
	t := s.table(document.Detail, append(columns, "~limited by")...)
	for i := range v.sweep.Runs {
		r := &v.sweep.Runs[i]
		cells := []document.Value{count(r.Block + 1), count(r.Position + 1), seconds(r.ElapsedS)}
		for j := range v.said.Metrics {
			m := &v.said.Metrics[j]
			cells = append(cells, runValue(r, m))
		}
		end := join(", ", given(r.Error != "", "failed: "+r.Error), given(r.Error == "", r.LimitedBy), given(r.Error == "" && !r.Valid, "not valid"))
		t.row(v.cell(r.Cell)+given(r.Twin, " (again)"), append(cells, txt(end))...)
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return s
}

func runValue(r *record.SweepRun, m *record.SweepMetric) document.Value {
	value, known := r.Values[m.Metric]
	if r.Found != nil && r.Error == "" {
		if _, of := r.Values[m.Metric]; !of {
			value, known = r.Found.PerS, true
		}
	}
	if !known {
		return nil
	}
	return inUnit(metric.Unit(m.Unit), value)
}
