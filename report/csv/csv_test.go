package csv

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/report/document"
)

func TestWrite(t *testing.T) {
	table := &document.Table{
		Columns: []document.Column{{}, {Name: "peak"}, {Name: "used"}, {Name: "at the end"}, {Name: "at the end"}, {Words: true}},
		Rows: []document.Row{
			{Cells: []document.Value{document.Text("=1+1"), document.Count(1234567), document.Share(0.5), document.Micros(-1.5), document.Text("x"), document.Text("@a, \"b\"")}},
			{Indent: 1, Cells: []document.Value{document.Text("a\nb\x1b"), document.Bytes(5), nil, document.Since(math.NaN()), document.Count(2), document.Text(" -2")}},
			{Indent: 2, Cells: []document.Value{document.Text("c"), document.Range{Min: 1, Max: 2}, document.Usage(1.25), document.Rate(1e15), document.Points(-0.0029)}},
			{Cells: []document.Value{document.Text("＝d"), document.Absent("not measured: +x")}},
		},
	}
	doc := &document.Document{Sections: []document.Section{
		{ID: "one", Blocks: []document.Block{table, &document.Table{ID: "web blue"}, &document.Table{ID: "web/blue", Columns: []document.Column{{}, {Name: "n"}}}}},
		{ID: Timeline, Blocks: []document.Block{&document.Chart{
			Step: 0.1, Times: []float64{0.1, 0.2}, Events: []document.Event{{At: -0.5, What: "+signal"}},
			Series: []document.Series{
				{Side: "client", Name: "TIME_WAIT", Points: []float64{1, 2}},
				{Name: "opened/s", Kind: document.Speed, Points: []float64{1.5, 1e3}},
				{Name: "p50", Kind: document.Duration, Points: []float64{7}},
			},
		}}},
	}}
	for _, tt := range []struct {
		table string
		want  []string
	}{
		{"one", []string{
			"name,under,peak,peak_bytes,peak_min,peak_max,used_share,at_the_end_us,at_the_end_s,at_the_end_per_s,at_the_end_2_text,at_the_end_2,at_the_end_2_points,note,absent",
			`'=1+1,,1234567,,,,0.5,-1.5,,,x,,,"'@a, ""b""",`,
			`a b\x1b,'=1+1,,5,,,,,,,,2,,' -2,`,
			`c,'=1+1 / a b\x1b,,,1,2,1.25,,,1e+15,,,-0.29,,`,
			`'＝d,,,,,,,,,,,,,,not measured: +x`,
		}},
		{"one.web_blue", []string{""}},
		{"one.web_blue.2", []string{"name,n"}},
		{Timeline, []string{"from_s,to_s,client_TIME_WAIT,opened_per_s,p50_us", "0.1,0.2,1,1.5,7", "0.2,0.3,2,1000,"}},
		{"timeline.events", []string{"t_s,event", "-0.5,'+signal"}},
	} {
		var b bytes.Buffer
		if err := Write(&b, []*document.Document{doc}, tt.table); err != nil {
			t.Errorf("%s: %v", tt.table, err)
		}
		if d := cmp.Diff(strings.Join(tt.want, "\n")+"\n", b.String()); d != "" {
			t.Errorf("%s: %s", tt.table, d)
		}
	}
	err := Write(&bytes.Buffer{}, []*document.Document{doc}, "two")
	if e, ok := errors.AsType[*UnknownTableError](err); !ok || e.Name != "two" || strings.Join(e.Known, " ") != "one one.web_blue one.web_blue.2 timeline timeline.events" {
		t.Errorf("got %v", err)
	}
}

// A point of time has its date where the document has one, and a gap is an empty cell.
func TestDates(t *testing.T) {
	doc := &document.Document{Start: time.Date(2026, 11, 27, 12, 0, 0, 250e6, time.FixedZone("", 3600)), Sections: []document.Section{{ID: Timeline, Blocks: []document.Block{
		&document.Chart{Times: []float64{0.5, 60, 1e300}, Series: []document.Series{{Name: "p50", Kind: document.Duration, Points: []float64{1, math.NaN(), math.Inf(1)}}}},
	}}, {ID: "drain", Blocks: []document.Block{&document.Chart{Times: []float64{1}, Zero: "the signal"}}}}}
	for table, want := range map[string]string{
		Timeline: "t_s,time,p50_us\n0.5,2026-11-27T11:00:00.750Z,1\n60,2026-11-27T11:01:00.250Z,\n1e+300,,\n",
		"drain":  "t_s\n1\n",
	} {
		var b bytes.Buffer
		if err := Write(&b, []*document.Document{doc}, table); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, b.String()); d != "" {
			t.Errorf("%s: %s", table, d)
		}
	}
}

// Rows of several documents stand under the columns of all.
func TestSeveral(t *testing.T) {
	chart := func(name string, points ...float64) *document.Document {
		c := &document.Chart{Times: points, Series: []document.Series{{Name: name, Points: points}}}
		return &document.Document{Name: "of " + name, Sections: []document.Section{{ID: Timeline, Blocks: []document.Block{c}}}}
	}
	var b bytes.Buffer
	if err := Write(&b, []*document.Document{chart("a", 1, 2), {Name: "none"}, chart("b", 3)}, Timeline); err != nil {
		t.Fatal(err)
	}
	if want := "record,t_s,a,b\nof a,1,1,\nof a,2,2,\nof b,3,,3\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}

	table := func(name string, p50 document.Micros) *document.Document {
		t := &document.Table{Columns: []document.Column{{}, {Name: "p50"}}, Rows: []document.Row{{Cells: []document.Value{document.Text("close"), p50}}}}
		return &document.Document{Name: name, Sections: []document.Section{{ID: "latency", Blocks: []document.Block{t}}}}
	}
	b.Reset()
	if err := Write(&b, []*document.Document{table("a", 1), table("b", 2)}, "latency"); err != nil {
		t.Fatal(err)
	}
	if want := "record,name,p50_us\na,close,1\nb,close,2\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// A head says what its column has, also of a column without a name, and a text of one character is no formula.
func TestHeads(t *testing.T) {
	text := func(s string) document.Value { return document.Text(s) }
	for _, tt := range []struct {
		columns []document.Column
		cells   []document.Value
		want    string
	}{
		{[]document.Column{{}, {}, {}, {Words: true}}, []document.Value{text("a"), document.Count(1), document.Share(0.5), nil}, "name,count,share,note\na,1,0.5,\n"},
		{[]document.Column{{}, {}, {}}, []document.Value{text("a"), document.Rate(1), nil}, "name,rate_per_s\na,1\n"},
		{[]document.Column{{}, {}, {}, {Name: "share"}}, []document.Value{text("a"), document.Usage(1), document.Change(2), document.Share(3)}, "name,share,share_2,share_3_share\na,1,2,3\n"},
		{[]document.Column{{}, {}}, []document.Value{text("a"), document.Micros(7)}, "name,time_us\na,7\n"},
		{[]document.Column{{}, {}}, []document.Value{text("a"), document.Since(7)}, "name,at_s\na,7\n"},
		{[]document.Column{{}, {}}, []document.Value{text("a"), document.Bytes(7)}, "name,size_bytes\na,7\n"},
		{[]document.Column{{}, {}}, []document.Value{text("a"), document.Range{Min: 1, Max: 2}}, "name,count_min,count_max\na,1,2\n"},
		{[]document.Column{{Key: "outcome"}, {Key: "result"}, {Name: "at the end", Key: "client at the end"}}, []document.Value{text("a"), text("="), document.Count(3)}, "outcome,result,client_at_the_end\na,=,3\n"},
		{[]document.Column{{}, {}, {}}, []document.Value{text("-"), text("x"), text("==")}, "name,value,value_2\n-,x,'==\n"},
	} {
		table := &document.Table{Columns: tt.columns, Rows: []document.Row{{Cells: tt.cells}}}
		var b bytes.Buffer
		if err := Write(&b, []*document.Document{{Sections: []document.Section{{ID: "one", Blocks: []document.Block{table}}}}}, "one"); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tt.want, b.String()); d != "" {
			t.Error(d)
		}
	}
}
