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
)

// rowsShown is the most rows on a first page besides those of the primary metrics.
const rowsShown = 10

func comparedRows(c *compare.Comparison) *section {
	s := begin(document.First, "METRICS", "")
	single := c.Result == compare.SpreadUnknown
	columns := []string{"", "A", "B", "change"}
	if !single {
		columns = append(columns, "", "95% interval", "p", "p, Holm", "n")
		s.Lead = "medians of " + samplesOf(c) + "; ~ is noise"
	}
	t := s.table(document.First, columns...)
	if !single {
		// What a first page has no room for: who wants the corrected p has it in a file, and the samples are those of the lead.
		t.Columns[7].Level = document.Data
		if !slices.ContainsFunc(c.Rows, func(r compare.Row) bool {
			return r.A.N > 0 && r.A.N != c.A.Samples || r.B.N > 0 && r.B.N != c.B.Samples
		}) {
			t.Columns[8].Level = document.Data
		}
	}
	more := 0
	for _, first := range []bool{true, false} {
		for i := range c.Rows {
			if r := &c.Rows[i]; r.Primary == first {
				more += t.compared(r, single, more < rowsShown)
			}
		}
	}
	if n := more - rowsShown; n > 0 {
		s.say(document.First, number(n, "more metric differs", "more metrics differ")+": -v")
	}
	if !single {
		s.say(document.First, fmt.Sprintf("p and interval are of one row (exact U test); better and worse hold for all %d metrics at once (Holm): the chance that any of them is noise is at most %g%%",
			c.Test.Primary.Metrics+c.Test.Secondary.Metrics, 100*c.Test.Alpha))
		s.note("an interval has what the U test does not reject at 5% (Hodges-Lehmann), of B as a part of A where A's median is above 0")
		s.note("apart: every run of one side is above every run of the other, but there are too few to call that a difference among so many metrics")
	}
	for i := range c.Rows {
		if r := &c.Rows[i]; r.Doubt != "" && r.Result != compare.Equal {
			s.say(levelIf(r.Primary), r.Metric+" may be higher than it says: "+r.Doubt)
		}
	}
	return s
}

// compared adds a metric's row. room says whether the first page has room for one that is not primary; more is 1 if it belongs there.
func (t *table) compared(r *compare.Row, single, room bool) (more int) {
	cells := []document.Value{quantityOf(r, &r.A, r.A.Median), quantityOf(r, &r.B, r.B.Median), txt(difference(r))}
	if !single {
		cells = append(cells, txt(resultWord(r)), txt(within(r)), probability(r, r.P), probability(r, r.Corrected), txt(samples(r)))
	}
	line := t.row(r.Metric, cells...)
	switch r.Result {
	case compare.Better:
		line.Tone = document.Good
	case compare.Worse:
		line.Tone = document.Bad
	case compare.Equal, compare.Absent:
		line.Level = document.Data
	}
	switch {
	case r.Primary:
		line.Level = document.First
	case decided(r) || r.Result == compare.Undecided || single && r.Result == compare.Single && failure(r):
		line.Level = levelIf(room)
		return 1
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

func samples(r *compare.Row) string {
	if r.A.N == r.B.N {
		return strconv.Itoa(r.A.N)
	}
	return fmt.Sprintf("%d+%d", r.A.N, r.B.N)
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
	if *p < 0.001 {
		return document.Text("<0.001")
	}
	return document.Text(strconv.FormatFloat(*p, 'f', 3, 64))
}

// quantityOf is a value of a side's spread.
func quantityOf(r *compare.Row, s *compare.Spread, v float64) document.Value {
	if s.N == 0 {
		return document.Absent(r.Reason)
	}
	switch r.Unit {
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

// difference prints a row's difference, in percent where A has a value to take it of.
func difference(r *compare.Row) string {
	switch {
	case r.Difference == nil:
		return ""
	case r.Ratio != nil:
		return percent(*r.Ratio)
	}
	return signed(r.Unit, *r.Difference)
}

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
	return "[" + print(*lo) + ", " + print(*hi) + "]"
}

// percent prints a share with its sign and three digits.
func percent(v float64) string {
	v *= 100
	digits := 2
	switch a := math.Abs(v); {
	case a >= 1000:
		unit := math.Pow(10, math.Floor(math.Log10(a))-2)
		return "+" + quantity.Count(int64(min(math.Round(v/unit)*unit, 1e18))) + "%"
	case a >= 100:
		digits = 0
	case a >= 10:
		digits = 1
	}
	s := fmt.Sprintf("%+.*f%%", digits, v)
	if strings.Trim(s, "+-0.%") == "" {
		return "0%"
	}
	return s
}

func signed(unit metric.Unit, v float64) string {
	sign := "+"
	switch {
	case v < 0:
		sign, v = "-", -v
	case v == 0:
		return "0"
	}
	switch unit {
	case metric.Micros:
		return sign + quantity.Micros(v)
	case metric.PerSecond:
		return sign + quantity.PerSecond(v) + "/s"
	case metric.Share:
		return sign + quantity.Share(v, 1)
	}
	if v == math.Trunc(v) && v < 1e15 {
		return sign + quantity.Count(int64(v))
	}
	return sign + strconv.FormatFloat(v, 'g', 4, 64)
}
