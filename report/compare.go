package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"lastack/bench/compare"
	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// RenderComparison writes a comparison to w, in one of ComparisonFormats. Nothing is written unless all could be rendered.
func RenderComparison(w io.Writer, v View, c *compare.Comparison) error {
	var b bytes.Buffer
	i := slices.IndexFunc(formats(), func(f format) bool { return f.name == v.Format && f.compares() })
	var err error
	switch {
	case i < 0:
		err = fmt.Errorf("unknown format %q, accepted are %s", v.Format, strings.Join(ComparisonFormats(), ", "))
	case v.Format == JSON:
		err = writeComparison(&b, c)
	default:
		err = formats()[i].print(&b, []*document.Document{comparisonDocument(c)}, v)
	}
	if err == nil {
		_, err = w.Write(b.Bytes())
	}
	return err
}

func writeComparison(w io.Writer, c *compare.Comparison) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(c); err != nil {
		return fmt.Errorf("encode the comparison: %w", err)
	}
	_, err := w.Write(quantity.EscapeJSON(b.Bytes()))
	return err
}

// ComparisonFormats lists the formats of a comparison, the default one first.
func ComparisonFormats() []string {
	var names []string
	for _, f := range formats() {
		if f.compares() {
			names = append(names, f.name)
		}
	}
	return names
}

// compares reports whether f shows comparisons: they have no intervals or histograms of a load, and JSON is their own.
func (f *format) compares() bool { return f.name == JSON || f.print != nil && !f.histograms }

// comparisonDocument is the report of a comparison: what came of it, why, and then the numbers.
func comparisonDocument(c *compare.Comparison) *document.Document {
	kind := c.Kind
	if kind == "" {
		kind = "records"
	}
	title := join(" ", "lastack", c.Version, "compare")
	asked := fmt.Sprintf("A, %s, with B, %s", sideWords(&c.A, kind), sideWords(&c.B, kind))
	return build(title, asked, nil, comparedSides(c), compared(c), why(c), thresholds(c.Thresholds), comparedRows(c), shiftSection(c), comparedTimeline(c))
}

func sideWords(s *compare.Side, kind string) string {
	words := number(s.Records, kind, kind+"s")
	if kind == "records" {
		words = number(s.Records, "record", "records")
	}
	if s.Samples != s.Records {
		words += " of " + number(s.Samples, "try", "tries") + " in all"
	}
	return words
}

func comparedSides(c *compare.Comparison) *section {
	s := &section{document.Section{ID: "asked", Level: document.First}}
	for _, side := range []struct {
		name string
		s    *compare.Side
	}{{"A", &c.A}, {"B", &c.B}} {
		s.fact(document.First, side.name, some(withoutDirectory(side.s.Names), 6))
	}
	return s
}

// withoutDirectory are names without the directory that all share.
func withoutDirectory(names []string) (short []string) {
	dir := names[0][:strings.LastIndexByte(names[0], '/')+1]
	for _, n := range names {
		name, ok := strings.CutPrefix(n, dir)
		if !ok {
			return names
		}
		short = append(short, name)
	}
	return short
}

// compared says in one sentence what came of it.
func compared(c *compare.Comparison) *section {
	s := begin(document.First, "RESULT", "")
	var moved, others []string
	worse, n := false, 0
	for i := range c.Rows {
		r := &c.Rows[i]
		if decided(r) {
			n++
			list := &moved
			if !r.Primary {
				list = &others
			}
			*list = append(*list, r.Metric+" "+difference(r)+" ("+r.Result+")")
			worse = worse || r.Result == compare.Worse
		}
	}
	tests := c.Test.Primary.Metrics + c.Test.Secondary.Metrics
	switch c.Result {
	case compare.Differs:
		s.Lead, s.Tone = fmt.Sprintf("DIFFERENT in %s of %d: %s", number(n, "metric", "metrics"), tests, some(append(moved, others...), 3)), document.Good
		if worse {
			s.Tone = document.Bad
		}
	case compare.NoDifference:
		s.Lead = "no difference"
		switch first, rest := c.Test.Primary.Metrics, &c.Test.Secondary; {
		case rest.Metrics > 0 && !rest.Decidable:
			s.Lead += fmt.Sprintf(" in %s; too few runs to tell any other", number(first, "primary metric", "primary metrics"))
		case tests > 0:
			s.Lead += fmt.Sprintf(": none of %s stands out from the noise", number(tests, "metric", "metrics"))
		}
	case compare.TooFew:
		s.Lead = fmt.Sprintf("cannot tell: with %d and %d runs no difference stands out from noise", c.A.Samples, c.B.Samples)
	case compare.SpreadUnknown:
		s.Lead = "spread unknown: from one run a side nobody can tell a difference from noise"
	}
	if apart := undecided(c); len(apart) > 0 {
		s.say(document.First, "apart in every run, which may be chance in so many rows: "+some(apart, 3))
	}
	s.say(document.First, needWords(c))
	if len(c.Findings) > 0 {
		l := document.List{Level: document.First, Name: "doubt"}
		for _, f := range c.Findings {
			l.Findings = append(l.Findings, document.Finding{Code: f.Code, Args: f.Args, Sentence: compare.Sentence(f)})
		}
		s.add(l)
	}
	return s
}

// undecided lists what no run of one side had as high as any of the other.
func undecided(c *compare.Comparison) (list []string) {
	for i := range c.Rows {
		if r := &c.Rows[i]; r.Result == compare.Undecided {
			list = append(list, r.Metric+" "+difference(r))
		}
	}
	return list
}

// needWords says how many runs it takes.
func needWords(c *compare.Comparison) string {
	t := &c.Test
	first, rest := &t.Primary, &t.Secondary
	switch {
	case c.Result == compare.SpreadUnknown:
		return "give at least 5 runs a side, A and B in turn; below, these two runs as they are"
	case first.Metrics > 0 && !first.Decidable:
		s := fmt.Sprintf("the %s %s %d runs a side", number(first.Metrics, "primary metric", "primary metrics"), quantity.Plural(first.Metrics, "needs", "need"), first.Need)
		if rest.Metrics > 0 {
			s += fmt.Sprintf(", the other %d need %d", rest.Metrics, rest.Need)
		}
		return s
	case rest.Metrics > 0 && !rest.Decidable:
		return fmt.Sprintf("%d and %d runs are enough for the %s; the other %d need %d runs a side",
			c.A.Samples, c.B.Samples, number(first.Metrics, "primary metric", "primary metrics"), rest.Metrics, rest.Need)
	}
	return ""
}

func decided(r *compare.Row) bool {
	return r.Result == compare.Better || r.Result == compare.Worse || r.Result == compare.Changed
}

// why lists what differs in how the sides were measured.
func why(c *compare.Comparison) *section {
	s := begin(document.First, "WHY", "")
	if len(c.Why) == 0 {
		s.Lead = "plan, server, sysctls, host, engine, version and verdict are the same"
		return s
	}
	s.Lead = "what differs in how they were measured, the most likely cause first"
	t := s.table(document.First, "", "~")
	for i, cause := range c.Why {
		t.row(cause.Key, txt("A "+compare.Settings(cause.A)+"; B "+compare.Settings(cause.B))).Level = levelIf(i < 8)
	}
	if n := len(c.Why) - 8; n > 0 {
		s.say(document.First, number(n, "more difference", "more differences")+" of less weight: -v")
	}
	return s
}

// rowsShown is the most rows on a first page besides those of the primary metrics.
const rowsShown = 10

func comparedRows(c *compare.Comparison) *section {
	s := begin(document.First, "METRICS", "")
	single := c.Result == compare.SpreadUnknown
	columns := []string{"", "A", "B", "difference", "", "95% interval", "p", "Holm", "n"}
	if single {
		columns = []string{"", "A", "B", "difference"}
	} else {
		s.Lead = "medians of the runs of each side; ~ is noise"
	}
	t := s.table(document.First, columns...)
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
		s.say(document.First, fmt.Sprintf("p: exact U test; Holm: p corrected for all %d rows; a difference is one of at most %g",
			c.Test.Primary.Metrics+c.Test.Secondary.Metrics, c.Test.Alpha))
		s.note("each interval is what the row's own test does not reject at 5% (Hodges-Lehmann); the primary metrics share most of the 5% of the whole table; " +
			"apart: every run of one side is above every run of the other, but there are too few runs to call it a difference among so many rows")
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

// within prints a row's interval.
func within(r *compare.Row) string {
	switch {
	case r.Lo == nil || r.Hi == nil || r.Result == compare.Equal:
		return ""
	case r.Ratio != nil:
		return "[" + percent(*r.Lo/r.A.Median) + ", " + percent(*r.Hi/r.A.Median) + "]"
	}
	return "[" + signed(r.Unit, *r.Lo) + ", " + signed(r.Unit, *r.Hi) + "]"
}

// percent prints a share with its sign and three digits.
func percent(v float64) string {
	v *= 100
	digits := 2
	switch a := math.Abs(v); {
	case a >= 10_000:
		return fmt.Sprintf("%+.1g%%", v)
	case a >= 100:
		digits = 0
	case a >= 10:
		digits = 1
	}
	return strings.Replace(fmt.Sprintf("%+.*f%%", digits, v), "+0.00%", "0%", 1)
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

// shiftSection compares whole distributions. Without a spread that is all there is.
func shiftSection(c *compare.Comparison) *section {
	if len(c.Shifts) == 0 {
		return nil
	}
	single := c.Result == compare.SpreadUnknown
	s := begin(levelIf(single), "LATENCY SHIFT", "all samples of a side together; how far runs differ by chance is not in it")
	t := s.table(document.First, "", "A", "B", "shift", "")
	for i := range c.Shifts {
		sh := &c.Shifts[i]
		for _, q := range sh.Quantiles {
			share := ""
			if q.AUs > 0 {
				share = percent(q.BUs/q.AUs - 1)
			}
			level := levelIf(sh.Latency == "lifecycle" || sh.Latency == "connect" || sh.Latency == "exchange" && c.Kind == record.KindDrain)
			t.row(fmt.Sprintf("%s p%g", sh.Latency, q.Percentile), document.Micros(q.AUs), document.Micros(q.BUs), txt(signed(metric.Micros, q.BUs-q.AUs)), txt(share)).Level = level
		}
	}
	for i := range c.Shifts {
		sh := &c.Shifts[i]
		if sh.Distance > 0 {
			s.say(levelIf(sh.Latency == "lifecycle"), fmt.Sprintf("%s: farthest apart at %s, which %s of A and %s of B did not exceed",
				sh.Latency, quantity.Micros(sh.AtUs), quantity.Share(sh.ShareA, 1), quantity.Share(sh.ShareB, 1)))
		}
		s.add(document.Distribution{Name: "A " + sh.Latency, Histogram: document.Histogram{Encoded: sh.A.Hdr}},
			document.Distribution{Name: "B " + sh.Latency, Histogram: document.Histogram{Encoded: sh.B.Hdr}})
	}
	return s
}

// comparedTimeline lays the sides' timelines over each other.
func comparedTimeline(c *compare.Comparison) *section {
	if c.Timeline == nil {
		return nil
	}
	chart := &document.Chart{Level: document.Detail, Times: c.Timeline.TS}
	for i := range c.Timeline.A {
		for _, side := range []struct {
			name string
			s    *compare.TimeSeries
		}{{"A", &c.Timeline.A[i]}, {"B", &c.Timeline.B[i]}} {
			kind := document.Gauge
			switch {
			case side.s.Unit == metric.PerSecond:
				kind = document.Speed
			case side.s.Unit == metric.Micros:
				kind = document.Duration
			case side.s.Metric == "connections.failed":
				kind = document.Growth
			}
			chart.Series = append(chart.Series, document.Series{Level: document.Detail, Side: side.name, Name: side.s.Metric, Kind: kind, Points: side.s.Points})
		}
	}
	s := begin(document.Detail, "TIMELINE", "the median of each interval over the records of a side")
	s.add(chart)
	return s
}
