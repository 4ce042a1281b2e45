package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/report/document"
)

// budgeted is a run of so many pairs with its budget of ports.
func budgeted(pairs int, o record.Outlook, fullest record.PortPair) *record.Run {
	r := &record.Run{Kind: record.KindRun}
	p := &r.Pressure.Ports
	*p = record.Ports{Range: "40000 40999", InRange: 1000, Reserved: 100, Available: 900, FirstPass: 450, PeakInUse: fullest.PeakInUse, LeastInUse: 3, Pairs: pairs, Outlook: o}
	for i := range min(pairs, 32) {
		q := fullest
		q.Source, q.Destination = fmt.Sprintf("198.18.0.%d", i+1), "198.19.0.1:80"
		r.Pressure.Pairs = append(r.Pressure.Pairs, q)
	}
	return r
}

func TestPortsLead(t *testing.T) {
	at := func(from, to float64) *record.Onset { return &record.Onset{EarliestS: from, LatestS: to} }
	waits := record.PortPair{PeakInUse: 600, TimeWait: 600}
	for _, tt := range []struct {
		name  string
		run   *record.Run
		want  string
		first bool
	}{
		{"observed as predicted", budgeted(1, record.Outlook{ExhaustedInS: 10.02, ObservedS: 10.02, Predicted: at(10, 10)}, waits), "600 of 900 in TIME_WAIT; none free after 10.0 s, predicted 10.0 s", true},
		{"observed, not predicted", budgeted(1, record.Outlook{ExhaustedInS: 10.02, ObservedS: 10.02}, waits), "600 of 900 in TIME_WAIT; none free after 10.0 s", true},
		{"predicted in the bursts", budgeted(1, record.Outlook{ExhaustedInS: 60.6, Predicted: at(60.6, 62.66)}, waits), "600 of 900 in TIME_WAIT; at this rate none free after 60.6 s to 62.7 s", true},
		{"predicted for a closed loop", budgeted(1, record.Outlook{ExhaustedInS: 3, MaySlow: true, Predicted: at(3, 3)}, waits), "600 of 900 in TIME_WAIT; at this rate none free after 3.00 s, or later", true},
		{"predicted, and not observed", budgeted(1, record.Outlook{Predicted: at(3, 3)}, waits), "600 of 900 in TIME_WAIT; predicted to be full after 3.00 s, and was not", true},
		{"seen full", budgeted(1, record.Outlook{ExhaustedInS: 3}, waits), "600 of 900 in TIME_WAIT; full after 3.00 s", true},
		{"far from full", budgeted(3, record.Outlook{LevelsOffAt: 300}, record.PortPair{PeakInUse: 200, Open: 20, TimeWait: 180, Reusable: 170}), "200 of 900 in use (180 in TIME_WAIT), 170 reusable, fullest of 3 pairs; at this rate levels off at 300", false},
		{"earlier loads", budgeted(1, record.Outlook{}, record.PortPair{PeakInUse: 20, Open: 20, Earlier: 400}), "20 of 900 open, 400 more by earlier loads", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := ports(tt.run)
			if s.Lead != tt.want || (s.Level == document.First) != tt.first {
				t.Errorf("%q, on the first page %v; want %q, %v", s.Lead, s.Level == document.First, tt.want, tt.first)
			}
		})
	}
	if old := sample(t, "exhausted"); ports(old) != nil {
		t.Error("a record of an older version has a budget")
	}
}

// All pairs are listed up to some tens, and of more the fullest; files with all numbers have all that the record has.
func TestPairsListed(t *testing.T) {
	for _, tt := range []struct {
		pairs, shown int
		rest         string
	}{{1, 1, ""}, {32, 32, ""}, {33, 8, "25 pairs more, of which the emptiest had 3 in use"}, {254, 8, "246 pairs more, of which the emptiest had 3 in use"}} {
		s := ports(budgeted(tt.pairs, record.Outlook{}, record.PortPair{PeakInUse: 600, TimeWait: 600}))
		page := words(t, s)
		if n := strings.Count(page, "> 198.19.0.1:80"); n != tt.shown {
			t.Errorf("%d of %d pairs on the page, want %d", n, tt.pairs, tt.shown)
		}
		if !strings.Contains(page, tt.rest) || tt.rest == "" && strings.Contains(page, "more, of which") {
			t.Errorf("%d pairs: no %q in %s", tt.pairs, tt.rest, page)
		}
		if n := len(s.Blocks[0].(*document.Table).Rows); n != min(tt.pairs, 32) {
			t.Errorf("%d rows of %d pairs", n, tt.pairs)
		}
	}
}

// The picture has the curve's points.
func TestSearchPicture(t *testing.T) {
	r := sample(t, "ports")
	points := r.ConnectByShare()
	heads, rows := figureData(t, htmlPage(t, r), "p-search")
	if d := cmp.Diff([]string{"ports taken (%)", "max (µs)", "p99 (µs)", "p50 (µs)"}, heads); d != "" {
		t.Fatal(d)
	}
	var want [][]string
	for _, p := range points {
		want = append(want, []string{fmt.Sprint(float64(int(500*(p.FromShare+p.ToShare)+0.5)) / 10), fmt.Sprint(p.MaxUs), fmt.Sprint(p.P99Us), fmt.Sprint(p.P50Us)})
	}
	if d := cmp.Diff(want, rows); d != "" || len(rows) < 3 {
		t.Errorf("-curve +page\n%s", d)
	}
	if r.Timeline = r.Timeline[:2]; searchPicture(r) != nil {
		t.Error("a curve of two points")
	}
}
