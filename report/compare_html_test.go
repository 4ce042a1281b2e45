package report

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/compare"
	"lastack/bench/record"
	"lastack/report/text"
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

// TestComparisonHTMLNumbers compares every number of the pictures' tables with the comparison.
func TestComparisonHTMLNumbers(t *testing.T) {
	a, b := []*record.Run{sample(t, "open-loop"), sample(t, "count-one")}, []*record.Run{sample(t, "veth"), sample(t, "nobody")}
	for _, sides := range [][2][]*record.Run{{a, b}, {a[:1], b[:1]}, {similar(t, 0), similar(t, 1)}} {
		c, err := compare.Compare(sides[0], sides[1], compare.Options{Force: true})
		if err != nil {
			t.Fatal(err)
		}
		page := comparisonPage(t, c)
		heads, rows := figureData(t, page, "p-changes")
		if len(rows) == 0 {
			t.Fatal("no changes are drawn")
		}
		optional := func(v *float64) string {
			if v == nil {
				return ""
			}
			return text.Exact(*v)
		}
		for _, got := range rows {
			for i := range c.Rows {
				if r := &c.Rows[i]; r.Metric == got[0] {
					want := []string{r.Metric, optional(r.Ratio), optional(r.RatioLo), optional(r.RatioHi)}[:len(heads)]
					if d := cmp.Diff(want, got); d != "" {
						t.Errorf("changes (-comparison +page):\n%s", d)
					}
				}
			}
		}
		drawn := 0
		for i := range c.Shifts {
			s := &c.Shifts[i]
			_, rows := figureData(t, page, "p-"+s.Latency)
			if s.Latency == "lag" {
				continue
			}
			drawn++
			for _, got := range rows {
				for _, q := range s.Quantiles {
					if want := []string{text.Exact(q.Percentile), text.Exact(q.AUs), text.Exact(q.BUs)}; got[0] == want[0] && !cmp.Equal(want, got) {
						t.Errorf("%s: the page has %v, the comparison %v", s.Latency, got, want)
					}
				}
			}
			if len(rows) == 0 {
				t.Errorf("%s is not drawn", s.Latency)
			}
		}
		if c.Timeline != nil {
			for i, s := range c.Timeline.A {
				_, rows := figureData(t, page, fmt.Sprintf("p-time-%d", i+1))
				for j, got := range rows {
					drawn++
					want := []string{text.Exact(c.Timeline.TS[j]), text.Exact(s.Points[j]), text.Exact(c.Timeline.B[i].Points[j])}
					for k := range want {
						if strings.HasPrefix(s.Metric, "lifecycle.") && want[k] == "0" {
							want[k] = ""
						}
					}
					if d := cmp.Diff(want, got); d != "" {
						t.Errorf("%s (-comparison +page):\n%s", s.Metric, d)
					}
				}
			}
		}
		if drawn == 0 {
			t.Error("nothing is laid over each other")
		}
		for _, d := range htmlSVG.FindAllString(page, -1) {
			wellFormed(t, d)
		}
	}
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
			Timeline: &compare.Timeline{TS: []float64{at(0), at(1)}, A: []compare.TimeSeries{{Metric: hostile, Points: []float64{1, at(2)}}}, B: []compare.TimeSeries{{Metric: hostile, Points: []float64{at(3), at(4)}}}},
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
