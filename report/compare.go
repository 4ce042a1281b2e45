package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"lastack/bench/compare"
	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// RenderComparison writes a comparison to w, in one of ComparisonFormats. Nothing is written unless all could be rendered. The error tells the
// names of formats, or is a *TableError, or w's own.
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
		v.Table = cmp.Or(v.Table, "metrics")
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

// compares reports whether f shows comparisons: they have no intervals or histograms of a load and no packets, and JSON is their own.
func (f *format) compares() bool {
	return f.name == JSON || f.print != nil && !f.histograms && !f.ladders
}

// comparisonDocument is the report of a comparison: what came of it, why, and then the numbers.
func comparisonDocument(c *compare.Comparison) *document.Document {
	title := join(" ", "lastack", c.Version, "compare")
	asked := "A, " + sideWords(&c.A, c.Kind) + ", with B, " + sideWords(&c.B, c.Kind)
	return build(title, asked, nil, comparedSides(c), compared(c), why(c), comparedThresholds(c), comparedPictures(c), comparedRows(c), shiftSection(c), comparedTimeline(c))
}

// measured counts what a side has, in the noun of its records' kind, of which there may be several.
func measured(n int, kind string) string {
	if kind == "" {
		return number(n, "record", "records")
	}
	return number(n, kind, kind+"s")
}

func sideWords(s *compare.Side, kind string) string {
	words := measured(s.Records, kind)
	switch {
	case s.Samples == s.Records:
	case s.Records == 1:
		words += " of " + number(s.Samples, "try", "tries")
	default:
		words += ", " + number(s.Samples, "try", "tries") + " in all"
	}
	return words
}

// samplesOf counts the samples of both sides: "5 and 5 runs".
func samplesOf(c *compare.Comparison) string {
	return quantity.Count(int64(c.A.Samples)) + " and " + quantity.Count(int64(c.B.Samples)) + " " + samplesWord(c)
}

// samplesWord is the noun of samples: a drain may have several tries.
func samplesWord(c *compare.Comparison) string {
	if c.A.Samples != c.A.Records || c.B.Samples != c.B.Records {
		return "tries"
	}
	return cmp.Or(c.Kind, "record") + "s"
}

func comparedSides(c *compare.Comparison) *section {
	s := &section{document.Section{ID: "asked", Level: document.First}}
	dir := directory(slices.Concat(c.A.Names, c.B.Names)) // of both, so that before/1.json and after/1.json stay apart
	for _, side := range []struct {
		name string
		s    *compare.Side
	}{{"A", &c.A}, {"B", &c.B}} {
		var names []string
		for _, n := range side.s.Names {
			names = append(names, strings.TrimPrefix(n, dir))
		}
		s.fact(document.First, side.name, some(names, 6))
	}
	return s
}

// directory is what all names begin with, up to a slash: it says nothing of the one that is not said of the others.
func directory(names []string) string {
	dir := names[0]
	for _, n := range names {
		for !strings.HasPrefix(n, dir) {
			dir = dir[:len(dir)-1]
		}
	}
	return dir[:strings.LastIndexByte(dir, '/')+1]
}

// compared says in one sentence what came of it.
func compared(c *compare.Comparison) *section {
	s := begin(document.First, "RESULT", "")
	first, rest := &c.Test.Primary, &c.Test.Secondary
	tests := first.Metrics + rest.Metrics
	switch c.Result {
	case compare.Differs:
		s.Lead, s.Tone = differs(c, tests)
	case compare.NoDifference:
		if rest.Metrics > 0 && !rest.Decidable {
			s.Lead = fmt.Sprintf("no difference in the %s; the other %d need %d %s a side", number(first.Metrics, "primary metric", "primary metrics"), rest.Metrics, rest.Need, samplesWord(c))
		} else {
			s.Lead = "no difference: none of " + number(tests, "metric", "metrics") + " differs by more than noise"
		}
	case compare.TooFew:
		s.Lead = "cannot tell: " + samplesOf(c) + " are too few to tell any difference from noise"
		switch {
		case first.Metrics > 0 && rest.Metrics > 0:
			s.say(document.First, fmt.Sprintf("%d %s a side decide the %s, %d the other %d too", first.Need, samplesWord(c), number(first.Metrics, "primary metric", "primary metrics"), rest.Need, rest.Metrics))
		case tests > 0:
			s.say(document.First, fmt.Sprintf("it takes %d %s a side", max(first.Need, rest.Need), samplesWord(c)))
		}
	case compare.SpreadUnknown:
		s.Lead = "spread unknown: with one " + cmp.Or(c.Kind, "record") + " on a side nobody can tell a difference from noise"
		s.say(document.First, "measure 5 or more a side, A and B in turn; until then, this is how these differ")
	}
	if c.Result == compare.Differs && rest.Metrics > 0 && !rest.Decidable {
		s.say(document.First, fmt.Sprintf("the other %d metrics need %d %s a side", rest.Metrics, rest.Need, samplesWord(c)))
	}
	if apart := listed(c, compare.Undecided); len(apart) > 0 {
		s.say(document.First, "A and B do not overlap in "+some(apart, 3)+"; among so many metrics that may be chance")
	}
	if len(c.Findings) > 0 {
		l := document.List{Level: document.First, Name: "doubt"}
		for _, f := range c.Findings {
			l.Findings = append(l.Findings, document.Finding{Code: f.Code, Args: f.Args, Sentence: compare.Sentence(f)})
		}
		s.add(l)
	}
	return s
}

// differs says in what B is worse, better and merely different, the largest change first.
func differs(c *compare.Comparison, tests int) (lead string, tone document.Tone) {
	var parts []string
	tone = document.Good
	for _, of := range []struct{ result, words string }{{compare.Worse, "worse"}, {compare.Better, "better"}, {compare.Changed, "different"}} {
		list := listed(c, of.result)
		if len(list) == 0 {
			continue
		}
		words := fmt.Sprintf("%s in %d", of.words, len(list))
		if len(parts) == 0 {
			words += fmt.Sprintf(" of %s", number(tests, "metric", "metrics"))
		}
		parts = append(parts, words+" ("+some(list, 3)+")")
		if of.result == compare.Worse {
			tone = document.Bad
		}
	}
	return "B is " + strings.Join(parts, ", "), tone
}

// listed lists the rows with a result, the largest change first.
func listed(c *compare.Comparison, result string) (list []string) {
	var rows []*compare.Row
	for i := range c.Rows {
		if c.Rows[i].Result == result {
			rows = append(rows, &c.Rows[i])
		}
	}
	slices.SortStableFunc(rows, func(a, b *compare.Row) int { return cmp.Compare(size(b), size(a)) })
	for _, r := range rows {
		list = append(list, r.Metric+" "+difference(r))
	}
	return list
}

// size is how large a change is, up or down. From 0 it is infinite.
func size(r *compare.Row) float64 {
	if r.Ratio == nil {
		return math.Inf(1)
	}
	return math.Abs(math.Log1p(*r.Ratio))
}

// comparedThresholds says how thresholds allow for noise, if there are several that do.
func comparedThresholds(c *compare.Comparison) *section {
	s := thresholds(c.Thresholds)
	f := c.Test.Thresholds
	switch {
	case s == nil || f == nil:
	case f.Decidable:
		s.say(document.First, fmt.Sprintf("%d thresholds allow for noise, all at once (Holm): if nothing differed, any would be missed in at most %g %% of comparisons", f.Metrics, 100*c.Test.Alpha))
	default:
		s.say(document.First, fmt.Sprintf("%s are too few to correct %d thresholds for their number (Holm), which takes %d a side: chance misses one more often than in %g %% of comparisons", samplesOf(c), f.Metrics, f.Need, 100*c.Test.Alpha))
	}
	return s
}

// why lists what differs in how the sides were measured.
func why(c *compare.Comparison) *section {
	s := begin(document.First, "WHY", "")
	if len(c.Why) == 0 {
		s.Lead = "plan, server, sysctls, host, engine, version and verdict are the same"
		return s
	}
	const shown, short = 8, 40
	beside := !slices.ContainsFunc(c.Why, func(cause compare.Cause) bool { return len(compare.Settings(cause.A)) > short })
	s.Lead = "what differs in how they were measured, the most likely cause first"
	columns := []string{"", "~A", "~B"}
	if !beside {
		columns = []string{"", "~"} // long texts are compared more easily below each other
	}
	t := s.table(document.First, columns...)
	for i, cause := range c.Why {
		a, b := compare.Settings(cause.A), compare.Settings(cause.B)
		cells := []document.Value{txt(a), txt(b)}
		if !beside {
			cells = []document.Value{txt("A " + a + "; B " + b)}
		}
		t.row(cause.Key, cells...).Level = levelIf(i < shown)
	}
	if n := len(c.Why) - shown; n > 0 {
		s.say(document.First, number(n, "more difference", "more differences")+" of less weight: -v")
	}
	return s
}

// shiftSection compares whole distributions. Without a spread that is all there is.
func shiftSection(c *compare.Comparison) *section {
	if len(c.Shifts) == 0 {
		return nil
	}
	single := c.Result == compare.SpreadUnknown
	s := begin(levelIf(single), "PERCENTILES", "of all samples of a side together; how far runs differ by chance is not in it")
	t := s.table(levelIf(single), "", "A", "B", "difference", "change")
	for i := range c.Shifts {
		sh := &c.Shifts[i]
		for _, q := range sh.Quantiles {
			var change document.Value
			if q.AUs > 0 {
				change = document.Change(q.BUs/q.AUs - 1)
			}
			level := levelIf(single && (sh.Latency == "lifecycle" || sh.Latency == "connect" || sh.Latency == "exchange" && c.Kind == record.KindDrain))
			t.row(fmt.Sprintf("%s p%g", sh.Latency, q.Percentile), document.Micros(q.AUs), document.Micros(q.BUs), document.Longer(q.BUs-q.AUs), change).Level = level
		}
	}
	for i := range c.Shifts {
		sh := &c.Shifts[i]
		if sh.Distance > 0 {
			s.say(levelIf(single && sh.Latency == "lifecycle"), fmt.Sprintf("%s: farthest apart at %s, within which %s of A were done and %s of B",
				sh.Latency, quantity.Micros(sh.AtUs), quantity.Share(sh.ShareA, 1), quantity.Share(sh.ShareB, 1)))
		}
	}
	return s
}

// comparedTimeline lays the sides' timelines over each other.
func comparedTimeline(c *compare.Comparison) *section {
	switch {
	case c.IntervalsDiffer:
		return begin(document.Detail, "TIMELINE", "the records' intervals differ in length, so that there is no median of an interval")
	case c.Timeline == nil:
		return nil
	}
	chart := &document.Chart{Level: document.Detail, Times: c.Timeline.TS}
	for i := range c.Timeline.A {
		level := document.Detail
		if !slices.ContainsFunc(slices.Concat(c.Timeline.A[i].Points, c.Timeline.B[i].Points), func(p *float64) bool { return p != nil }) {
			level = document.Data
		}
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
			chart.Series = append(chart.Series, document.Series{Level: level, Side: side.name, Name: seriesName(side.s.Metric), Kind: kind, Points: gaps(side.s.Points)})
		}
	}
	s := begin(document.Detail, "TIMELINE", "the median of each interval over the records of a side")
	s.add(chart)
	return s
}

// gaps are a series' points, NaN where there is none.
func gaps(points []*float64) []float64 {
	out := make([]float64, len(points))
	for i, p := range points {
		out[i] = bound(p)
	}
	return out
}

// seriesName is what a timeline calls a metric, as that of a run does.
func seriesName(name string) string {
	switch name {
	case "rate.completed":
		return "completed/s"
	case "connections.failed":
		return "failed"
	case "time_wait.peak":
		return "TIME_WAIT"
	}
	_, name, _ = strings.Cut(name, ".")
	return name
}
