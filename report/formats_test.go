package report

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	csvformat "lastack/report/csv"
	"lastack/report/document"
	"lastack/report/markdown"
	"lastack/report/text"
	"lastack/sockstate/socktest/golden"
)

// checkFormats renders r in each format and checks what every reader of it relies on, whoever made the record.
func checkFormats(t testing.TB, r *record.Run) {
	t.Helper()
	checks := map[string]func(testing.TB, []byte){"text": checkPage, "md": checkMarkdown, "csv": checkCSV, "hlog": checkHlog, "html": checkHTML}
	for _, format := range FormatNames() {
		var b bytes.Buffer
		if err := Render(&b, View{Format: format, Verbose: true}, r); err != nil {
			if format != "hlog" || !strings.Contains(err.Error(), "histogram") || b.Len() > 0 {
				t.Errorf("%s: %v", format, err)
			}
			continue
		}
		if bytes.ContainsFunc(b.Bytes(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("%s: a character that is not printable", format)
		}
		if check := checks[format]; check != nil && (format != "md" || !newDocument(r).Long) {
			check(t, b.Bytes())
		}
	}
	if !newDocument(r).Long {
		checkFirst(t, show(t, View{Format: "text"}, r))
	}
	docs := []*document.Document{newDocument(r)}
	for _, table := range tables(t, r) {
		var b bytes.Buffer
		if err := csvformat.Write(&b, docs, table); err != nil {
			t.Error(err)
		}
		checkCSV(t, b.Bytes())
	}
}

// tables lists the tables of a record's report.
func tables(t testing.TB, r *record.Run) []string {
	t.Helper()
	err := Render(&bytes.Buffer{}, View{Format: "csv", Table: "no such table"}, r)
	unknown, ok := errors.AsType[*TableError](err)
	if !ok || unknown.Name != "no such table" {
		t.Fatalf("%v, want a TableError", err)
	}
	return unknown.Known
}

// What a page of Markdown may have of it, beside text: own markup, and escapes.
var (
	ownMarkup = regexp.MustCompile("^(### |- |  - )|^<details><summary>[^<>]*</summary>$|^</details>$|^`--format text -v` adds |^\\| (-[-:]* \\| ?)+$")
	escapes   = regexp.MustCompile(`\\[!-/:-@\[-` + "`" + `{-~]|<span>\$</span>|[\pL\pN@#:%-]&#8203;|&nbsp;|[\pL\pN]_[\pL\pN]|\*\*`)
	markup    = regexp.MustCompile("[<>`\\[\\]*&$@#~!\\\\]|://|(?i:www\\.)|^[-+=]|^[0-9]+[.)]|_|\\b[0-9a-fA-F]{7,}\\b|:[A-Za-z][A-Za-z0-9_+-]*:")
)

// withoutCode leaves out the code spans of a line (CommonMark 6.1).
func withoutCode(l string) string {
	run := func(s string) int { return len(s) - len(strings.TrimLeft(s, "`")) }
	var b strings.Builder
	for l != "" {
		n := run(l)
		switch {
		case l[0] == '\\' && len(l) > 1:
			n = 2
		case n == 0:
			n = 1
		default:
			end := n
			for end < len(l) && run(l[end:]) != n {
				end += max(1, run(l[end:]))
			}
			if end < len(l) {
				l = l[end+n:]
				continue
			}
		}
		b.WriteString(l[:n])
		l = l[n:]
	}
	return b.String()
}

// checkMarkdown holds that a page is short, and has no markup but its own.
func checkMarkdown(t testing.TB, page []byte) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(string(page), "\n"), "\n")
	if len(lines) > markdown.Lines {
		t.Errorf("%d lines, want at most %d:\n%s", len(lines), markdown.Lines, page)
	}
	columns, fence := 0, ""
	for _, l := range lines {
		// Lines to copy are text up to a line like the first.
		if fenced := strings.TrimLeft(l, " "); fence != "" || strings.HasPrefix(fenced, "```") {
			switch {
			case fence == "":
				fence = fenced
			case fenced == fence:
				fence = ""
			}
			continue
		}
		rest := ownMarkup.ReplaceAllString(withoutCode(l), "")
		for {
			again := escapes.ReplaceAllString(rest, "x")
			if again == rest {
				break
			}
			rest = again
		}
		if n := strings.Count(rest, "|"); strings.HasPrefix(rest, "|") {
			if columns == 0 {
				columns = n
			}
			if n != columns {
				t.Errorf("%d cells, and %d above, in %q", n-1, columns-1, l)
			}
		} else if n > 0 {
			t.Errorf("a table's border in %q", l)
		} else if !strings.HasPrefix(l, "|") {
			columns = 0
		}
		if m := markup.FindString(rest); m != "" {
			t.Errorf("markup %q in %q", m, l)
		}
	}
}

// checkCSV holds that a table has as many cells in each row, and that no cell is a formula.
func checkCSV(t testing.TB, page []byte) {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(page)).ReadAll()
	if err != nil {
		t.Fatalf("%v in\n%s", err, page)
	}
	if len(rows) == 0 {
		t.Error("there is no row of names")
	}
	for i, row := range rows {
		for j, cell := range row {
			number := isNumber(cell)
			if first := strings.TrimSpace(cell); first != "" && !number && len(first) > 1 && strings.ContainsAny(first[:1], "=+-@") {
				t.Errorf("row %d: %q is a formula", i, cell)
			}
			if i > 0 && cell != "" && number != isNumber(firstOf(rows, j)) && !mayLookLikeNumber(rows[0][j]) {
				t.Errorf("column %q has %q, and %q", rows[0][j], firstOf(rows, j), cell)
			}
		}
	}
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// firstOf is the first cell of a column that is not empty.
func firstOf(rows [][]string, column int) string {
	for _, r := range rows[1:] {
		if r[column] != "" {
			return r[column]
		}
	}
	return ""
}

// mayLookLikeNumber is for names from a record, which may be anything.
func mayLookLikeNumber(column string) bool {
	return slices.Contains([]string{"name", "note", "phase", "event", "under", "absent", "value"}, column) || strings.HasSuffix(column, "_text") || strings.Contains(column, "requests")
}

// checkHlog holds that each line has the fields of its format.
func checkHlog(t testing.TB, page []byte) {
	t.Helper()
	for l := range strings.Lines(string(page)) {
		fields := strings.Split(strings.TrimSuffix(l, "\n"), ",")
		if !strings.HasPrefix(l, "Tag=") {
			if !strings.HasPrefix(l, "#[") && !strings.HasPrefix(l, `"StartTimestamp"`) {
				t.Errorf("a line of no kind: %q", l)
			}
			continue
		}
		if len(fields) != 5 || !isNumber(fields[1]) || !isNumber(fields[2]) || !isNumber(fields[3]) || strings.ContainsAny(fields[0], " \t") {
			t.Errorf("not the fields of an interval: %q", l)
		}
	}
}

// Pages and tables of real records.
func TestFormats(t *testing.T) {
	for _, name := range recorded(t) {
		t.Run(name, func(t *testing.T) { checkFormats(t, sample(t, name)) })
	}
	for _, name := range []string{"exhausted", "open-loop", "missed", "ports", "drain-nginx-quit", "drain-repeat", "plan", "plan-leak"} {
		golden.Check(t, filepath.Join("testdata", name+".md"), string(render(t, "md", sample(t, name))))
		golden.Check(t, filepath.Join("testdata", name+".csv"), string(render(t, "csv", sample(t, name))))
	}
	tuned := sample(t, "tune-fin")
	golden.Check(t, filepath.Join("testdata", "tune-fin.md"), string(render(t, "md", tuned)))
	golden.Check(t, filepath.Join("testdata", "tune-fin.csv"), string(show(t, View{Format: "csv", Table: "tried"}, tuned)))
	golden.Check(t, filepath.Join("testdata", "tune-fin.conf"), string(render(t, Conf, tuned)))
}

// Each number of a timeline is the record's.
func TestCSVTimeline(t *testing.T) {
	r := sample(t, "exhausted")
	rows, err := csv.NewReader(bytes.NewReader(render(t, "csv", r))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(r.Timeline)+1 {
		t.Fatalf("%d rows of %d intervals", len(rows)-1, len(r.Timeline))
	}
	for i := range r.Timeline {
		iv := &r.Timeline[i]
		want := map[string]float64{
			"t_s": iv.TS, "in_flight": float64(iv.InFlight), "started": float64(iv.Started), "opened": float64(iv.Opened), "completed": float64(iv.Completed),
			"failed": float64(iv.Failed), "requests": float64(iv.Requests), "lifecycle_p50_us": iv.P50Us, "lifecycle_p99_us": iv.P99Us, "lifecycle_max_us": iv.MaxUs,
			"client_TIME_WAIT": float64(iv.Client["TIME_WAIT"]), "ports_in_use": float64(iv.PortsInUse), "descriptors": float64(iv.Fds), "TCP_buffers_bytes": float64(iv.MemBytes),
		}
		got := make(map[string]float64)
		for j, head := range rows[0] {
			if _, ok := want[head]; ok {
				if rows[i+1][j] == "" && strings.HasPrefix(head, "lifecycle_") {
					got[head] = 0 // none ended
				} else if got[head], err = strconv.ParseFloat(rows[i+1][j], 64); err != nil {
					t.Error(err)
				}
			}
		}
		if at, err := time.Parse(time.RFC3339, rows[i+1][1]); rows[0][1] != "time" || err != nil || at.Sub(r.Started.Add(time.Duration(iv.TS*1e9))).Abs() > time.Millisecond {
			t.Errorf("interval %d: %s is %s, %v", i, rows[0][1], rows[i+1][1], err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("interval %d: %s", i, d)
		}
	}
}

// The heads of the tables say what their columns have.
func TestCSVHeads(t *testing.T) {
	for _, tt := range []struct{ record, table, want string }{
		{"exhausted", "rates", "name,rate_per_s,note"},
		{"exhausted", "connections", "name,under,count,share,note"},
		{"loss", "tcp_states", "name,client_peak,client_at_the_end,server_peak,server_at_the_end,absent"},
		{"exhausted", "time_wait", "name,count,time_us,note"},
		{"exhausted", "accounting", "name,expected_min,expected_max,counted,result,note"},
		{"exhausted", "predicted", "kernel_counter,predicted_min,predicted_max,counted,result,note"},
		{"exhausted", "cpu", "name,under,time_us,share,note"},
		{"drain-kill", "thresholds", "result,threshold,note"},
		{"drain-repeat", "listener", "name,under,at_s,time_us,count,note,absent"},
		{"drain-repeat", "reconnect", "name,under,count,at_s,note"},
		{"drain-repeat", "left_behind", "name,count,value,note"},
		{"sweep-found", "searches", "name,block,offered_per_s,completed_per_s,took_us,failed,result,why_not"},
	} {
		page := show(t, View{Format: "csv", Table: tt.table}, sample(t, tt.record))
		if got, _, _ := strings.Cut(string(page), "\n"); got != tt.want {
			t.Errorf("%s of %s: %s, want %s", tt.table, tt.record, got, tt.want)
		}
	}
}

// The timeline of a drain has the slices of every try, with its number, and so have its events.
func TestCSVOfTries(t *testing.T) {
	r := sample(t, "drain-repeat")
	var slices, moments, answered []string
	for i := range r.Drain.Tries {
		try := &r.Drain.Tries[i]
		for j := range try.Slices {
			slices = append(slices, fmt.Sprintf("%d %s", i+1, text.Exact(try.Slices[j].TS)))
			answered = append(answered, strconv.FormatInt(try.Slices[j].Completed, 10))
		}
		for _, m := range try.Moments[:min(len(try.Moments), eventsShown)] {
			moments = append(moments, fmt.Sprintf("%d %s", i+1, text.Exact(m.TS)))
		}
	}
	for table, want := range map[string][]string{"timeline": slices, "timeline.events": moments} {
		rows, err := csv.NewReader(bytes.NewReader(show(t, View{Format: "csv", Table: table}, r))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if rows[0][0] != "try" {
			t.Fatalf("%s: %v", table, rows[0])
		}
		var got, completed []string
		for _, row := range rows[1:] {
			got = append(got, row[0]+" "+row[1])
			completed = append(completed, row[min(5, len(row)-1)])
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", table, d)
		}
		if d := cmp.Diff(answered, completed); table == "timeline" && (rows[0][5] != "requests_answered" || d != "") {
			t.Errorf("%s of %v: %s", table, rows[0], d)
		}
	}
}

// Several records make one table, with a column for where a row is from.
func TestCSVOfSeveral(t *testing.T) {
	a, b := sample(t, "exhausted"), sample(t, "drain-nginx-quit")
	rows, err := csv.NewReader(bytes.NewReader(show(t, View{Format: "csv", Names: []string{"=a", "b.json"}}, a, b))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, r := range rows {
		count[r[0]]++
	}
	want := map[string]int{"record": 1, "'=a": len(a.Timeline), "b.json": len(b.Drain.Tries[0].Slices)}
	if d := cmp.Diff(want, count); d != "" {
		t.Error(d)
	}
}

// HdrHistogram's own reader finds the percentiles of the record, whether intervals were recorded or not.
func TestHlog(t *testing.T) {
	r := sample(t, "exhausted")
	a, b := record.NewHistogram(), record.NewHistogram()
	for v := int64(1000); v < 5_000_000; v += 997 {
		if err := errors.Join(a.RecordValue(v), b.RecordValue(3*v)); err != nil {
			t.Fatal(err)
		}
	}
	r.Timeline = r.Timeline[:2]
	for i, h := range []*hdr.Histogram{a, b} {
		l, err := record.NewLatency(h)
		if err != nil {
			t.Fatal(err)
		}
		r.Timeline[i].Lifecycle = &l
	}
	all := record.NewHistogram()
	all.Merge(a)
	all.Merge(b)
	whole, err := record.NewLatency(all)
	if err != nil {
		t.Fatal(err)
	}
	r.Latency["lifecycle"] = whole
	r.Groups = []record.GroupResult{{Name: "web, blue\n", Result: record.Result{Latency: map[string]record.Latency{"connect": r.Latency["connect"]}}}}
	want := map[string]record.Latency{"web__blue_.connect": r.Latency["connect"]}
	maps.Copy(want, r.Latency)

	log := show(t, View{Format: "hlog"}, r)
	if n := bytes.Count(log, []byte("Tag=lifecycle,")); n != 2 {
		t.Errorf("%d lines of lifecycles, want one for each of 2 intervals:\n%s", n, log)
	}
	checkHlog(t, log)
	if d := cmp.Diff(want, readLog(t, log)); d != "" {
		t.Error(d)
	}
	// Intervals that do not add up are no better than none.
	r.Timeline[1].Lifecycle = nil
	if d := cmp.Diff(want, readLog(t, show(t, View{Format: "hlog"}, r))); d != "" {
		t.Error(d)
	}
	r.Timeline[0].Lifecycle.Hdr = "HISTFAAAA"
	if err := Render(&bytes.Buffer{}, View{Format: "hlog", Names: []string{"a.json"}}, r); err == nil || !strings.HasPrefix(err.Error(), "a.json: timeline[0].lifecycle: the latency histogram is damaged") {
		t.Errorf("got %v", err)
	}
}

// readLog reads a log by HdrHistogram's reader, and adds the intervals of each tag up.
func readLog(t *testing.T, log []byte) map[string]record.Latency {
	t.Helper()
	sums := make(map[string]*hdr.Histogram)
	for reader := hdr.NewHistogramLogReader(bytes.NewReader(log)); ; {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		if sums[h.Tag()] == nil {
			sums[h.Tag()] = record.NewHistogram()
		}
		sums[h.Tag()].Merge(h)
	}
	got := make(map[string]record.Latency)
	for tag, h := range sums {
		l, err := record.NewLatency(h)
		if err != nil {
			t.Fatal(err)
		}
		got[tag] = l
	}
	return got
}

func TestFormatOf(t *testing.T) {
	for _, tt := range []struct {
		path, want string
		ok         bool
	}{
		{"run.json", "json", true},
		{"a.b/run.JSONL", "jsonl", true},
		{"page.md", "md", true},
		{"page.markdown", "md", true},
		{"page.htm", "html", true},
		{"t.csv", "csv", true},
		{"l.hlog", "hlog", true},
		{"page.txt", "text", true},
		{"90-lastack.conf", Conf, true},
		{"run", "", true},
		{"a.html/run", "", true},
		{"/dev/full", "", true},
		{"/dev/fd/63", "", true},
		{"run.1", "", true},
		{"run.2026-11-27", "", true},
		{"run.2026-11-27T10:15:00Z", "", true},
		{"nginx-1.27.3", "", true},
		{"127.0.0.1:8080", "", true},
		{"/tmp/tmp.Xa3kPq81Zz", "", true}, // of mktemp
		{".record", "", true},
		{"a/.record", "", true},
		{"run.", "", true},
		{".", "", true},
		{"..", "", true},
		{"page.htmx", "", false},
		{"run.gz", "", false},
		{"run.7z", "", false},
		{"run.json.gz", "", false},
		{"run.parquet", "", false},
		{"o.powerpoint", "", false},
		{"o.PDFDOC", "", false},
		{"o.Markdwn", "", false},
		{"o.docx-old", "", false},
		{"o.md~", "", false},
		{".config.toml", "", false},
		{"tmp.pdf", "", false},
	} {
		if got, ok := FormatOf(tt.path); got != tt.want || ok != tt.ok {
			t.Errorf("FormatOf(%q) = %q, %v, want %q, %v", tt.path, got, ok, tt.want, tt.ok)
		}
	}
}

func TestUnknownTable(t *testing.T) {
	r := sample(t, "count-one")
	known := tables(t, r)
	if !slices.Contains(known, "latency") || !slices.Contains(known, csvformat.Timeline) {
		t.Errorf("tables are %v", known)
	}
	err := Render(&bytes.Buffer{}, View{Format: "csv", Table: "x"}, r)
	if want := `there is no table "x": want ` + strings.Join(known, ", "); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
