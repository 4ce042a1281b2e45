package markdown

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lastack/report/document"
)

func TestEscape(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"64 connections at a time (closed loop), 99.5 %", "64 connections at a time (closed loop), 99.5 %"},
		{"TIME_WAIT, _x_, x_", `TIME_WAIT, \_x\_, x\_`},
		{"<b>&amp;", `\<b\>\&amp;`},
		{"a | b", `a \| b`},
		{"*a* `b` ~c~", "\\*a\\* \\`b\\` \\~c\\~"},
		{"[x](http://e) ![y](z)", `\[x\](http\://e) \!\[y\](z)`},
		{"www.e.example WWW.e", `www\.e.example WWW\.e`},
		{"@all me@e.example", "@&#8203;all me@&#8203;e.example"},
		{"#1 GH-2 gh-3", "#&#8203;1 GH-&#8203;2 gh-&#8203;3"},
		{"octo/repo#1 octo/repo@5c6db61 5c6db61f x5c6db61 5c6db61x 123456 1234567-dirty", "octo/repo#&#8203;1 octo/repo@&#8203;`5c6db61` `5c6db61f` x5c6db61 5c6db61x 123456 `1234567-dirty`"},
		{"lastack v0.0.0-20261128041145-637d517b111d run, of 1.2-5c6db61.", "lastack `v0.0.0-20261128041145-637d517b111d` run, of `1.2-5c6db61`."},
		{"0123456789abcdef", "`0123456789abcdef`"},
		{"lastack 3ad0dec-dirty run", "lastack `3ad0dec-dirty` run"},
		{"_5c6db61_ `5c6db61`", "\\_5c6db61\\_ \\``5c6db61`\\`"},
		{":tada: a:+1: 127.0.0.1:80: 2001:db8:100:1::2 12:30:05 a: b:", ":&#8203;tada: a:&#8203;+1: 127.0.0.1:80: 2001:&#8203;db8:&#8203;100:1::2 12:30:05 a: b:"},
		{"%1 %x 5 % 5%", "%&#8203;1 %&#8203;x 5 % 5%"},
		{"$x$", "<span>$</span>x<span>$</span>"},
		{`\`, `\\`},
		{"  a\nb\tc  ", "a b c"},
		{"\x1b[31m\u202e", `\\x1b\[31m\\u202e`},
		{strings.Repeat("x", 700), strings.Repeat("x", longest-1) + "…"},
	} {
		if got := escape(tt.in); got != tt.want {
			t.Errorf("escape(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	for _, tt := range []struct{ in, want string }{
		{"- x", `\- x`},
		{"+ x", `\+ x`},
		{"/close", `\/close`},
		{"===", `\===`},
		{"1. x", `1\. x`},
		{"12) x", `12\) x`},
		{"1.5 s", `1\.5 s`},
		{"12", "12"},
		{"", ""},
		{"- [ ] x", `\- \[ \] x`},
		{"4,265 of 5,265", "4,265 of 5,265"},
		{"# x", "#&#8203; x"},
		{"> x", `\> x`},
	} {
		if got := paragraph(tt.in); got != tt.want {
			t.Errorf("paragraph(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestCode(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"lastack run --close server:fin", "`lastack run --close server:fin`"},
		{" a `b` ``c", "``` a `b` ``c ```"},
		{"a\nb\x1b", "`a b\\x1b`"},
		{" ", ""},
	} {
		if got := code(tt.in); got != tt.want {
			t.Errorf("code(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// A page has an end, whatever the document holds, and its first lines matter most.
func TestLines(t *testing.T) {
	long := &document.Table{Level: document.First, Columns: []document.Column{{Level: document.First}, {Name: "n", Level: document.First}}}
	for i := range 500 {
		r := document.Row{Level: document.First, Cells: []document.Value{document.Text(fmt.Sprint("row ", i)), document.Count(int64(i))}}
		r.Main = i == 400
		long.Rows = append(long.Rows, r)
	}
	for _, tables := range []int{0, 1, 5, 50} {
		doc := &document.Document{Title: "lastack run", Asked: "much"}
		for i := range tables {
			doc.Sections = append(doc.Sections, document.Section{
				ID: "s", Title: fmt.Sprint("S", i), Lead: "lead", Level: document.First,
				Blocks: []document.Block{long, document.List{Level: document.First, Name: "because", Findings: make([]document.Finding, 50)}, document.Note{Text: "detail"}},
			})
		}
		var b bytes.Buffer
		if err := Write(&b, doc); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "\n"); n > Lines {
			t.Errorf("%d tables: %d lines, want at most %d", tables, n, Lines)
		}
		if !strings.HasPrefix(b.String(), "### lastack run\n\nmuch\n") || tables == 1 && !strings.Contains(b.String(), "| row 400 | 400 |\n") {
			t.Errorf("%d tables:\n%s", tables, b.String())
		}
	}
}

// A page names what it lacks: a section of which it shows something is not said to be absent.
func TestMissing(t *testing.T) {
	wide := func(l document.Level) *document.Table {
		table := &document.Table{Level: l, Columns: []document.Column{{Level: l}, {Name: "n", Level: l}}}
		for i := range 30 {
			table.Rows = append(table.Rows, document.Row{Level: l, Cells: []document.Value{document.Text(fmt.Sprint("row ", i)), document.Count(int64(i))}})
		}
		return table
	}
	section := func(title string, level document.Level, blocks ...document.Block) document.Section {
		return document.Section{ID: strings.ToLower(title), Title: title, Lead: "so many", Level: level, Blocks: blocks}
	}
	first := document.Note{Level: document.First, Text: "one"}
	filler := func(lines int) document.Section {
		return section("FILLER", document.First, slices.Repeat([]document.Block{first}, lines)...)
	}
	const all = "`--format text -v` has it all."
	for _, tt := range []struct {
		name     string
		sections []document.Section
		want     string
	}{
		{"a section begun, one absent", []document.Section{
			filler(25), section("STATES", document.First, first, wide(document.Detail)), section("ABSENT", document.Detail, wide(document.Detail)),
			section("MORE", document.First, wide(document.Detail)), section("LATER", document.Detail, wide(document.Detail)),
		}, "Not on this page: Absent, Later, details of More. " + all},
		{"nothing left out", []document.Section{section("STATES", document.First, first)}, ""},
		{
			"cut off at the end of the open part",
			[]document.Section{filler(35), filler(35), section("LAST", document.First, first)},
			"Not on this page: Last, details of Filler. " + all,
		},
	} {
		var b bytes.Buffer
		if err := Write(&b, &document.Document{Title: "lastack run", Asked: "much", Sections: tt.sections}); err != nil {
			t.Fatal(err)
		}
		got := ""
		for l := range strings.Lines(b.String()) {
			if strings.HasPrefix(l, "Not on this page") {
				got = strings.TrimSpace(l)
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q, in\n%s", tt.name, got, tt.want, b.String())
		}
	}
}
