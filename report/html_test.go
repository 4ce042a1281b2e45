package report

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

// htmlPage is a record as HTML.
func htmlPage(t testing.TB, run *record.Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, View{Format: "html"}, run); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var htmlSVG = regexp.MustCompile(`(?s)<svg.*?</svg>`)

// TestHTMLStandsAlone looks at the pages of all samples: they load nothing, and each drawing has a title, a description, a role and a table.
func TestHTMLStandsAlone(t *testing.T) {
	for _, name := range recorded(t) {
		t.Run(name, func(t *testing.T) {
			run := sample(t, name)
			page := htmlPage(t, run)
			if again := htmlPage(t, sample(t, name)); again != page {
				t.Error("the same record makes different pages")
			}
			checkHTML(t, []byte(page))
			drawings := htmlSVG.FindAllString(page, -1)
			for _, d := range drawings {
				for _, want := range []string{`role="img"`, "<title id=", "<desc id="} {
					if !strings.Contains(d, want) {
						t.Errorf("a drawing has no %s: %.200s", want, d)
					}
				}
			}
			if n := strings.Count(page, "<table class=data>"); n != len(drawings) || n == 0 {
				t.Errorf("%d drawings, %d tables of their numbers", len(drawings), n)
			}
			if len(page) > 300_000 {
				t.Errorf("%d bytes", len(page))
			}
		})
	}
}

// TestHTMLOfSeveral looks at a page of several records, one of them twice: each has its own IDs and its name.
func TestHTMLOfSeveral(t *testing.T) {
	names := []string{"a.json", "b&b.json", "c.json", "a.json"}
	runs := []*record.Run{sample(t, "exhausted"), sample(t, "drain-repeat"), sample(t, "count-one"), sample(t, "exhausted")}
	var b bytes.Buffer
	if err := Render(&b, View{Format: "html", Names: names}, runs...); err != nil {
		t.Fatal(err)
	}
	checkHTML(t, b.Bytes())
	page := b.String()
	for _, tag := range []string{"<article id=", "<h1>", "<li><a href=\"#n", `<p class="brand">`} {
		if n := strings.Count(page, tag); n != len(runs) {
			t.Errorf("%d times %s, want one for each record", n, tag)
		}
	}
	for i, article := range strings.Split(page, "<article")[1:] {
		_, article, _ = strings.Cut(article, ">")
		head, _, _ := strings.Cut(article, "</header>")
		if !strings.Contains(head, html.EscapeString(names[i])) {
			t.Errorf("the name %s is not in the head: %s", names[i], head)
		}
		// All that an article refers to is in itself.
		prefix := fmt.Sprintf("n%d-", i+1)
		for _, m := range regexp.MustCompile(` (?:id="|href="#|[^ ]*url\(#)(n[0-9]+-)?`).FindAllStringSubmatch(article, -1) {
			if m[1] != prefix {
				t.Errorf("%s is not of record %d", m[0], i+1)
			}
		}
	}
	if a, b := htmlPage(t, runs[1]), page; strings.Count(b, "<svg") != 2*strings.Count(htmlPage(t, runs[0]), "<svg")+strings.Count(a, "<svg")+strings.Count(htmlPage(t, runs[2]), "<svg") {
		t.Error("a record beside others has other pictures")
	}
}

// figureData reads the table of a picture's numbers from a page: the columns' names, and the rows.
func figureData(t testing.TB, page, id string) (heads []string, rows [][]string) {
	t.Helper()
	_, rest, ok := strings.Cut(page, `<figure id="`+id+`"`)
	if !ok {
		return nil, nil
	}
	_, rest, _ = strings.Cut(rest, "<table class=data><thead><tr>")
	rest, _, _ = strings.Cut(rest, "</table>")
	head, body, ok := strings.Cut(rest, "<tbody>")
	if !ok {
		t.Fatalf("%s has no table", id)
	}
	for _, h := range strings.Split(head, "<th scope=col>")[1:] {
		heads = append(heads, html.UnescapeString(h))
	}
	for _, r := range strings.Split(body, "<tr>")[1:] {
		var row []string
		for _, c := range regexp.MustCompile(`<t[dh][^>]*>`).Split(r, -1)[1:] {
			row = append(row, html.UnescapeString(c))
		}
		rows = append(rows, row)
	}
	return heads, rows
}

// TestHTMLNumbers compares every number of the pictures' tables with the record.
func TestHTMLNumbers(t *testing.T) {
	exact := func(v float64) string {
		if math.IsNaN(v) {
			return ""
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	micros := func(v float64) string {
		if v == 0 {
			return ""
		}
		return exact(v)
	}
	timeline := map[string]map[string]func(*record.Interval) string{
		"p-rate": {
			"opened":    func(iv *record.Interval) string { return count(iv.Opened) },
			"completed": func(iv *record.Interval) string { return count(iv.Completed) },
			"failed":    func(iv *record.Interval) string { return count(iv.Failed) },
		},
		"p-ports": {"in use": func(iv *record.Interval) string { return count(int64(iv.PortsInUse)) }},
		"p-queue": {"accept queue": func(iv *record.Interval) string { return count(int64(iv.AcceptQueue)) }},
		"p-time-wait": {
			"client": func(iv *record.Interval) string { return count(int64(iv.Client["TIME_WAIT"])) },
			"server": func(iv *record.Interval) string { return count(int64(iv.Server["TIME_WAIT"])) },
		},
		"p-memory": {"buffers (bytes)": func(iv *record.Interval) string { return count(iv.MemBytes) }},
		"p-latency": {
			"max (µs)": func(iv *record.Interval) string { return micros(iv.MaxUs) },
			"p99 (µs)": func(iv *record.Interval) string { return micros(iv.P99Us) },
			"p50 (µs)": func(iv *record.Interval) string { return micros(iv.P50Us) },
		},
		"p-states-client": {}, "p-states-server": {},
		"p-exchanges":   {"exchanges": func(iv *record.Interval) string { return count(iv.Requests) }},
		"p-in-flight":   {"in flight": func(iv *record.Interval) string { return count(iv.InFlight) }},
		"p-descriptors": {"open": func(iv *record.Interval) string { return count(int64(iv.Fds)) }},
		"p-orphans":     {"orphans": func(iv *record.Interval) string { return count(int64(iv.Orphans)) }},
		"p-failures":    {}, "p-trouble": {},
	}
	for _, state := range stateOrder() {
		timeline["p-states-client"][state] = func(iv *record.Interval) string { return count(int64(iv.Client[state])) }
		timeline["p-states-server"][state] = func(iv *record.Interval) string { return count(int64(iv.Server[state])) }
	}
	seen := make(map[string]bool)
	for _, name := range recorded(t) {
		run := sample(t, name)
		page := htmlPage(t, run)
		for i := range run.Timeline {
			for outcome := range run.Timeline[i].Failures {
				timeline["p-failures"][outcome] = func(iv *record.Interval) string { return count(iv.Failures[outcome]) }
			}
			for name := range run.Timeline[i].Counters {
				timeline["p-trouble"][name] = func(iv *record.Interval) string { return count(iv.Counters[name]) }
			}
		}
		// Of a rate that goes evenly from one to another, this is due in an interval.
		before := 0.0
		due := make(map[*record.Interval]string)
		for i := range run.Timeline {
			iv := &run.Timeline[i]
			g, seconds := run.Plan.Groups[0], float64(run.Plan.DurationNs)/1e9
			from, to := before, min(iv.TS, seconds)
			at := func(t float64) float64 { return g.RateFrom + (g.RateTo-g.RateFrom)*t/seconds }
			due[iv] = exact(math.Round(1e3*max(0, to-from)*(at(from)+at(to))/2) / 1e3)
			before = iv.TS
		}
		timeline["p-rate"]["asked for"] = func(iv *record.Interval) string { return due[iv] }
		for id, columns := range timeline {
			heads, rows := figureData(t, page, id)
			if heads == nil {
				continue
			}
			var want [][]string
			for i := range run.Timeline {
				row := []string{exact(run.Timeline[i].TS)}
				for _, h := range heads[1:] {
					value, ok := columns[h]
					if !ok {
						t.Fatalf("%s, %s: what is %q?", name, id, h)
					}
					seen[id+" "+h] = true
					row = append(row, value(&run.Timeline[i]))
				}
				want = append(want, row)
			}
			if d := cmp.Diff(want, rows); d != "" {
				t.Errorf("%s, %s (-record +page):\n%s", name, id, d)
			}
		}
		if heads, rows := figureData(t, page, "p-limits"); heads != nil {
			o := &run.Pressure
			for _, r := range rows {
				want := map[string][2]int64{
					"local ports": {int64(o.Ports.PeakInUse), int64(o.Ports.Available)}, "TIME_WAIT buckets": {o.TWBuckets.Peak, o.TWBuckets.Limit},
					"accept queue": {int64(o.AcceptQueuePeak), int64(o.Backlog)}, "descriptors": {int64(o.Fds.Peak), o.Fds.Limit},
				}[r[0]]
				seen["p-limits "+r[0]] = true
				if d := cmp.Diff([]string{r[0], count(want[0]), count(want[1] - want[0])}, r); d != "" {
					t.Errorf("%s, p-limits (-record +page):\n%s", name, d)
				}
			}
		}
		heads, rows := figureData(t, page, "p-percentiles")
		for i := range heads {
			if i == 0 {
				continue
			}
			l := run.Latency[strings.TrimSuffix(heads[i], " (µs)")]
			for _, r := range rows {
				if want, ok := map[string]float64{"0": l.MinUs, "50": l.P50Us, "90": l.P90Us, "99": l.P99Us, "99.9": l.P999Us}[r[0]]; ok && r[i] != exact(want) {
					t.Errorf("%s: p%s of %s is %s, the record has %v", name, r[0], heads[i], r[i], want)
				}
			}
		}
		if run.Drain == nil || len(run.Drain.Tries) == 0 {
			continue
		}
		try := newDrainTry(run)
		for id, columns := range map[string]map[string]func(*record.DrainSlice) int64{
			"p-requests": {
				"answered":     func(s *record.DrainSlice) int64 { return s.Completed },
				"answered 5xx": func(s *record.DrainSlice) int64 { return s.Answered5xx },
				"lost":         func(s *record.DrainSlice) int64 { return s.Lost },
			},
			"p-connects": {
				"accepted": func(s *record.DrainSlice) int64 { return s.Accepted },
				"refused":  func(s *record.DrainSlice) int64 { return s.Refused },
			},
			"p-ends": {
				"by FIN": func(s *record.DrainSlice) int64 { return s.FIN },
				"by RST": func(s *record.DrainSlice) int64 { return s.RST },
			},
		} {
			heads, rows := figureData(t, page, id)
			for k, r := range rows {
				for i, h := range heads[1:] {
					seen[id+" "+h] = true
					if want := count(columns[h](&try.Slices[k])); r[i+1] != want {
						t.Errorf("%s, %s: row %d of %q is %s, the record has %s", name, id, k, h, r[i+1], want)
					}
				}
			}
		}
	}
	for _, want := range []string{
		"p-rate opened", "p-states-client ESTABLISHED", "p-latency p99 (µs)", "p-ports in use", "p-time-wait client", "p-requests lost", "p-connects refused", "p-ends by RST",
		"p-rate asked for", "p-in-flight in flight", "p-trouble TcpRetransSegs", "p-limits local ports",
	} {
		if !seen[want] {
			t.Errorf("no sample shows %s", want)
		}
	}
}

// newDrainTry is the try that a page shows.
func newDrainTry(run *record.Run) *record.DrainTry {
	most, worst := int64(-1), 0
	for i := range run.Drain.Tries {
		if n := run.Drain.Tries[i].Failed(); n > most {
			most, worst = n, i
		}
	}
	return &run.Drain.Tries[worst]
}

// hostileTexts are markup, control characters, bidi overrides and invalid UTF-8.
var hostileTexts = []string{
	"\"'><img src=x onerror=alert(1)><script>alert(2)</script></style></title></svg><!--{{.}}",
	"a\u202eb\u2066c\u2028d\u2029e\ufefff\x00g\x1b[31mh\u0085i\r\nj\xff\xc0k\U000e0041",
	"javascript:alert(1)//&lt;img&#x3c;svg/onload=alert(1)>]]>" + strings.Repeat("<a href=http://e>", 20),
	"net.ipv4.<b>=\"<i>\" --close <u> tcp_x=\"<script>\" somaxconn=1\"onclick=alert(1)",
}

// TestHostile puts them into every text of a record.
func TestHostile(t *testing.T) {
	for i, hostile := range hostileTexts {
		for seed := range uint64(8) {
			var run record.Run
			fill(rand.New(rand.NewPCG(seed, uint64(i))), reflect.ValueOf(&run).Elem())
			taint(reflect.ValueOf(&run).Elem(), hostile)
			for _, run.Kind = range []string{record.KindRun, record.KindDrain} {
				checkFormats(t, &run)
			}
		}
	}
}

// taint sets every text, and every key of a map of texts.
func taint(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() {
			v.SetString(s)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			taint(v.Elem(), s)
		}
	case reflect.Slice:
		for i := range v.Len() {
			taint(v.Index(i), s)
		}
	case reflect.Map:
		if v.Len() > 0 && v.Type().Key().Kind() == reflect.String {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(v.MapKeys()[0]))
			taint(value, s)
			v.SetMapIndex(reflect.ValueOf(s).Convert(v.Type().Key()), value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				taint(v.Field(i), s)
			}
		}
	}
}
