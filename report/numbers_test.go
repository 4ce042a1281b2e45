package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lastack/bench/compare"
	"lastack/bench/record"
)

var (
	figureID    = regexp.MustCompile(`<figure id="([^"]*)"`)
	stripMoment = regexp.MustCompile(`<li[^>]*><b>([^<]*)</b><span>([^<]*)</span>`)
)

// checkNumbers compares the numbers of all of a page's pictures, and notes which columns it saw.
func checkNumbers(t *testing.T, page string, want map[string]func(heads []string, rows [][]string) numbers, seen map[string]bool) {
	t.Helper()
	for _, m := range figureID.FindAllStringSubmatch(page, -1) {
		id := m[1]
		if id == "p-events" {
			continue // it has no numbers but those in words, see checkMoments
		}
		heads, rows := figureData(t, page, id)
		of, ok := want[id]
		if !ok || heads == nil {
			t.Errorf("%s: this test does not know what its numbers are (%q)", id, heads)
			continue
		}
		n := of(heads, rows)
		var first []string
		for _, row := range rows {
			first = append(first, row[0])
		}
		if !slices.Equal(first, n.rows) {
			t.Errorf("%s: the rows are %q, want %q", id, first, n.rows)
			continue
		}
		for c, head := range heads[1:] {
			value, ok := n.columns[head]
			if !ok {
				t.Errorf("%s: what is %q?", id, head)
				continue
			}
			seen[id+" "+head] = true
			for k, row := range rows {
				if v := value(k); row[c+1] != exact(v) && !(id == "p-cpu" && nearly(row[c+1], v)) {
					t.Errorf("%s, row %s: %q is %s, the record has %s", id, row[0], head, row[c+1], exact(v))
				}
			}
		}
	}
}

// nearly allows for another order of subtractions.
func nearly(shown string, v float64) bool {
	s, err := strconv.ParseFloat(shown, 64)
	return err == nil && math.Abs(s-v) < 1e-9
}

// checkMoments compares what happened when with the record.
func checkMoments(t *testing.T, page string, rec node) {
	t.Helper()
	_, strip, ok := strings.Cut(page, `<figure id="p-events"`)
	strip, _, _ = strings.Cut(strip, "</figure>")
	shown := stripMoment.FindAllStringSubmatch(strip, -1)
	try, _ := shownTry(rec)
	moments := try.at("moments").items()
	if !ok || len(shown) != min(len(moments), eventsShown) {
		t.Errorf("%d moments are shown of %d", len(shown), len(moments))
		return
	}
	for i, m := range shown {
		at, what := html.UnescapeString(m[1]), html.UnescapeString(m[2])
		// Three digits are shown.
		number, unit, _ := strings.Cut(strings.ReplaceAll(strings.TrimPrefix(at, "+"), ",", ""), " ")
		v, err := strconv.ParseFloat(number, 64)
		v *= map[string]float64{"s": 1, "ms": 1e-3, "µs": 1e-6}[unit]
		want := moments[i].at("t_s").num()
		if err != nil || math.Abs(v-want) > 0.0051*math.Abs(want) || what != moments[i].at("what").text() {
			t.Errorf("%s: %q, the record has %v: %q", at, what, want, moments[i].at("what").text())
		}
	}
}

// TestHTMLNumbers compares every number of the pictures of all samples with the record's JSON, which it reads in its own way. A picture that it does
// not know fails.
func TestHTMLNumbers(t *testing.T) {
	seen := make(map[string]bool)
	for _, name := range recorded(t) {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(recordPath(name))
			if err != nil {
				t.Fatal(err)
			}
			run := sample(t, name)
			rec, page := parseNode(t, b), htmlPage(t, run)
			want := recordNumbers(t, rec)
			tuneNumbers(want, rec.at("tune"))
			sweepNumbers(want, rec.at("sweep"), analysisNode(t, run))
			checkNumbers(t, page, want, seen)
			if strings.Contains(page, `id="p-events"`) {
				checkMoments(t, page, rec)
			}
		})
	}
	for _, want := range []string{
		"p-rate opened", "p-rate asked for", "p-states-client ESTABLISHED", "p-latency p99 (µs)", "p-percentiles exchange (µs)", "p-ports in use", "p-time-wait client",
		"p-in-flight in flight", "p-trouble TcpRetransSegs", "p-limits used", "p-cpu user (s)", "p-search p50 (µs)",
		"p-requests lost", "p-connects refused", "p-ends by RST", "p-request-fates lost", "p-connection-fates ended in a request",
		"p-factor-1 change (share)", "p-heat-1-2 client:rst (1/s)", "p-tried failed",
	} {
		if !seen[want] {
			t.Errorf("no sample shows %s", want)
		}
	}
}

// TestHTMLComparisonNumbers does so for the pictures of comparisons, whose timelines it compares with the records.
func TestHTMLComparisonNumbers(t *testing.T) {
	runs, drains := samplesFrom(t, "runs"), samplesFrom(t, "drains")
	seen := make(map[string]bool)
	for _, tt := range []struct {
		name string
		a, b []*record.Run
	}{
		{"slower", runs["s"][:10], runs["t"][:10]},
		{"single", runs["s"][:1], runs["t"][:1]},
		{"drains", drains["term"], drains["kill"]},
		{"mixed", []*record.Run{sample(t, "open-loop"), sample(t, "count-one")}, []*record.Run{sample(t, "veth"), sample(t, "nobody")}},
		{"two", []*record.Run{sample(t, "open-loop")}, []*record.Run{sample(t, "veth")}},
		{"timelines", similar(t, 0), similar(t, 1)},
		{"nothing completed", []*record.Run{sample(t, "exhausted")}, []*record.Run{sample(t, "exhausted")}},
		{"few censuses", []*record.Run{fewCensuses(t)}, []*record.Run{fewCensuses(t)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := compare.Compare(tt.a, tt.b, compare.Options{Force: true})
			if err != nil {
				t.Fatal(err)
			}
			b, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			var page bytes.Buffer
			if err := RenderComparison(&page, View{Format: "html"}, c); err != nil {
				t.Fatal(err)
			}
			checkNumbers(t, page.String(), comparisonNumbers(t, parseNode(t, b), [2][]node{nodes(t, tt.a), nodes(t, tt.b)}), seen)
			for _, d := range htmlSVG.FindAllString(page.String(), -1) {
				wellFormed(t, d)
			}
		})
	}
	for _, want := range []string{"p-changes change (share)", "p-changes to (share)", "p-lifecycle A (µs)", "p-time-1 B (1/s)", "p-time-4 A (µs)", "p-time-6 B"} {
		if !seen[want] {
			t.Errorf("no comparison shows %s", want)
		}
	}
}

// nodes are records' JSON.
func nodes(t *testing.T, runs []*record.Run) (list []node) {
	t.Helper()
	for _, r := range runs {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, parseNode(t, b))
	}
	return list
}

// fewCensuses has a census in every third interval.
func fewCensuses(t *testing.T) *record.Run {
	r := sample(t, "ports")
	for i := range r.Timeline {
		if iv := &r.Timeline[i]; i%3 != 2 {
			iv.Client, iv.Server, iv.Fds, iv.MemBytes = nil, nil, 0, 0
		}
	}
	return r
}

// TestComparedGaps: where nothing completed there is no latency, and without a census no TIME_WAIT. Neither is 0.
func TestComparedGaps(t *testing.T) {
	for _, tt := range []struct {
		run  *record.Run
		head string
		want []string
	}{
		{sample(t, "exhausted"), "A_p99_us", []string{"12337.151", "", "", ""}},
		{fewCensuses(t), "B_TIME_WAIT", []string{"", "", "295", "", "", "595"}},
	} {
		c, err := compare.Compare([]*record.Run{tt.run}, []*record.Run{tt.run}, compare.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := RenderComparison(&out, View{Format: CSV, Table: "timeline"}, c); err != nil {
			t.Fatal(err)
		}
		rows := strings.Split(out.String(), "\n")
		i := slices.Index(strings.Split(rows[0], ","), tt.head)
		if i < 0 {
			t.Fatalf("no %s: %s", tt.head, rows[0])
		}
		var got []string
		for _, row := range rows[1 : 1+len(tt.want)] {
			got = append(got, strings.Split(row, ",")[i])
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.head, got, tt.want)
		}
	}
}

// TestNoComparedTimeline: intervals that differ have no medians. That is said, and no such table is there to ask for.
func TestNoComparedTimeline(t *testing.T) {
	c, err := compare.Compare([]*record.Run{sample(t, "loss")}, []*record.Run{sample(t, "veth")}, compare.Options{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	const said = "the records' intervals differ in length, so that there is no median of an interval"
	for _, v := range []View{{Format: "html"}, {Format: "text", Verbose: true}, {Format: "md"}} {
		var out bytes.Buffer
		if err := RenderComparison(&out, v, c); err != nil || strings.Count(strings.Join(strings.Fields(html.UnescapeString(out.String())), " "), said) != 1 {
			t.Errorf("%s does not say once that %s (%v)", v.Format, said, err)
		}
	}
	var out bytes.Buffer
	err = RenderComparison(&out, View{Format: CSV, Table: "timeline"}, c)
	if e, ok := errors.AsType[*TableError](err); !ok || e.Error() != `there is no table "timeline": want why, metrics, percentiles` || out.Len() > 0 {
		t.Errorf("%q, %v", out.String(), err)
	}
	// A run may be too short for a timeline, of which nobody asked.
	short := sample(t, "loss")
	short.Timeline = nil
	if err := Render(&out, View{Format: CSV}, short); err != nil || out.String() != "t_s\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := Render(&out, View{Format: CSV, Table: "timeline"}, short); err == nil {
		t.Error("a table that is not there was printed")
	}
}

// TestComparedPercentilesCSV: differences are numbers, in the unit that the heads name.
func TestComparedPercentilesCSV(t *testing.T) {
	c, err := compare.Compare([]*record.Run{sample(t, "loss")}, []*record.Run{sample(t, "veth")}, compare.Options{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := RenderComparison(&out, View{Format: CSV, Table: "percentiles"}, c); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(out.String()), "\n")
	if rows[0] != "name,A_us,B_us,difference_us,change_share" {
		t.Errorf("heads: %s", rows[0])
	}
	for _, row := range rows[1:] {
		var n [5]float64
		for i, cell := range strings.Split(row, ",")[1:] {
			if n[i+1], err = strconv.ParseFloat(cell, 64); err != nil {
				t.Errorf("%s: %q is no number", row, cell)
			}
		}
		if math.Abs(n[3]-(n[2]-n[1])) > 1e-6 || math.Abs(n[4]-(n[2]/n[1]-1)) > 1e-9 {
			t.Errorf("wrong: %s", row)
		}
	}
	var md bytes.Buffer
	if err := RenderComparison(&md, View{Format: "md"}, c); err != nil {
		t.Fatal(err)
	}
	if _, table, ok := strings.Cut(md.String(), "| A | B | difference | change |\n"); !ok || !strings.HasPrefix(table, "| --- | --: | --: | --: | --: |\n") {
		t.Errorf("differences are not to the right: %.60q", table)
	}
}
