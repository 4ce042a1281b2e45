package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/report/text"
	"lastack/sockstate/socktest/golden"
)

// render shows r in a format, of text the whole report.
func render(t testing.TB, format string, r *record.Run) []byte {
	t.Helper()
	return show(t, View{Format: format, Verbose: true}, r)
}

func show(t testing.TB, v View, runs ...*record.Run) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, v, runs...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pageLines is the most lines of a first page.
const pageLines = 40

// The pages of real records, as their run would print them.
func TestText(t *testing.T) {
	for _, name := range recorded(t) {
		t.Run(name, func(t *testing.T) {
			r := sample(t, name)
			whole := render(t, "text", r)
			checkPage(t, whole)
			golden.Check(t, filepath.Join("testdata", name+"-v.txt"), string(whole))
			flat := strings.Join(strings.Fields(string(whole)), " ")
			for _, w := range r.Warnings {
				_, words := record.SplitWarning(w)
				if !strings.Contains(flat, strings.Join(strings.Fields(words), " ")) {
					t.Errorf("the warning %q is not shown", w)
				}
			}
			first := show(t, View{Format: "text"}, r)
			checkFirst(t, first)
			golden.Check(t, filepath.Join("testdata", name+".txt"), string(first))
			for _, width := range []int{30, 40, 80, 200} {
				page := show(t, View{Format: "text", Width: width}, r)
				checkFirst(t, page)
				checkWidth(t, page, width)
			}
			checkWidth(t, show(t, View{Format: "text", Width: 30, Verbose: true}, r), 30)
		})
	}
}

func checkWidth(t *testing.T, page []byte, width int) {
	t.Helper()
	for i, l := range strings.Split(string(page), "\n") {
		if n := utf8.RuneCountInString(l); n > width {
			t.Errorf("line %d has %d columns of %d: %q", i+1, n, width, l)
		}
	}
}

// A warning keeps its subject where it does not stand below the title that names it.
func TestWarningsKeepTheirSubject(t *testing.T) {
	run, drain := sample(t, "veth"), sample(t, "drain-kill")
	run.Warnings = []string{"accounting: not read: x", "server: it listens elsewhere", "pressure.cpu: not read: y"}
	drain.Drain.Tries[0].Warnings = []string{"server: it listens elsewhere", "listener: two listen"}
	for _, tt := range []struct {
		of           *record.Run
		first, whole []string
	}{
		{run, []string{"! accounting: not read: x", "! server: it listens elsewhere"}, []string{"! not read: x", "! it listens elsewhere", "! not read: y"}},
		{drain, []string{"! server: it listens elsewhere", "! listener: two listen"}, []string{"! it listens elsewhere", "! listener: two listen"}},
	} {
		for page, want := range map[string][]string{string(show(t, View{Format: "text"}, tt.of)): tt.first, string(render(t, "text", tt.of)): tt.whole} {
			for _, w := range want {
				if strings.Count(page, w+"\n") != 1 {
					t.Errorf("no %q in\n%s", w, page)
				}
			}
		}
	}
}

// Where nothing was measured, the page says so, and no title stands over nothing.
func TestNothingMeasured(t *testing.T) {
	for want, opened := range map[string]int64{"LATENCY none measured: no connection was opened": 0, "LATENCY none measured: no connection came that far": 3} {
		r := sample(t, "refused")
		delete(r.Latency, "lag")
		r.Connections.Opened = opened
		if page := string(show(t, View{Format: "text"}, r)); !strings.Contains(strings.Join(strings.Fields(page), " "), want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// emptyTitle is a title with nothing behind or below it.
var emptyTitle = regexp.MustCompile(`(?m)^[A-Z_]+( [A-Z]+)?\n([^ ].*)?\n`)

// checkFirst is checkPage for a first page.
func checkFirst(t testing.TB, page []byte) {
	t.Helper()
	checkPage(t, page)
	if empty := emptyTitle.Find(page); empty != nil {
		t.Errorf("a title over nothing, %q:\n%s", empty, page)
	}
	if n := bytes.Count(page, []byte("\n")); n > pageLines {
		t.Errorf("a first page has %d lines, want at most %d:\n%s", n, pageLines, page)
	}
}

// Colours change nothing but the colour, and there are none unless asked for.
func TestColour(t *testing.T) {
	colours := strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[0m", "")
	for _, name := range []string{"missed", "drain-hung", "exhausted"} {
		r := sample(t, name)
		plain, coloured := string(show(t, View{Format: "text"}, r)), string(show(t, View{Format: "text", Colour: true}, r))
		if coloured == plain || colours.Replace(coloured) != plain {
			t.Errorf("%s: %q", name, coloured)
		}
	}
}

// The process of --server-pid stands beside this one, and takes no row where it is unknown.
func TestServerProcess(t *testing.T) {
	r := sample(t, "http")
	if page := string(render(t, "text", r)); strings.Contains(page, "the server") {
		t.Errorf("a server of which nothing is known:\n%s", page)
	}
	r.Pressure.Fds.ServerPeak, r.Pressure.Memory.ServerRSSPeakBytes = 1_234, 34<<20
	page := render(t, "text", r)
	checkPage(t, page)
	for _, want := range []string{"descriptors 1,234 of the server", "the server 34.0 MiB resident, peak"} {
		if !strings.Contains(strings.Join(strings.Fields(string(page)), " "), want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// A saved record shows exactly as the live one.
func TestSavedRendersAlike(t *testing.T) {
	for _, name := range recorded(t) {
		r := sample(t, name)
		var b bytes.Buffer
		if err := record.Write(&b, r); err != nil {
			t.Fatal(err)
		}
		saved, err := record.Read(&b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, f := range FormatNames() {
			if d := cmp.Diff(string(render(t, f, r)), string(render(t, f, saved))); d != "" {
				t.Errorf("%s, %s: %s", name, f, d)
			}
		}
	}
}

// checkPage holds what every page must keep.
func checkPage(t testing.TB, page []byte) {
	t.Helper()
	if !utf8.Valid(page) || !bytes.HasSuffix(page, []byte("\n")) {
		t.Error("not valid UTF-8 that ends in a newline")
	}
	for i, l := range strings.Split(string(page), "\n") {
		if utf8.RuneCountInString(l) > text.Columns {
			t.Errorf("line %d is wider than %d columns: %q", i+1, text.Columns, l)
		}
		if strings.TrimRight(l, " ") != l {
			t.Errorf("line %d ends in a space: %q", i+1, l)
		}
		if strings.ContainsFunc(l, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("line %d holds a character that is not printable: %q", i+1, l)
		}
	}
}

// The keys are a contract: all that a record of an older version holds is there still.
func TestJSON(t *testing.T) {
	for _, name := range recorded(t) {
		was, err := os.ReadFile(recordPath(name))
		if err != nil {
			t.Fatal(err)
		}
		var before, after any
		if err := errors.Join(json.Unmarshal(was, &before), json.Unmarshal(render(t, "json", saved(t, name)), &after)); err != nil {
			t.Fatal(err)
		}
		lost(t, name, before, after)
	}
}

// lost tells what of before is not in after.
func lost(t *testing.T, path string, before, after any) {
	t.Helper()
	switch b := before.(type) {
	case map[string]any:
		a, _ := after.(map[string]any)
		for k, v := range b {
			lost(t, path+"."+k, v, a[k])
		}
	case []any:
		a, _ := after.([]any)
		for i, v := range b {
			if i < len(a) {
				lost(t, fmt.Sprintf("%s[%d]", path, i), v, a[i])
			} else {
				t.Errorf("%s[%d] is lost", path, i)
			}
		}
	default:
		if before != after {
			t.Errorf("%s was %v, is %v", path, before, after)
		}
	}
}

func TestJSONL(t *testing.T) {
	r := sample(t, "exhausted")
	lines := bytes.Split(bytes.TrimSuffix(render(t, "jsonl", r), []byte("\n")), []byte("\n"))
	if len(lines) != len(r.Timeline)+1 {
		t.Fatalf("%d lines, want %d intervals and the result", len(lines), len(r.Timeline))
	}
	for i, iv := range r.Timeline {
		var got record.Interval
		if err := json.Unmarshal(lines[i], &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(iv, got); d != "" {
			t.Errorf("line %d: %s", i+1, d)
		}
	}
	rest, err := record.Read(bytes.NewReader(lines[len(lines)-1]))
	if err != nil {
		t.Fatal(err)
	}
	want := *r
	want.Timeline = nil
	if d := cmp.Diff(&want, rest, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); d != "" {
		t.Error(d)
	}
	if len(r.Timeline) == 0 {
		t.Error("the caller's record lost its timeline")
	}
}

func TestUnknownFormat(t *testing.T) {
	err := Render(io.Discard, View{Format: "pdf"}, &record.Run{})
	if err == nil || err.Error() != `unknown format "pdf", accepted are text, json, jsonl, csv, html, md, hlog` {
		t.Errorf("got %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteError(t *testing.T) {
	for _, f := range FormatNames() {
		if err := Render(brokenWriter{}, View{Format: f}, &record.Run{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: got %v, want the writer's error", f, err)
		}
	}
}

// A record from elsewhere must not be able to drive the terminal.
func TestEscapes(t *testing.T) {
	r := sample(t, "veth")
	evil := "\x1b[2J\u202e\x00\x7f\u009b31m\U000e0041\nroot# \xff" + strings.Repeat("x", 300)
	r.Warnings = []string{evil, "latency: " + evil}
	r.Plan.Command = []string{evil}
	r.Outcomes[evil] = 1
	r.Counters[evil] = 1
	r.States.Peak[evil] = map[string]int{evil: 3}
	r.Timeline[0].Client[evil] = 1 << 20
	r.Timeline[0].Phase = evil
	r.LatencyAbsent[evil] = evil
	r.Predicted.Paths[evil] = []string{evil}
	r.Accounting[0].Name = evil
	r.Groups = []record.GroupResult{{Name: evil}}
	r.Server.Outcomes[evil] = 2
	r.Pressure.Pairs[0].Source = evil
	checkFormats(t, r)
}

func TestText_mutatesNothing(t *testing.T) {
	r := sample(t, "veth")
	render(t, "text", r)
	if d := cmp.Diff(sample(t, "veth"), r); d != "" {
		t.Error(d)
	}
}

// FuzzFormats renders whatever the codec lets through, in each format.
func FuzzFormats(f *testing.F) {
	for _, name := range []string{"count-one", "refused", "exhausted", "drain-interrupted", "drain-kill"} { // the smallest: what is large is mutated slowly
		b, err := record.Marshal(sample(f, name), "")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"schema":"lastack.run/v1","connections":{"attempted":9223372036854775807,"completed":1},"outcomes":{"x":9223372036854775807}}`))
	f.Add([]byte(`{"schema":"lastack.run/v1","elapsed_s":1e18,"latency":{"connect":{"count":1,"max_us":1e18}},"timeline":[{"t_s":-1e18},{"t_s":1e18,"opened":5,"p99_us":1e18}]}`))
	f.Add([]byte(`{"schema":"lastack.run/v1","version":"<b>@x #1 $y$ [z](http://e)","warnings":["# <script>","- [ ] =1+1","1. |x|` + "`y`" + ` www.e GH-1"],"outcomes":{"=1":0,"@SUM(1)":1},"thresholds":[{"expr":"+1"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := record.Read(bytes.NewReader(b))
		if err != nil {
			return
		}
		checkFormats(t, r)
		p := NewProgress(io.Discard, true, 0)
		for i := range r.Timeline {
			if err := p.Interval(&r.Timeline[i]); err != nil {
				t.Fatal(err)
			}
		}
	})
}
