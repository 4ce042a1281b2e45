package text

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/report/document"
)

func printed(t *testing.T, doc *document.Document, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, doc, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func columns(names ...string) []document.Column {
	var out []document.Column
	for _, n := range names {
		out = append(out, document.Column{Name: n, Level: document.First, Words: n == "words"})
	}
	return out
}

func row(cells ...document.Value) document.Row {
	return document.Row{Level: document.First, Cells: cells}
}

func TestTable(t *testing.T) {
	name := func(s string) document.Value { return document.Text(s) }
	for _, tt := range []struct {
		what  string
		table document.Table
		width int
		want  string
	}{
		{
			"units stand under each other",
			document.Table{Columns: columns("", "p50", "share"), Rows: []document.Row{
				row(name("connect"), document.Micros(412), document.Share(0.5)),
				row(name("close"), document.Micros(2.1e6), document.Share(1)),
				row(name("lag"), document.Micros(0.5), nil),
			}},
			100, `
                 p50    share
  connect     412 µs  50.00 %
  close      2.10 s     100 %
  lag         500 ns
`,
		},
		{
			"counts beside sizes",
			document.Table{Columns: columns("", "peak", "words"), Rows: []document.Row{
				row(name("ports"), document.Count(28232), name("32768-60999")),
				row(name("buffers"), document.Bytes(28<<20), nil),
				row(name("queue"), document.Absent("nobody looked")),
			}},
			100, `
                 peak  words
  ports        28,232  32768-60999
  buffers    28.0 MiB
  queue             -  nobody looked
`,
		},
		{
			"words are wrapped in what is left of the line",
			document.Table{Columns: columns("", "", "words"), Rows: []document.Row{
				row(name("refused"), document.Count(3), name("nobody listened on the port when they came")),
			}},
			50, `
                words
  refused    3  nobody listened on the port when
                they came
`,
		},
		{
			"short words before other columns stand in the line",
			document.Table{Columns: columns("", "words", "n"), Rows: []document.Row{
				row(name("ports"), name("32768-60999"), document.Count(28232)),
				row(name("queue"), document.Absent("nobody looked"), document.Count(4)),
			}},
			100, `
             words             n
  ports      32768-60999  28,232
  queue      -                 4
`,
		},
		{
			"long words before other columns end their part",
			document.Table{Columns: columns("", "a", "words", "n"), Rows: []document.Row{
				row(name("refused"), document.Count(3), name("nobody listened on the port when they came"), document.Count(28232)),
			}},
			50, `
             a  words
  refused    3  nobody listened on the port when
                they came
                  n
  refused    28,232
`,
		},
		{
			"a few long names make room for the columns",
			document.Table{Columns: columns("", "first", "second"), Rows: append(slices.Repeat([]document.Row{row(name("a"), document.Micros(1), document.Micros(2))}, 9),
				row(name("counters.TcpExtTCPFromZeroWindowAdv"), document.Micros(1), document.Micros(2)))},
			52, `
                                     first   second
` + strings.Repeat("  a                                1.00 µs  2.00 µs\n", 9) + `  counters.TcpExtTCPFromZeroWindowAdv
                                   1.00 µs  2.00 µs
`,
		},
		{
			"columns that find no room go on under the others",
			document.Table{Columns: columns("", "first", "second", "third", "last"), Rows: []document.Row{
				row(name("a"), document.Micros(1), document.Micros(2), document.Micros(3), document.Count(4)),
			}},
			40, `
               first   second    third
  a          1.00 µs  2.00 µs  3.00 µs
             last
  a             4
`,
		},
		{
			"a long name has a line of its own",
			document.Table{Columns: columns("", "n"), Rows: []document.Row{
				row(name("a name that is longer than its column"), document.Count(1)),
			}},
			40, `
                            n
  a name that is longer than its column
                            1
`,
		},
		{
			"why a row has no values stands under a table without words",
			document.Table{Columns: columns("", "p50", "p99"), Rows: []document.Row{
				row(name("close"), document.Absent("not measured")),
				row(name("connect"), document.Micros(1), document.Micros(2)),
			}},
			100, `
                 p50      p99
  connect    1.00 µs  2.00 µs
  close      not measured
`,
		},
		{
			"rows are indented under those that are shown",
			document.Table{Columns: columns("requests", "n"), Rows: []document.Row{
				{Indent: 1, Level: document.First, Cells: []document.Value{name("sent"), document.Count(1)}},
				{Indent: 1, Cells: []document.Value{name("not on the page"), document.Count(2)}},
				{Indent: 2, Level: document.First, Cells: []document.Value{name("by FIN"), document.Count(3)}},
				{Level: document.First, Cells: []document.Value{name("connections")}},
				{Indent: 1, Level: document.First, Cells: []document.Value{name("open"), document.Count(4)}},
			}},
			100, `
  requests     n
    sent       1
    by FIN     3
  connections
    open       4
`,
		},
		{
			"text is to the left, what is mixed to the right",
			document.Table{Columns: columns("", "word", "mixed"), Rows: []document.Row{
				row(name("a"), name("ok"), document.Count(12345)),
				row(name("b"), name("MISMATCH"), name("ok")),
			}},
			100, `
             word       mixed
  a          ok        12,345
  b          MISMATCH      ok
`,
		},
	} {
		tt.table.Level = document.First
		doc := &document.Document{Title: "x", Sections: []document.Section{{ID: "s", Level: document.First, Blocks: []document.Block{&tt.table}}}}
		got := printed(t, doc, Options{Width: tt.width})
		_, got, _ = strings.Cut(got, "\n")
		got, _, _ = strings.Cut(got, "\n\n-v ")
		if d := cmp.Diff(strings.Trim(tt.want, "\n"), strings.Trim(got, "\n")); d != "" {
			t.Errorf("%s: %s\n%s", tt.what, d, got)
		}
	}
}

// A first page has what it must, however much there is, and says what it leaves out.
func TestFirstPage(t *testing.T) {
	var many []document.Finding
	var rows []document.Row
	var events []document.Event
	for range 60 {
		many = append(many, document.Finding{Sentence: "the machine's two CPUs were full " + strings.Repeat("and full ", 30)})
		rows = append(rows, row(document.Text("row"), document.Count(1)))
		events = append(events, document.Event{Level: document.First, At: 0.001, What: "something happened"})
	}
	doc := &document.Document{Title: "lastack run", Asked: strings.Repeat("much ", 30), Sections: []document.Section{
		{ID: "verdict", Title: "VERDICT", Lead: "valid", Level: document.First, Blocks: []document.Block{document.List{Level: document.First, Name: "because", Findings: many}}},
		{ID: "warnings", Title: "WARNINGS", Level: document.First},
		{ID: "rates", Title: "RATES", Lead: "fast", Level: document.First},
		{ID: "connections", Title: "CONNECTIONS", Lead: "some", Level: document.First},
		{ID: "fates", Title: "FATES", Level: document.First, Lead: "of all", Blocks: []document.Block{&document.Table{Level: document.First, Columns: columns("", ""), Rows: rows}}},
		{ID: "timeline", Title: "TIMELINE", Level: document.First, Blocks: []document.Block{&document.Chart{Level: document.First, Events: events}}},
		{ID: "tcp_info", Title: "TCP_INFO", Lead: "of a few"},
	}, Warnings: []document.Warning{
		{Text: "the numbers mean something else", Level: document.First}, {Section: "rates", Text: "a detail"},
	}}
	got := printed(t, doc, Options{Hint: "-o FILE saves the record"})
	if n := strings.Count(got, "\n"); n > pageLines {
		t.Errorf("%d lines", n)
	}
	for _, want := range []string{
		"VERDICT      valid\n", "  ! the numbers mean something else\n  and 1 more (-v)\n", "\nRATES        fast\nCONNECTIONS  some\n", "… (-v)\n", "more (-v)\n",
		"-v adds TCP_INFO, all tables; -o FILE saves the record\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	whole := printed(t, doc, Options{All: true})
	for want, n := range map[string]int{"the machine's": 60, "\n  row": 60, "something happened": 60, "RATES        fast\n  ! a detail\n": 1, "TCP_INFO     of a few\n": 1, "(-v)": 0} {
		if strings.Count(whole, want) != n {
			t.Errorf("%q is there %d times, want %d", want, strings.Count(whole, want), n)
		}
	}
}

// A section with nothing on the page has no title there.
func TestNothingBelowTitle(t *testing.T) {
	empty := document.Section{ID: "latency", Title: "LATENCY", Level: document.First, Blocks: []document.Block{document.Note{Text: "a detail"}}}
	doc := &document.Document{Title: "x", Sections: []document.Section{{ID: "a", Title: "A", Lead: "one", Level: document.First}, empty, {ID: "b", Title: "B", Lead: "two", Level: document.First}}}
	if got := printed(t, doc, Options{}); !strings.Contains(got, "A            one\nB            two\n") {
		t.Errorf("got %q", got)
	}
	if got := printed(t, doc, Options{All: true}); !strings.Contains(got, "LATENCY\n  a detail\n") {
		t.Errorf("got %q", got)
	}
}

// Where only details are doubted, the first page says that they are.
func TestOnlyDetailsDoubted(t *testing.T) {
	doc := &document.Document{Title: "x", Sections: []document.Section{{ID: "warnings", Title: "WARNINGS", Level: document.First}}, Warnings: []document.Warning{{Text: "a detail"}}}
	if got := printed(t, doc, Options{}); !strings.Contains(got, "WARNINGS     1 that no number of this page is about (-v)\n") {
		t.Errorf("got %q", got)
	}
	if got := printed(t, doc, Options{All: true}); !strings.Contains(got, "WARNINGS\n  ! a detail\n") {
		t.Errorf("got %q", got)
	}
}

func TestColour(t *testing.T) {
	doc := &document.Document{Title: "x", Sections: []document.Section{{ID: "v", Title: "VERDICT", Lead: "NOT VALID", Tone: document.Bad, Level: document.First, Blocks: []document.Block{
		&document.Table{Level: document.First, Columns: columns("", "n"), Rows: []document.Row{{Level: document.First, Tone: document.Good, Cells: []document.Value{document.Text("met"), document.Count(1)}}}},
	}}}}
	if got := printed(t, doc, Options{}); strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
	got := printed(t, doc, Options{Colour: true})
	for _, want := range []string{"VERDICT      \x1b[31mNOT VALID\x1b[0m\n", "  \x1b[32mmet      \x1b[0m"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

// A number and its unit stay on one line.
func TestWrapUnits(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  string
	}{
		{"idle 3.0 %, more", 8, "idle|3.0 %,|more"},
		{"took 12 ms.", 7, "took|12 ms."},
		{"a % of s", 4, "a %|of s"},
		{"in 5 B or", 4, "in|5 B|or"},
	} {
		if got := strings.Join(wrap(tt.text, tt.width), "|"); got != tt.want {
			t.Errorf("wrap(%q, %d) = %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}

// What is main stays on a page that has no room for all, and a text that is too long there has a brief one in its place.
func TestMainStays(t *testing.T) {
	var rows []document.Row
	var events []document.Event
	for i := range 40 {
		main := i%10 == 5
		if i%10 == 0 {
			rows = append(rows, row(document.Text("head "+string('a'+rune(i/10)))))
		}
		rows = append(rows, document.Row{Level: document.First, Main: main, Indent: 1, Cells: []document.Value{document.Text("row"), document.Count(i)}})
		events = append(events, document.Event{Level: document.First, Main: main, At: float64(i), What: "event"})
	}
	doc := &document.Document{Title: "x", Sections: []document.Section{
		{ID: "asked", Level: document.First, Blocks: []document.Block{document.Fact{Level: document.First, Name: "load", Text: strings.Repeat("many words ", 80), Brief: "few words"}}},
		{ID: "timeline", Title: "TIMELINE", Level: document.First, Blocks: []document.Block{&document.Chart{Level: document.First, Events: events}}},
		{ID: "fates", Title: "FATES", Level: document.First, Lead: "of all", Blocks: []document.Block{&document.Table{Level: document.First, Columns: columns("", ""), Rows: rows}}},
	}}
	got := printed(t, doc, Options{})
	for _, want := range []string{
		"  load       few words\n", "  +5.000 s  event\n", " +15.000 s  event\n", " +35.000 s  event\n", "    row       5\n", "  head b\n    row      15\n", "    row      35\n", " more (-v)\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if whole := printed(t, doc, Options{All: true}); strings.Contains(whole, "few words") || strings.Count(whole, "event") != 40 {
		t.Errorf("the whole report:\n%s", whole)
	}
}

// A page without room for blank lines has those that fit in the end.
func TestDense(t *testing.T) {
	p := page{width: 20, dense: true}
	for _, l := range []string{"one", "two", "three"} {
		p.blank()
		p.raw(l)
	}
	p.unblank(1)
	p.fillGaps(4)
	if got := strings.Join(p.lines, "|"); got != "|one|two|three" {
		t.Errorf("got %q", got)
	}
	p.fillGaps(3)
	if len(p.lines) != 4 {
		t.Errorf("%q, of which there is no room for more", p.lines)
	}
}

func TestChangesAndChances(t *testing.T) {
	for _, tt := range []struct {
		value document.Value
		want  string
	}{
		{document.Points(0), "0 points"},
		{document.Longer(0), "0 s"},
		{document.Longer(293.4), "+293 µs"},
		{document.Longer(-1500), "-1.50 ms"},
		{document.Points(0.0029), "+0.29 points"},
		{document.Points(-0.5), "-50 points"},
		{document.Points(0.00002), "+0.002 points"},
		{document.Change(0), "0 %"},
		{document.Change(0.00004), "0 %"},
		{document.Change(-0.0005), "-0.05 %"},
		{document.Change(0.05), "+5.00 %"},
		{document.Change(-0.123), "-12.3 %"},
		{document.Change(-1), "-100 %"},
		{document.Change(1.5), "+150 %"},
		{document.Change(49.57), "+4,960 %"},
		{document.Change(math.Inf(1)), "+1,000,000,000,000,000,000 %"},
		{document.Chance(1), "1.000"},
		{document.Chance(0.0079), "0.008"},
		{document.Chance(0.0004), "<0.001"},
	} {
		if got := Value(tt.value); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.value, got, tt.want)
		}
	}
}
