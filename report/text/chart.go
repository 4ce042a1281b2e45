package text

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"lastack/bench/quantity"
	"lastack/report/document"
)

const (
	// sparkWidth is the most columns that a sparkline takes.
	sparkWidth = 48
	// seriesWidth is the width of a series' name.
	seriesWidth = 19
	// phasesNamed is the most phases that a legend names.
	phasesNamed = 8
)

// chart draws a row for each series, scaled to its own peak.
func (w *writer) chart(c *document.Chart) {
	w.events(c.Events)
	var shown []*document.Series
	widest := 0
	for i := range c.Series {
		if s := &c.Series[i]; w.shows(s.Level) {
			shown = append(shown, s)
			widest = max(widest, len(SeriesWords(s)))
		}
	}
	if len(c.Times) == 0 || len(shown) == 0 {
		return
	}
	columns := max(8, min(sparkWidth, w.width-indent-seriesWidth-4-widest))
	w.hang("  ", chartWords(c, columns), nil)
	row := func(name, drawn, aside string) {
		w.raw(cut("  "+pad(cut(name, seriesWidth), seriesWidth)+"  "+drawn+"  "+aside, w.width))
	}
	if phases, legend := phaseRow(c.Phases, columns); phases != "" {
		row("phase", phases, legend)
	}
	if marks := zeroRow(c.Times, columns); marks != "" && c.Zero != "" {
		row("", marks, "^ "+c.Zero)
	}
	for _, s := range shown {
		row(Clean(strings.TrimSpace(s.Side+" "+s.Name)), Spark(s.Points, columns), SeriesWords(s))
	}
}

// events lists events, their times aligned.
func (w *writer) events(all []document.Event) {
	var shown []document.Event
	others := 0
	for _, e := range all {
		if w.shows(e.Level) {
			shown = append(shown, e)
			if !e.Main {
				others++
			}
		}
	}
	left := len(shown) - fits(len(shown), w.limits.events)
	if left = min(left, others); left == 1 {
		left = 0 // a line that says so is no shorter
	}
	for i, drop := len(shown)-1, left; drop > 0; i-- {
		if !shown[i].Main {
			shown = slices.Delete(shown, i, i+1)
			drop--
		}
	}
	var before, behind int
	for _, e := range shown {
		number, unit, _ := Parts(document.Since(e.At))
		before, behind = max(before, utf8.RuneCountInString(number)), max(behind, utf8.RuneCountInString(unit))
	}
	for _, e := range shown {
		number, unit, _ := Parts(document.Since(e.At))
		w.hang("  "+padLeft(padLeft(number, before)+pad(unit, behind), 9)+"  ", e.What, nil)
	}
	if left > 0 {
		w.hang("  "+pad("", 10)+" ", fmt.Sprintf("and %d more (-v)", left), nil)
	}
}

// SeriesWords sums a series up.
func SeriesWords(s *document.Series) string {
	top, sum := 0.0, 0.0
	for _, v := range s.Points {
		if !math.IsNaN(v) {
			top, sum = max(top, v), sum+v
		}
	}
	if top <= 0 {
		return "none"
	}
	out := "peak " + amount(s.Kind, top)
	switch s.Kind {
	case document.Gauge:
		// Without a value at the end, it is the last one known.
		known := slices.DeleteFunc(slices.Clone(s.Points), math.IsNaN)
		word := ", end "
		if math.IsNaN(s.Points[len(s.Points)-1]) {
			word = ", last seen "
		}
		out += word + amount(s.Kind, max(0, known[len(known)-1]))
	case document.Growth:
		out += ", " + amount(s.Kind, sum) + " in all"
	}
	return out
}

// chartWords explains a chart's columns.
func chartWords(c *document.Chart, columns int) string {
	scale := "; each row is scaled to its own peak, a dot is 0"
	if slices.ContainsFunc(c.Series, func(s document.Series) bool { return slices.ContainsFunc(s.Points, math.IsNaN) }) {
		scale += ", a gap no value"
	}
	n := len(c.Times)
	first, last := c.Times[0], c.Times[n-1]
	if c.Step > 0 {
		return fmt.Sprintf("from %s to %s, %s%s", around(first), around(last+c.Step), columnWords(n, c.Step, columns), scale)
	}
	gathered := ""
	if stretch(n, columns) == 0 {
		gathered = fmt.Sprintf(", about %.1f a column, of which the largest is drawn", float64(n)/float64(columns))
	}
	return fmt.Sprintf("%s to %s, %d samples%s%s", quantity.Clock(first), quantity.Clock(last), n, gathered, scale)
}

// columnWords explains the columns of a sparkline of n points, one every each seconds.
func columnWords(n int, each float64, columns int) string {
	switch k := stretch(n, columns); k {
	case 0:
		return fmt.Sprintf("a column is about %.2f s, of which the fullest %.1f s is drawn", float64(n)*each/float64(columns), each)
	case 1:
		return fmt.Sprintf("a column is %.1f s", each)
	default:
		return fmt.Sprintf("%d columns are %.1f s", k, each)
	}
}

// around is a point in time before or after an event, with three digits.
func around(s float64) string {
	switch {
	case s < 0:
		return "-" + quantity.Seconds(-s)
	case s > 0:
		return "+" + quantity.Seconds(s)
	}
	return "0 s"
}

// phaseRow draws each column's phase as a letter, with a legend. Both are empty if there is only one phase.
func phaseRow(phases []string, columns int) (row, legend string) {
	letters := make([]rune, len(phases))
	var seen []string
	known := make(map[string]bool)
	for i, p := range phases {
		letters[i] = '?'
		if p == "" {
			continue
		}
		letters[i], _ = utf8.DecodeRuneInString(Clean(p))
		if !known[p] {
			known[p] = true
			seen = append(seen, Clean(p))
		}
	}
	if len(seen) < 2 {
		return "", ""
	}
	legend = strings.Join(seen[:min(len(seen), phasesNamed)], ", ")
	if more := len(seen) - phasesNamed; more > 0 {
		legend += fmt.Sprintf(" and %d more", more)
	}
	return string(resample(letters, columns, func(a, _ rune) rune { return a })), legend
}

// zeroRow marks the point of time 0. It is empty if no point is before that.
func zeroRow(times []float64, columns int) string {
	if times[0] >= 0 {
		return ""
	}
	marks := make([]bool, len(times))
	for i := range times {
		marks[i] = times[i] <= 0 && (i+1 == len(times) || times[i+1] > 0)
	}
	drawn := resample(marks, columns, func(a, b bool) bool { return a || b })
	row := []rune(strings.Repeat(" ", len(drawn)))
	if i := slices.Index(drawn, true); i >= 0 {
		row[i] = '^'
	}
	return string(row)
}

// stretch is the number of columns for each of n points, 0 if several points share a column.
func stretch(n, columns int) int {
	if n == 0 {
		return 0
	}
	return min(columns/n, 4)
}

// Spark draws values as blocks, scaled to the largest. A dot is 0, a gap is NaN. If points share a column, it draws the largest of them: a peak
// must not vanish.
func Spark(values []float64, columns int) string {
	top := 0.0
	for _, v := range values {
		top = larger(top, v)
	}
	blocks := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, v := range resample(values, columns, larger) {
		r := '·'
		switch {
		case math.IsNaN(v):
			r = ' '
		case v > 0 && top > 0:
			// v/top is in (0, 1]; only the top gets the last block, apart from rounding.
			r = blocks[max(0, min(len(blocks)-1, int(v/top*float64(len(blocks))+0.5)-1))]
		}
		b.WriteRune(r)
	}
	return b.String()
}

// larger is the larger of two numbers, or the one that there is.
func larger(a, b float64) float64 {
	if math.IsNaN(a) || b > a {
		return b
	}
	return a
}

// resample spreads or gathers values over at most that many columns.
func resample[T any](values []T, columns int, gather func(a, b T) T) []T {
	var out []T
	if k := stretch(len(values), columns); k > 0 {
		for _, v := range values {
			for range k {
				out = append(out, v)
			}
		}
		return out
	}
	for i := range columns {
		lo, hi := i*len(values)/columns, (i+1)*len(values)/columns
		if lo >= hi {
			continue
		}
		v := values[lo]
		for _, w := range values[lo+1 : hi] {
			v = gather(v, w)
		}
		out = append(out, v)
	}
	return out
}
