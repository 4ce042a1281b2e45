package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"lastack/bench/compare"
	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/report/document"
)

// comparedPictures draws what differs, then both sides over each other.
func comparedPictures(c *compare.Comparison) *section {
	all := []*document.Picture{changesPicture(c)}
	for _, whole := range []bool{true, false} {
		for i := range c.Shifts {
			if (c.Shifts[i].Latency == "lifecycle") == whole {
				all = append(all, shiftPicture(&c.Shifts[i]))
			}
		}
	}
	if t := c.Timeline; t != nil {
		for i := range t.A {
			all = append(all, overlaid(t, i))
		}
	}
	return pictures(all...)
}

// changesPicture has a range for each row that has a ratio and is primary or differs.
func changesPicture(c *compare.Comparison) *document.Picture {
	p := &document.Picture{
		ID: "p-changes", Title: "Changes from A to B", Form: document.Ranges,
		Desc: "The change of each metric's median, within its 95 % interval, on a logarithmic scale: half and double are equally far from 0. A filled dot is more than noise; an arrow goes on beyond the picture.",
		X:    document.Axis{Name: "metric"}, Y: document.Axis{Unit: document.Relative, Log: true},
	}
	const mostOthers = 10
	var change, from, to []float64
	var undrawn []string
	others := 0
	left := make(map[string]int) // out, by why
	for _, first := range []bool{true, false} {
		for i := range c.Rows {
			r := &c.Rows[i]
			differs := decided(r) || r.Result == compare.Undecided
			switch {
			case r.Primary != first:
				continue
			case r.Result == compare.Equal:
				left["equal on both sides"]++
				continue
			case r.Difference == nil:
				left["of one side only"]++
				continue
			case r.Ratio == nil && decided(r):
				undrawn = append(undrawn, r.Metric+" "+difference(r))
				continue
			case r.Ratio == nil:
				left["without a percentage, as A's median is 0"]++
				continue
			case r.Primary:
			case !differs && r.Result == compare.Single:
				left["other than the primary metrics"]++
				continue
			case !differs:
				left["of noise"]++
				continue
			case others == mostOthers:
				left[fmt.Sprintf("beyond the first %d that differ", mostOthers)]++
				continue
			default:
				others++
			}
			p.Names = append(p.Names, r.Metric)
			p.Remarks = append(p.Remarks, document.Remark{Words: join(" ", difference(r), resultWord(r)), Tone: toneOf(r.Result), Main: decided(r)})
			change, from, to = append(change, *r.Ratio), append(from, bound(r.RatioLo)), append(to, bound(r.RatioHi))
		}
	}
	if len(p.Names) == 0 {
		return nil
	}
	p.Curves = []document.Curve{{Name: "change", Unit: document.Relative, Points: change}}
	if !slices.ContainsFunc(slices.Concat(from, to), func(v float64) bool { return !math.IsNaN(v) }) {
		p.Desc = "The change of each metric's median, on a logarithmic scale: half and double are equally far from 0." + leftOut(left, undrawn)
		return p
	}
	p.Desc += leftOut(left, undrawn)
	p.Curves = append(p.Curves, document.Curve{Name: "from", Unit: document.Relative, Points: from}, document.Curve{Name: "to", Unit: document.Relative, Points: to})
	return p
}

// leftOut says which rows of the table a picture does not have: how many of each kind, and by name those that differ.
func leftOut(left map[string]int, undrawn []string) string {
	var parts []string
	sum := 0
	for _, why := range keys(left) {
		parts = append(parts, fmt.Sprintf("%d %s", left[why], why))
		sum += left[why]
	}
	said := ""
	if sum > 0 {
		said = " Not drawn, but in the table: " + strings.Join(parts, ", ") + "."
	}
	if len(undrawn) > 0 {
		said += " From 0 there is no percentage, so not drawn are: " + strings.Join(undrawn, ", ") + "."
	}
	return said
}

// bound is NaN if there is none.
func bound(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// The sides have the same colours in all pictures.
const hueA, hueB = 1, 2

// shiftPicture has the percentiles of a latency. The load's own lag is no latency of the server's.
func shiftPicture(s *compare.Shift) *document.Picture {
	a, errA := s.A.Histogram()
	b, errB := s.B.Histogram()
	if s.Latency == "lag" || errA != nil || errB != nil || a == nil || b == nil {
		return nil
	}
	p := &document.Picture{
		ID: "p-" + s.Latency, Title: "Latency by percentile: " + s.Latency, Desc: "The time within which each share was done, of all samples of a side together, on logarithmic scales.",
		X: document.Axis{Unit: document.Percentile, Name: "percentile", Log: true}, Y: document.Axis{Unit: document.Microseconds, Log: true},
		At: percentilesOf(min(a.TotalCount(), b.TotalCount())),
	}
	for _, side := range []document.Curve{{Name: "A", Hue: hueA}, {Name: "B", Hue: hueB}} {
		h := a
		if side.Hue == hueB {
			h = b
		}
		side.Unit = document.Microseconds
		for _, at := range p.At {
			side.Points = append(side.Points, float64(record.Percentile(h, at))/1e3)
		}
		p.Curves = append(p.Curves, side)
	}
	return p
}

// withPoints leaves out the times at which no curve has a point: what a census counts goes from one to the next.
func withPoints(p *document.Picture) *document.Picture {
	kept := *p
	kept.At, kept.Curves = nil, slices.Clone(p.Curves)
	for i := range kept.Curves {
		kept.Curves[i].Points = nil
	}
	for j, at := range p.At {
		if !slices.ContainsFunc(p.Curves, func(c document.Curve) bool { return !math.IsNaN(c.Points[j]) }) {
			continue
		}
		kept.At = append(kept.At, at)
		for i := range kept.Curves {
			kept.Curves[i].Points = append(kept.Curves[i].Points, p.Curves[i].Points[j])
		}
	}
	return &kept
}

// overlaid has a metric over time, unless it is 0 throughout.
func overlaid(t *compare.Timeline, i int) *document.Picture {
	unit := map[metric.Unit]document.Unit{metric.PerSecond: document.PerSecond, metric.Micros: document.Microseconds}[t.A[i].Unit]
	p := &document.Picture{
		ID: fmt.Sprintf("p-time-%d", i+1), Title: "Over time: " + t.A[i].Metric, Desc: "The median of each interval over the records of a side.",
		X: document.Axis{Unit: document.Seconds, Name: "t"}, Y: document.Axis{Unit: unit, Log: unit == document.Microseconds}, At: t.TS,
	}
	a, b := gaps(t.A[i].Points), gaps(t.B[i].Points)
	if !slices.ContainsFunc(slices.Concat(a, b), func(v float64) bool { return v > 0 && !math.IsInf(v, 0) }) {
		return nil
	}
	p.Curves = []document.Curve{{Name: "A", Unit: unit, Hue: hueA, Points: a}, {Name: "B", Unit: unit, Hue: hueB, Points: b}}
	if unit != document.Microseconds {
		return withPoints(p)
	}
	return p
}
