// Package markdown prints a document for a pull request, an issue or a chat, in the Markdown of GitHub: what matters first, then as much
// of the rest as fits, folded. Text of the document is shown as it is, and never read as Markdown or HTML.
package markdown

import (
	"cmp"
	"html"
	"io"
	"slices"
	"strings"

	"lastack/report/document"
	"lastack/report/text"
)

// Lines is the most lines of a page, openLines those that are not folded.
const (
	Lines     = 60
	openLines = 44
)

// limits bounds what a page shows: the items of a list, the events and the series of a chart, and the rows of a table.
type limits struct{ items, events, series, rows int }

// squeezes are the limits of which the first is taken with which a page fits.
func squeezes() []limits {
	return []limits{
		{5, 16, 12, 16},
		{4, 12, 6, 14},
		{4, 10, 3, 12},
		{3, 8, 3, 10},
		{3, 8, 0, 14},
		{3, 7, 0, 12},
		{3, 6, 0, 10},
		{3, 5, 0, 8},
		{2, 5, 0, 7},
		{2, 4, 0, 6},
		{2, 3, 0, 5},
		{1, 3, 0, 4},
		{1, 2, 0, 3},
		{1, 1, 0, 2},
		{1, 1, 0, 1},
	}
}

// Write prints a document. The error is w's own.
func Write(w io.Writer, doc *document.Document) error {
	var p *page
	if doc.Long {
		p = &page{doc: doc, limits: squeezes()[0], spans: make(map[int]span)}
		p.open()
		_, err := io.WriteString(w, strings.Join(p.lines, "\n")+"\n")
		return err
	}
	for _, l := range squeezes() {
		p = &page{doc: doc, limits: l, spans: make(map[int]span)}
		if p.open(); len(p.lines) <= openLines {
			break
		}
	}
	open := p.lines[:min(len(p.lines), openLines)]
	lines := slices.Concat(open, folded(doc, len(open), p.spans))
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// folded is what the open part of so many lines lacks, as far as it fits: first the command, then what has a chart, then what has a table.
// The rest is named: sections that are absent, and those that the open part has no more than the first of.
func folded(doc *document.Document, open int, spans map[int]span) []string {
	const frame = 6 // the lines around it
	room := Lines - open - frame
	parts := make([][]string, len(doc.Sections))
	has := make([]bool, len(doc.Sections))
	for _, want := range []string{"**command**", "over time", "| --", ""} {
		matches := func(line string) bool { return strings.Contains(line, want) }
		for i := range doc.Sections {
			for _, l := range []limits{{6, 10, 10, 10}, {4, 8, 6, 8}, {3, 5, 3, 5}} {
				if has[i] {
					break
				}
				p := &page{doc: doc, limits: l, folded: true}
				p.section(&doc.Sections[i])
				p.blank()
				parts[i] = p.lines
				if slices.ContainsFunc(p.lines, matches) && len(p.lines) <= room {
					has[i] = true
					room -= len(p.lines)
				}
			}
		}
	}
	var titles, inside, absent, details []string
	for i, lines := range parts {
		title := cmp.Or(document.Heading(doc.Sections[i].Title), "How it was run")
		at, isOpen := spans[i]
		switch {
		case has[i]:
			titles = append(titles, html.EscapeString(text.Clean(title))) // in HTML, where Markdown's escapes mean nothing
			inside = append(inside, lines...)
		case isOpen && at.from < open && (at.to > open || len(lines) > 0):
			details = append(details, escape(title))
		case isOpen && at.from >= open, len(lines) > 0:
			absent = append(absent, escape(title))
		}
	}
	left := missing(absent, details)
	if len(inside) == 0 {
		return left
	}
	out := append([]string{"", "<details><summary>" + strings.Join(titles, ", ") + "</summary>", ""}, inside...)
	if len(left) > 0 {
		out = append(out, left[1:]...)
		out = append(out, "")
	}
	return append(out, "</details>")
}

// missing is the paragraph that names the sections that a page lacks, and those of which it lacks details.
func missing(absent, details []string) []string {
	if len(details) > 0 {
		absent = append(absent, "details of "+strings.Join(details, ", "))
	}
	if len(absent) == 0 {
		return nil
	}
	return []string{"", "Not on this page: " + strings.Join(absent, ", ") + ". `--format text -v` has it all."}
}

// span is the first line of a section, and the one behind its last.
type span struct{ from, to int }

// page is a part of a page under construction.
type page struct {
	doc    *document.Document
	limits limits
	// folded pages have what others leave out.
	folded bool
	// flat has no items below items. title is that of the section.
	flat  bool
	title string
	lines []string
	// spans has the lines of each section of the open page, by its index.
	spans map[int]span
}

func (p *page) add(lines ...string) { p.lines = append(p.lines, lines...) }

// blank ends a paragraph or a table.
func (p *page) blank() {
	if n := len(p.lines); n > 0 && p.lines[n-1] != "" {
		p.add("")
	}
}

// shows reports whether this page has what is of that level.
func (p *page) shows(l document.Level) bool {
	if p.folded {
		return l == document.Detail
	}
	return l == document.First
}

func (p *page) open() {
	title := p.doc.Title
	if p.doc.Name != "" {
		title = p.doc.Name + ": " + title
	}
	p.add("### "+escape(title), "", paragraph(p.doc.Asked))
	for _, rank := range []int{0, 1, 2} {
		for i := range p.doc.Sections {
			s := &p.doc.Sections[i]
			if s.Level != document.First || rankOf(s) != rank {
				continue
			}
			at := len(p.lines)
			if rank == 0 {
				p.context(s)
			} else {
				p.section(s)
			}
			if len(p.lines) > at {
				p.spans[i] = span{at, len(p.lines)}
			}
		}
	}
}

// rankOf orders sections: what continues the title, what a reader looks for first, and the rest.
func rankOf(s *document.Section) int {
	switch {
	case s.Title == "":
		return 0
	case slices.Contains(results(), s.ID):
		return 1
	}
	return 2
}

// context prints a section without a title: its facts are a line.
func (p *page) context(s *document.Section) {
	var facts []string
	for _, b := range s.Blocks {
		if f, ok := b.(document.Fact); ok {
			if p.shows(f.Level) {
				facts = append(facts, fact(f))
			}
			continue
		}
		p.blank()
		p.block(b)
	}
	if len(facts) > 0 {
		p.blank()
		p.add(strings.Join(facts, " · "))
	}
}

// fact is a text with its name.
func fact(f document.Fact) string {
	words := escape(cmp.Or(f.Brief, f.Text))
	if f.Command {
		words = code(f.Text)
	}
	if name := strong(f.Name); name != "" {
		return name + " " + words
	}
	return begin(words)
}

// results lists the sections that a reader looks for first.
func results() []string { return []string{"score", "result", "verdict", "thresholds"} }

// section begins with a line for its title, which is left out of an empty one. Sections of one line stand together, as a list.
func (p *page) section(s *document.Section) {
	if s.ID == "warnings" {
		p.warnings(s)
		return
	}
	before := len(p.lines)
	isNew := !p.folded || s.Level == document.Detail // or the open part has its lead
	if s.Title != "" {
		head := strong(document.Heading(s.Title))
		if lead := escape(s.Lead); lead != "" && isNew {
			if s.Tone == document.Bad {
				lead = "**" + lead + "**"
			}
			head += " " + lead
		}
		p.item(head)
	}
	after := len(p.lines)
	p.flat, p.title = s.Title == "", s.Title
	for _, b := range s.Blocks {
		p.block(b)
	}
	if command := code(s.Command); command != "" && isNew && p.inList() { // no line of its own, which another section would lack
		p.lines[len(p.lines)-1] += ": " + command
	}
	p.flat = false
	switch {
	case len(p.lines) == after:
		if !isNew || s.Lead == "" {
			p.lines = p.lines[:before]
		}
	case after > before && p.lines[after] == "": // the head of a table is no item
		head := strings.TrimPrefix(p.lines[after-1], "- ")
		if p.lines[after-1] = head; after > 1 && p.lines[after-2] != "" {
			p.lines = slices.Insert(p.lines, after-1, "")
		}
	}
}

// strong makes text from elsewhere bold, or nothing if it is empty.
func strong(s string) string {
	if s = escape(s); s == "" {
		return ""
	}
	return "**" + s + "**"
}

// item adds an item of a list, which ends what stands before it if that is something else.
func (p *page) item(words string) {
	if !p.inList() {
		p.blank()
	}
	p.add("- " + words)
}

// sub adds an item below an item, if there is one.
func (p *page) sub(words string) {
	if p.inList() && !p.flat {
		p.add("  - " + words)
	} else {
		p.item(words)
	}
}

// inList is set after an item, or after the end of the lines to copy below one.
func (p *page) inList() bool {
	if len(p.lines) == 0 {
		return false
	}
	last := p.lines[len(p.lines)-1]
	return strings.HasPrefix(strings.TrimLeft(last, " "), "- ") || strings.HasPrefix(last, "  ```")
}

func (p *page) warnings(s *document.Section) {
	var texts []string
	for _, w := range p.doc.Warnings {
		if p.shows(w.Level) {
			texts = append(texts, w.Text)
		}
	}
	if len(texts) == 0 {
		return
	}
	p.item(strong(document.Heading(s.Title)))
	for i, t := range texts {
		if i == p.limits.items {
			p.sub(more(len(texts) - i))
			return
		}
		p.sub(paragraph(t))
	}
}

// toCopy is a block of lines, below an item if there is one.
func (p *page) toCopy(lines []string) {
	if len(lines) == 0 {
		return
	}
	indent := ""
	if p.inList() && !p.flat {
		indent = "  "
	} else {
		p.blank()
	}
	fence := "```"
	for slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, fence) }) {
		fence += "`"
	}
	p.add(indent + fence)
	for _, l := range lines {
		p.add(indent + strings.TrimRight(text.Clean(l), " "))
	}
	p.add(indent + fence)
}

func (p *page) block(b document.Block) {
	switch b := b.(type) {
	case document.Fact:
		if p.shows(b.Level) {
			p.sub(fact(b))
		}
	case document.List:
		if !p.shows(b.Level) {
			return
		}
		for i, f := range b.Findings {
			if i == p.limits.items {
				p.sub(more(len(b.Findings) - i))
				return
			}
			words := paragraph(f.Sentence)
			if !strings.EqualFold(b.Name, p.title) {
				words = escape(b.Name) + ": " + escape(f.Sentence)
			}
			if f.Command != "" {
				words += ": " + code(f.Command)
			}
			p.sub(words)
		}
	case document.Note:
		if p.shows(b.Level) {
			if b.Tone == document.Bad || b.Doubt {
				p.sub(strong(b.Text))
			} else {
				p.sub(paragraph(b.Text))
			}
		}
	case document.Quote:
		if p.shows(b.Level) && b.Who == "" {
			p.toCopy(b.Lines)
		}
	case *document.Table:
		if p.shows(b.Level) {
			p.table(b)
		}
	case *document.Chart:
		if p.shows(b.Level) {
			p.chart(b)
		}
	case *document.Ladder:
		if p.shows(b.Level) {
			p.ladder(b)
		}
	}
}

// sparkWidth is the most columns of a sparkline, in a page's narrow column. Fewer points take a column each.
const sparkWidth = 40

// chart lists what happened, then draws a row for each series.
func (p *page) chart(c *document.Chart) {
	var events []document.Event
	for _, e := range c.Events {
		if p.folded || e.Level == document.First {
			events = append(events, e)
		}
	}
	events, left := cut(events, p.limits.events, func(e document.Event) (main, head bool) { return e.Main, false })
	var rows [][]string
	for _, e := range events {
		rows = append(rows, []string{escape(text.Value(document.Since(e.At))), escape(e.What)})
	}
	p.grid([]string{"when", "what"}, []bool{true, false}, rows, left)

	var series []document.Series
	for _, s := range c.Series {
		if s.Level != document.Data && len(c.Times) > 0 {
			series = append(series, s)
		}
	}
	series, left = cut(series, p.limits.series, func(document.Series) (main, head bool) { return false, false })
	rows = nil
	for i := range series {
		s := &series[i]
		rows = append(rows, []string{escape(strings.TrimSpace(s.Side + " " + s.Name)), text.Spark(s.Points, min(sparkWidth, max(1, len(s.Points)))), escape(text.SeriesWords(s))})
	}
	p.grid([]string{"", "over time", ""}, []bool{false, false, false}, rows, left)
}

// table prints a table's columns and rows that this page shows.
func (p *page) table(t *document.Table) {
	shows := func(l document.Level) bool { return l == document.First || p.folded && l == document.Detail }
	var columns []int
	var heads []string
	var right []bool
	for i, c := range t.Columns {
		if !shows(c.Level) {
			continue
		}
		columns = append(columns, i)
		heads = append(heads, escape(c.Name))
		right = append(right, t.Numeric(i))
	}
	var shown []*document.Row
	for i := range t.Rows {
		if shows(t.Rows[i].Level) {
			shown = append(shown, &t.Rows[i])
		}
	}
	shown, left := cut(shown, p.limits.rows, func(r *document.Row) (main, head bool) { return r.Main, len(r.Cells) == 1 })
	var rows [][]string
	for _, r := range shown {
		cells := make([]string, len(columns))
		for j, c := range columns {
			if c < len(r.Cells) {
				cells[j] = cell(r, c)
			}
		}
		rows = append(rows, cells)
	}
	if strings.Join(heads, "") == "" {
		p.words(rows, left)
		return
	}
	p.grid(heads, right, rows, left)
}

// words prints the rows of a table without names of columns as items, since a table of Markdown needs a head.
func (p *page) words(rows [][]string, left int) {
	for _, r := range rows {
		cells := slices.DeleteFunc(r, func(s string) bool { return s == "" })
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, indent, "")
		}
		switch len(cells) {
		case 0:
		case 1:
			p.sub(begin(cells[0]))
		default:
			p.sub(begin(cells[0]) + ": " + strings.Join(cells[1:], ", "))
		}
	}
	if left > 0 {
		p.sub(more(left))
	}
}

// indent begins the name of a row that belongs to one above.
const indent = "&nbsp;&nbsp;"

// cell prints a cell. Where a whole row has no values, it says why.
func cell(r *document.Row, i int) string {
	v := r.Cells[i]
	words := escape(text.Value(v))
	if why, ok := v.(document.Absent); ok && len(r.Cells) == 2 {
		words = escape(string(why))
	}
	if i > 0 {
		return words
	}
	if words != "" && (r.Tone == document.Bad || len(r.Cells) == 1) {
		words = "**" + words + "**"
	}
	return strings.Repeat(indent, min(r.Indent, 8)) + words
}

// grid prints a table, of which so many rows are left out. A table needs a head.
func (p *page) grid(heads []string, right []bool, rows [][]string, left int) {
	if len(rows) == 0 || len(heads) == 0 {
		return
	}
	rule := make([]string, len(heads))
	for i := range rule {
		rule[i] = "---"
		if right[i] {
			rule[i] = "--:"
		}
	}
	rows = append([][]string{heads, rule}, rows...)
	if left > 0 {
		last := make([]string, len(heads))
		last[0] = more(left)
		rows = append(rows, last)
	}
	p.blank()
	for _, r := range rows {
		p.add("| " + strings.Join(r, " | ") + " |")
	}
}

// cut leaves out rows from the end, and says how many. A main one stays, and a head as long as there are rows under it.
func cut[T any](rows []T, limit int, is func(T) (main, head bool)) (shown []T, left int) {
	spare := len(rows) - limit
	if spare <= 1 { // a line that says so is no shorter
		return rows, 0
	}
	underHead := false
	for _, r := range slices.Backward(rows) {
		main, head := is(r)
		switch {
		case head && !underHead:
			continue
		case left < spare && !main && !head:
			left++
			continue
		}
		shown = append(shown, r)
		underHead = !head
	}
	slices.Reverse(shown)
	return shown, left
}
