package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/compare"
	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/report/document"
	"lastack/sockstate/socktest/golden"
)

// samplesFrom reads sets of records that package compare is tested with.
func samplesFrom(t *testing.T, name string) (all map[string][]*record.Run) {
	t.Helper()
	golden.Decode(t, filepath.Join("..", "bench", "compare", "testdata", name+".json.gz"), &all)
	return all
}

// The pages of comparisons of recorded runs, see package compare: of the same build, of a server that became slower, of one run a side, of a mixed
// side with thresholds, and of a server that is stopped otherwise.
func TestComparisonPages(t *testing.T) {
	all, drains := samplesFrom(t, "runs"), samplesFrom(t, "drains")
	bounds := func(kind string, exprs ...string) (list []metric.Relative) {
		for _, expr := range exprs {
			r, err := metric.ParseRelative(func(name string) (metric.Metric, error) { return metric.Lookup(kind, name) }, expr)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, r)
		}
		return list
	}
	same, slow := all["p"], all["s"]
	one := func(r record.Run, us int64) []*record.Run {
		h := record.NewHistogram()
		for i := range int64(1000) {
			if err := h.RecordValue((us + i*i/500) * 1000); err != nil {
				t.Fatal(err)
			}
		}
		l, err := record.NewLatency(h)
		if err != nil {
			t.Fatal(err)
		}
		r.Latency = map[string]record.Latency{"lifecycle": l}
		r.Timeline = []record.Interval{{TS: 1, Completed: 500, P50Us: float64(us), P99Us: 9000, MaxUs: 9000}, {TS: 2, Completed: 510, P50Us: float64(us), P99Us: 8000, MaxUs: 9000}}
		return []*record.Run{&r}
	}
	// A and B in turn, as they were measured.
	turn := func(runs []*record.Run, begin int) (list []*record.Run) {
		for i := begin; i < 10; i += 2 {
			list = append(list, runs[i])
		}
		return list
	}
	for _, tt := range []struct {
		name string
		a, b []*record.Run
		o    compare.Options
	}{
		{"same", turn(same, 0), turn(same, 1), compare.Options{Thresholds: bounds(record.KindRun, "lifecycle.p99<+5%", "lifecycle.min<+2%", "connect.p99<+5%")}},
		{"slower", slow[:10], all["t"][:10], compare.Options{}},
		{"single", one(*slow[0], 5000), one(*all["t"][0], 5250), compare.Options{}},
		{"mixed", append(turn(slow, 0), same[0]), all["t"][:5], compare.Options{Thresholds: bounds(record.KindRun, "lifecycle.p50<+5%", "connections.failed<=+0", "close.p99<+1ms")}},
		{"few", slow[:3], all["t"][:3], compare.Options{Thresholds: bounds(record.KindRun, "lifecycle.p50<+5%", "lifecycle.min<+2%")}},
		{"drain", drains["term"], drains["kill"], compare.Options{Thresholds: bounds(record.KindDrain, "lost<=+0", "refused_window<+5%")}},
	} {
		for _, side := range []struct {
			name string
			runs []*record.Run
			to   *[]string
		}{{"a", tt.a, &tt.o.NamesA}, {"b", tt.b, &tt.o.NamesB}} {
			for i := range side.runs {
				*side.to = append(*side.to, fmt.Sprintf("%s%d.json", side.name, i+1))
			}
		}
		c, err := compare.Compare(tt.a, tt.b, tt.o)
		if err != nil {
			t.Fatal(err)
		}
		var first, whole bytes.Buffer
		if err := RenderComparison(&first, View{Format: "text"}, c); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(first.String(), "\n"); n > 40 {
			t.Errorf("%s: the first page has %d lines", tt.name, n)
		}
		if err := RenderComparison(&whole, View{Format: "text", Verbose: true}, c); err != nil {
			t.Fatal(err)
		}
		golden.Check(t, filepath.Join("testdata", "compare_"+tt.name+".txt"), first.String())
		var md bytes.Buffer
		if err := RenderComparison(&md, View{Format: "md"}, c); err != nil {
			t.Fatal(err)
		}
		if tt.name == "slower" || tt.name == "drain" {
			golden.Check(t, filepath.Join("testdata", "compare_"+tt.name+".md"), md.String())
		}
		if n := strings.Count(md.String(), "\n"); n > 60 {
			t.Errorf("%s: md has %d lines", tt.name, n)
		}
		for i, l := range strings.Split(whole.String(), "\n") {
			if n := utf8.RuneCountInString(l); n > 100 {
				t.Errorf("%s: line %d has %d columns: %s", tt.name, i+1, n, l)
			}
		}
		if page := comparisonPage(t, c); page != comparisonPage(t, c) {
			t.Errorf("%s: the same comparison makes different pages", tt.name)
		}
		if tt.name == "mixed" || tt.name == "single" || tt.name == "drain" {
			golden.Check(t, filepath.Join("testdata", "compare_"+tt.name+"_v.txt"), whole.String())
		}
		var b bytes.Buffer
		if err := RenderComparison(&b, View{Format: "json"}, c); err != nil || !json.Valid(b.Bytes()) {
			t.Errorf("%s: json is not valid (%v)", tt.name, err)
		}
	}
}

// Files of one name in two directories stay apart.
func TestComparedNames(t *testing.T) {
	for _, tt := range []struct {
		a, b         []string
		wantA, wantB string
	}{
		{[]string{"before/1.json", "before/2.json"}, []string{"after/1.json"}, "before/1.json, before/2.json", "after/1.json"},
		{[]string{"/tmp/x/before/1.json"}, []string{"/tmp/x/after/1.json"}, "before/1.json", "after/1.json"},
		{[]string{"runs/a1.json", "runs/a2.json"}, []string{"runs/b1.json"}, "a1.json, a2.json", "b1.json"},
		{[]string{"a.json"}, []string{"standard input"}, "a.json", "standard input"},
		{[]string{"runs/a.json"}, []string{"runs/a.json"}, "a.json", "a.json"},
	} {
		c := &compare.Comparison{A: compare.Side{Names: tt.a}, B: compare.Side{Names: tt.b}}
		want := []document.Block{document.Fact{Level: document.First, Name: "A", Text: tt.wantA}, document.Fact{Level: document.First, Name: "B", Text: tt.wantB}}
		if d := cmp.Diff(want, comparedSides(c).Blocks); d != "" {
			t.Errorf("%v, %v: %s", tt.a, tt.b, d)
		}
	}
}
