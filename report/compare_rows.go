package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"lastack/bench/compare"
	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/report/document"
	"lastack/report/text"
)

func comparedRows(c *compare.Comparison) *section {
	s := begin(document.First, "METRICS", "")
	single := c.Result == compare.SpreadUnknown
	columns := []string{"", "A", "B", "change"}
	if !single {
		columns = append(columns, "|result", "95 % interval", "p", "n", "p, Holm", "from", "to")
	}
	t := s.table(document.First, append(columns, "difference")...)
	for i := range t.Columns {
		switch t.Columns[i].Name {
		case "p, Holm", "from", "to", "difference":
			t.Columns[i].Level = document.Data
		case "95 % interval":
			if !slices.ContainsFunc(c.Rows, func(r compare.Row) bool { return within(&r) != "" }) {
				t.Columns[i].Level = document.Data
			}
		case "n": // the note has that of most rows
			t.Columns[i].Level = document.Data
			for j := range c.Rows {
				r := &c.Rows[j]
				if level := levelOf(r, single); (r.A.N != c.A.Samples || r.B.N != c.B.Samples) && t.Columns[i].Level != document.First && level != document.Data {
					t.Columns[i].Level = level
				}
			}
		}
	}
	for _, first := range []bool{true, false} {
		for i := range c.Rows {
			if r := &c.Rows[i]; r.Primary == first {
				t.compared(r, single)
			}
		}
	}
	if !single {
		hold := "if nothing differed, the one metric tested would be called different in at most %g %% of tables"
		if n := c.Test.Primary.Metrics + c.Test.Secondary.Metrics; n != 1 {
			hold = fmt.Sprintf("better and worse are corrected for %d metrics (Holm): if nothing differed, any would be called different in at most %%g %%%% of tables", n)
		}
		s.say(document.First, fmt.Sprintf("medians of %s; ~ is noise; p and interval are of one row (exact U test); "+hold, samplesOf(c), 100*c.Test.Alpha))
		s.note("an interval has what the U test does not reject at 5 % (Hodges-Lehmann), of B as a part of A where A's median is above 0")
		if slices.ContainsFunc(c.Rows, func(r compare.Row) bool { return r.Result == compare.Undecided }) {
			s.say(document.First, "apart: every run of one side is above every run of the other, but there are too few to call that a difference among so many metrics")
		}
	}
	for i := range c.Rows {
		if r := &c.Rows[i]; r.Doubt != "" && r.Result != compare.Equal {
			s.say(levelIf(r.Primary), r.Metric+" may be higher than it says: "+r.Doubt)
		}
	}
	return s
}

// compared adds a metric's row.
func (t *table) compared(r *compare.Row, single bool) {
	cells := []document.Value{quantityOf(r, &r.A, r.A.Median), quantityOf(r, &r.B, r.B.Median), changed(r)}
	if !single {
		cells = append(cells, txt(resultWord(r)), txt(within(r)), probability(r, r.P), samples(r), probability(r, r.Corrected), part(r.RatioLo), part(r.RatioHi))
	}
	if r.Difference != nil {
		cells = append(cells, quantityOf(r, &r.A, *r.Difference))
	}
	line := t.row(r.Metric, cells...)
	line.Tone = toneOf(r.Result)
	line.Level, line.Main = levelOf(r, single), r.Primary
}

// levelOf says where a row is shown.
func levelOf(r *compare.Row, single bool) document.Level {
	switch {
	case r.Primary, decided(r), r.Result == compare.Undecided, single && r.Result == compare.Single && failure(r):
		return document.First
	case r.Result == compare.Equal, r.Result == compare.Absent:
		return document.Data
	}
	return document.Detail
}

// toneOf is the tone of a result of compare or of a sweep, which call what is better and worse the same (record.SweepBetter).
func toneOf(result string) document.Tone {
	switch result {
	case compare.Better:
		return document.Good
	case compare.Worse:
		return document.Bad
	}
	return 0
}

func decided(r *compare.Row) bool {
	return r.Result == compare.Better || r.Result == compare.Worse || r.Result == compare.Changed
}

// failure reports whether a row counts what should not happen.
func failure(r *compare.Row) bool {
	return r.Better == metric.Lower && r.Unit != metric.Micros
}

func samples(r *compare.Row) document.Value {
	if r.A.N == r.B.N {
		return count(r.A.N)
	}
	return txt(fmt.Sprintf("%d+%d", r.A.N, r.B.N))
}

func resultWord(r *compare.Row) string {
	switch r.Result {
	case compare.Noise:
		return "~"
	case compare.Equal:
		return "="
	case compare.Undecided:
		return "apart"
	case compare.Absent, compare.Single:
		return ""
	}
	return r.Result
}

func probability(r *compare.Row, p *float64) document.Value {
	if p == nil || r.Result == compare.Equal {
		return nil
	}
	return document.Chance(*p)
}

func part(v *float64) document.Value {
	if v == nil {
		return nil
	}
	return document.Change(*v)
}

// quantityOf is a value of a side's spread.
func quantityOf(r *compare.Row, s *compare.Spread, v float64) document.Value {
	if s.N == 0 {
		return document.Absent(r.Reason)
	}
	return inUnit(r.Unit, v)
}

// inUnit is a value of a metric.
func inUnit(unit metric.Unit, v float64) document.Value {
	switch unit {
	case metric.Micros:
		return document.Micros(v)
	case metric.PerSecond:
		return document.Rate(v)
	case metric.Share:
		return document.Share(v)
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return document.Count(int64(v))
	}
	return document.Number(v)
}

// changed is a row's difference, as a part of A where that is above 0.
func changed(r *compare.Row) document.Value {
	switch {
	case r.Ratio != nil:
		return document.Change(*r.Ratio)
	case r.Difference == nil:
		return nil
	case *r.Difference == 0:
		return document.Change(0)
	case r.Unit == metric.Share:
		return document.Points(*r.Difference)
	case r.Unit == metric.Micros:
		return document.Longer(*r.Difference)
	}
	return txt(signed(r.Unit, *r.Difference))
}

func difference(r *compare.Row) string { return text.Value(changed(r)) }

// within prints a row's interval. What has no bound is at least, or at most, the other.
func within(r *compare.Row) string {
	lo, hi, print := r.Lo, r.Hi, func(v float64) string { return signed(r.Unit, v) }
	if r.Ratio != nil {
		lo, hi, print = r.RatioLo, r.RatioHi, percent
	}
	switch {
	case r.Result == compare.Equal, lo == nil && hi == nil:
		return ""
	case hi == nil:
		return "[" + print(*lo) + ", ∞)"
	case lo == nil:
		return "(-∞, " + print(*hi) + "]"
	}
	return between(print(*lo), print(*hi))
}

// between prints an interval. The unit stands once, if both ends have the same.
func between(lo, hi string) string {
	return "[" + strings.TrimSuffix(lo, unitOf(hi)) + ", " + hi + "]"
}

// unitOf is the unit of a printed number, with the blank before it.
func unitOf(s string) string { return s[strings.LastIndexAny(s, "0123456789")+1:] }

func percent(v float64) string { return text.Value(document.Change(v)) }

// signed prints a difference.
func signed(unit metric.Unit, v float64) string {
	switch unit {
	case metric.Share:
		return text.Value(document.Points(v))
	case metric.Micros:
		if v == 0 {
			return "0"
		}
		return text.Value(document.Longer(v))
	}
	sign := "+"
	switch {
	case v < 0:
		sign, v = "-", -v
	case v == 0:
		return "0"
	}
	if unit == metric.PerSecond {
		return sign + quantity.PerSecond(v) + "/s"
	}
	if v == math.Trunc(v) && v < 1e15 {
		return sign + quantity.Count(int64(v))
	}
	return sign + strconv.FormatFloat(v, 'g', 4, 64)
}
