package report

import (
	"bytes"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"lastack/bench/compare"
	"lastack/bench/record"
)

// comparisonPage is a comparison as HTML.
func comparisonPage(t *testing.T, c *compare.Comparison) string {
	t.Helper()
	var b bytes.Buffer
	if err := RenderComparison(&b, View{Format: "html"}, c); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// similar are runs with timelines and histograms.
func similar(t *testing.T, from int) (list []*record.Run) {
	for i := range 6 {
		r := sample(t, "open-loop")
		r.Started = r.Started.Add(1)
		r.ElapsedS += float64(2*i + from)
		r.Rate.CompletedPerS *= 1 + float64(from)/10 + float64(i)/100
		for j := range r.Timeline {
			r.Timeline[j].P99Us *= 1 + float64(from)
		}
		list = append(list, r)
	}
	return list
}

// TestComparisonHostile puts markup into names and settings, and numbers that no run has into a comparison.
func TestComparisonHostile(t *testing.T) {
	const hostile = "\"'><img src=x onerror=alert(1)><script>alert(2)</script></svg>\u202e\x1b[31m"
	odd := []float64{math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, -1, 0, 5e-324}
	for i := range odd {
		at := func(k int) float64 { return odd[(i+k)%len(odd)] }
		p := func(k int) *float64 { v := at(k); return &v }
		c := &compare.Comparison{
			Kind: hostile, Version: hostile, Result: compare.Differs, A: compare.Side{Names: []string{hostile}}, B: compare.Side{Names: []string{hostile}},
			Why: []compare.Cause{{Key: hostile, A: []compare.Setting{{Value: hostile}}, B: []compare.Setting{{Value: hostile}}}},
			Rows: []compare.Row{{
				Metric: hostile, Primary: true, Result: compare.Worse, Doubt: hostile, A: compare.Spread{N: 1, Median: at(0)}, B: compare.Spread{N: 1, Median: at(1)},
				Difference: p(2), Ratio: p(3), Lo: p(4), Hi: p(5), RatioLo: p(6), RatioHi: p(0), P: p(1), Corrected: p(2),
			}},
			Timeline: &compare.Timeline{TS: []float64{at(0), at(1)}, A: []compare.TimeSeries{{Metric: hostile, Points: []*float64{p(2), nil}}}, B: []compare.TimeSeries{{Metric: hostile, Points: []*float64{p(3), p(4)}}}},
		}
		page := comparisonPage(t, c)
		for _, bad := range []string{"<img", "<script>alert", "\u202e", "\x1b"} {
			if strings.Contains(page, bad) {
				t.Errorf("the page has %q", bad)
			}
		}
		for _, d := range htmlSVG.FindAllString(page, -1) {
			wellFormed(t, d)
			if regexp.MustCompile(`="[^"]*(NaN|Inf)`).MatchString(d) {
				t.Errorf("a place is no number: %.2000s", d)
			}
		}
		for _, format := range []string{"text", "md", "csv"} {
			var b bytes.Buffer
			if err := RenderComparison(&b, View{Format: format, Verbose: true}, c); err != nil {
				t.Errorf("%s: %v", format, err)
			}
		}
	}
}

// TestChangesCaption says which scale the changes are drawn on, and which rows are left out.
func TestChangesCaption(t *testing.T) {
	c, err := compare.Compare([]*record.Run{sample(t, "open-loop")}, []*record.Run{sample(t, "veth")}, compare.Options{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	p := changesPicture(c)
	left := regexp.MustCompile(`\d+`)
	sum := len(p.Names)
	_, said, ok := strings.Cut(p.Desc, "Not drawn, but in the table: ")
	for _, part := range strings.Split(said, ", ") {
		if n, err := strconv.Atoi(left.FindString(part)); err == nil {
			sum += n
		}
	}
	if !ok || !strings.Contains(p.Desc, "logarithmic scale") || sum != len(c.Rows) {
		t.Errorf("%d rows are drawn or counted, of %d: %s", sum, len(c.Rows), p.Desc)
	}
}
