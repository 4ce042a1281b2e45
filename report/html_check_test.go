package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"lastack/report/svg"
)

// What a page may consist of: nothing that runs anything or loads anything. The style and the script are compared with the own ones.
var (
	htmlElements = strings.Fields(`html head meta link title style script body
		main nav header footer article aside section h1 h2 h3 h4 p a b i em strong small span code pre br div dl dt dd ol ul li figure figcaption details summary
		table caption colgroup col thead tbody tfoot tr th td
		svg desc defs g pattern clippath symbol use path line polyline polygon rect circle ellipse text tspan`)
	htmlAttributes = strings.Fields(`aria-hidden aria-label aria-labelledby aria-describedby charset class clip-path colspan content cx cy d dx dy height href id lang name
		patternTransform patternUnits points preserveAspectRatio r rel role rowspan rx ry scope style tabindex title transform viewBox width x x1 x2 xmlns y y1 y2`)
	// htmlValues bounds the values of attributes that mean something. The others are numbers, or words for a reader.
	htmlValues = map[string]*regexp.Regexp{
		"href":  regexp.MustCompile(`^(#[^ ]+|data:,)$`),
		"id":    regexp.MustCompile(`^[^ ]+$`),
		"class": regexp.MustCompile(`^[a-z0-9 -]*$`),
		"style": regexp.MustCompile(`^(left:[0-9.]+%|fill:url\(#[^ )]+\))$`),
		"rel":   regexp.MustCompile(`^icon$`),
	}
	// htmlNoEnd are elements that have no end.
	htmlNoEnd = strings.Fields("meta link br col")
)

// checkHTML holds that a page has no markup but its own, whatever a record says, and that its parts refer to each other.
func checkHTML(t testing.TB, page []byte) {
	t.Helper()
	own := func(file string) string {
		b, err := os.ReadFile(filepath.Join("html", file))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	want := map[string]string{"style": own("style.css"), "script": own("script.js")}
	ids, refs := make(map[string]bool), []string{}
	var open []string
	level := 0
	z := html.NewTokenizer(bytes.NewReader(checkData(t, page)))
	for kind := z.Next(); kind != html.ErrorToken; kind = z.Next() {
		token := z.Token()
		switch kind {
		case html.CommentToken:
			t.Errorf("a comment: %.100q", token.Data)
		case html.TextToken:
			if len(open) > 0 && want[open[len(open)-1]] != "" {
				if own := want[open[len(open)-1]]; token.Data != own && token.Data != own+svg.LadderStyle && token.Data != own+svg.MachineStyle {
					t.Errorf("the <%s> is not the own one: %.100q", open[len(open)-1], token.Data)
				}
				delete(want, open[len(open)-1])
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Fatalf("</%s> within %v", token.Data, open)
			}
			open = open[:len(open)-1]
		case html.StartTagToken, html.SelfClosingTagToken:
			checkElement(t, &token, ids, &refs)
			if kind == html.StartTagToken && !slices.Contains(htmlNoEnd, token.Data) {
				open = append(open, token.Data)
			}
			switch token.Data {
			case "script", "style":
				if want[token.Data] == "" {
					t.Errorf("another <%s>", token.Data)
				}
			case "h1", "h2", "h3":
				n := int(token.Data[1] - '0')
				if n > level+1 {
					t.Errorf("<h%d> below <h%d>", n, level)
				}
				level = n
			}
		}
	}
	if !errors.Is(z.Err(), io.EOF) || len(open) > 0 || len(want) > 0 {
		t.Errorf("%v: %v are still open, own parts missing: %v", z.Err(), open, want)
	}
	for _, ref := range refs {
		if !ids[ref] {
			t.Errorf("nothing has the ID %q", ref)
		}
	}
	for _, d := range htmlSVG.FindAllString(string(page), -1) {
		wellFormed(t, d)
		if strings.Contains(d, "NaN") || strings.Contains(d, "Inf") {
			t.Errorf("a place is no number: %.3000s", d)
		}
	}
}

// checkElement holds that an element is among those of a page, and collects its ID and what it refers to.
func checkElement(t testing.TB, e *html.Token, ids map[string]bool, refs *[]string) {
	t.Helper()
	if !slices.Contains(htmlElements, e.Data) {
		t.Errorf("a <%s>", e.Data)
	}
	for _, a := range e.Attr {
		// The tokenizer writes all names small.
		if !slices.ContainsFunc(htmlAttributes, func(known string) bool { return strings.EqualFold(known, a.Key) }) {
			t.Errorf("<%s> has %s=%.100q", e.Data, a.Key, a.Val)
		}
		if v := htmlValues[a.Key]; v != nil && !v.MatchString(a.Val) {
			t.Errorf("<%s> has %s=%.100q", e.Data, a.Key, a.Val)
		}
		switch {
		case a.Key == "id" && ids[a.Val]:
			t.Errorf("two elements have the ID %q", a.Val)
		case a.Key == "id":
			ids[a.Val] = true
		case a.Key == "style" && strings.Contains(a.Val, "#"):
			*refs = append(*refs, strings.TrimSuffix(a.Val[strings.IndexByte(a.Val, '#')+1:], ")"))
		case a.Key == "aria-labelledby":
			*refs = append(*refs, strings.Fields(a.Val)...)
		case a.Key == "href" && e.Data != "link":
			*refs = append(*refs, a.Val[min(1, len(a.Val)):])
		}
	}
}

// dataCell is what the tables of numbers consist of: they leave out end tags and quotes.
var dataCell = regexp.MustCompile(`<(thead>|tbody>|tr>|td>|th scope=col>|th scope=row>)[^<>]*`)

// checkData holds that the tables of numbers have no markup but their own, and returns the page without them.
func checkData(t testing.TB, page []byte) (rest []byte) {
	t.Helper()
	for {
		before, table, ok := bytes.Cut(page, []byte("<table class=data>"))
		if rest = append(rest, before...); !ok {
			return rest
		}
		table, page, _ = bytes.Cut(table, []byte("</table>"))
		if left := dataCell.ReplaceAll(table, nil); len(left) > 0 {
			t.Errorf("in a table of numbers: %.200q", left)
		}
	}
}

func wellFormed(t testing.TB, s string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(s)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("not well-formed (%v): %.500s", err, s)
		}
	}
}
