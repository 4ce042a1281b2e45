package report

import (
	"bytes"
	"fmt"
	"html"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

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
			// The numbers of the state machine are in the tables of its section.
			if n := strings.Count(page, "<table class=data>") + strings.Count(page, `class="machine"`); n != len(drawings) || n == 0 {
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
			least := slices.MinFunc(v.MapKeys(), func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
			value.Set(v.MapIndex(least))
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

// A legend does not take one limit's bar for the sum of others: ports and TIME_WAIT buckets may have the same peak.
func TestLimitsApart(t *testing.T) {
	for _, name := range []string{"http", "twbuckets", "veth"} {
		_, rest, _ := strings.Cut(string(render(t, "html", sample(t, name))), `<figure id="p-limits"`)
		legend, _, found := strings.Cut(rest, "</figcaption>")
		if !found || !strings.Contains(legend, "used") || strings.Contains(legend, "in all") {
			t.Errorf("%s: %q", name, legend)
		}
	}
}
