// Package text prints a document for people: one page, or all of it.
package text

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"sort"
	"strings"
	"unicode/utf8"

	"lastack/report/document"
)

// Columns is the most columns of a line, and the width if the terminal's is not known.
const Columns = 100

// leastColumns are enough for each number beside the beginning of its name.
const leastColumns = 30

// hung is the column where the lead of a section begins.
const hung = 13

// pageLines is the most lines of a first page.
const pageLines = 40

// Options control printing.
type Options struct {
	// All prints everything, not only the first page.
	All bool
	// Width is the terminal's, of which at most Columns are used; 0 is Columns.
	Width int
	// Colour marks good and bad news with a terminal's colours.
	Colour bool
	// Box draws with box characters, for a terminal.
	Box bool
	// Hint stands at the end of a first page.
	Hint string
}

// limits are the most that a first page shows of each kind; 0 is no limit.
type limits struct {
	// items of a list, events of a chart, rows of a table, lines of one text
	items, events, rows, lines int
	// dense leaves out the blank lines that do not fit.
	dense bool
}

// squeezes lists limits from loose to tight. The first with which a page fits applies.
func squeezes() []limits {
	all := []limits{
		{5, 12, 14, 5, false},
		{4, 10, 14, 4, false},
		{3, 10, 14, 3, false},
		{3, 8, 14, 3, false},
		{3, 8, 14, 2, false},
		{3, 6, 14, 2, false},
		{2, 6, 14, 2, false},
		{2, 5, 14, 2, false},
		{2, 4, 14, 2, false},
		{2, 3, 12, 2, false},
		{1, 3, 12, 2, false},
		{1, 2, 12, 2, false},
		{1, 2, 12, 1, false},
		{1, 2, 10, 1, false},
	}
	for _, tail := range []struct {
		from, to, lines int
		dense           bool
	}{{9, 6, 1, false}, {8, 6, 2, true}, {8, 1, 1, true}} {
		for rows := tail.from; rows >= tail.to; rows-- {
			all = append(all, limits{1, 1, rows, tail.lines, tail.dense})
		}
	}
	return all
}

// fits is how many of n to show under a limit: all, if the line that says what is missing could hold the one.
func fits(n, limit int) int {
	if limit == 0 || n <= limit+1 {
		return n
	}
	return limit
}

// Write prints a document. The error is w's own.
func Write(w io.Writer, doc *document.Document, o Options) error {
	if o.Width <= 0 || o.Width > Columns {
		o.Width = Columns
	}
	o.Width = max(o.Width, leastColumns)
	var lines []string
	if o.All || doc.Long {
		lines = print(doc, o, limits{})
	} else {
		all := squeezes()
		tried := make(map[int][]string)
		i := sort.Search(len(all)-1, func(i int) bool {
			tried[i] = print(doc, o, all[i])
			return len(tried[i]) <= pageLines
		})
		if lines = tried[i]; lines == nil {
			lines = print(doc, o, all[i])
		}
		if more := len(lines) - pageLines; more > 0 {
			lines = append(lines[:pageLines-1], fmt.Sprintf("… %d more (-v)", more+1))
		}
	}
	var b bytes.Buffer
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	_, err := w.Write(b.Bytes())
	return err
}

// writer prints one document.
type writer struct {
	page
	o      Options
	doc    *document.Document
	limits limits
	ids    map[string]bool
}

func print(doc *document.Document, o Options, l limits) []string {
	w := &writer{page: page{width: o.Width, most: l.lines, dense: l.dense}, o: o, doc: doc, limits: l, ids: make(map[string]bool)}
	for _, s := range doc.Sections {
		w.ids[s.ID] = true
	}
	w.head(doc.Title + ": " + doc.Asked)
	compact := false
	var hidden []string
	for i := range doc.Sections {
		s := &doc.Sections[i]
		before := len(w.lines)
		onlyLead := w.section(s)
		if n := len(w.lines); n > before && s.Title != "" {
			if onlyLead && compact && !o.All {
				w.unblank(before) // subjects of one sentence stand together
			}
			compact = onlyLead
		}
		if s.Level == document.Detail {
			hidden = append(hidden, name(s.Title))
		}
	}
	if !o.All {
		rest := "-v adds " + strings.Join(append(hidden, "all tables"), ", ")
		if o.Hint != "" {
			rest += "; " + o.Hint
		}
		w.blank()
		w.hang("", rest, nil)
	}
	w.fillGaps(pageLines)
	return w.lines
}

// shows reports whether the page shows that level.
func (w *writer) shows(l document.Level) bool {
	return l == document.First || l == document.Detail && w.o.All
}

// name is a title inside a sentence.
func name(title string) string {
	if strings.Contains(title, "_") {
		return title
	}
	return strings.ToLower(title)
}

// leadLines is the most lines of a lead on a first page.
const leadLines = 4

// head prints what the document is about.
func (w *writer) head(text string) {
	text = strings.Join(strings.Fields(Clean(text)), " ")
	first := wrap(text, w.width)[0]
	w.raw(first)
	if rest := strings.TrimSpace(strings.TrimPrefix(text, first)); rest != "" {
		w.lead(strings.Repeat(" ", hung), rest, nil)
	}
}

// lead is hang for a lead, which may have more lines.
func (w *writer) lead(lead, text string, paint func(string) string) {
	most := w.most
	if most > 0 {
		w.most = max(most, leadLines)
	}
	w.hang(lead, text, paint)
	w.most = most
}

// section prints a section with its warnings, and reports whether that was only a lead. The section "warnings" has the warnings of
// no other section.
func (w *writer) section(s *document.Section) (onlyLead bool) {
	if !w.shows(s.Level) {
		return false
	}
	if s.ID == "warnings" {
		return w.warnings(s.Title)
	}
	blocks := s.Blocks
	lines, gaps := len(w.lines), len(w.gaps)
	switch t := w.leading(s); {
	case s.Title == "":
	case t != nil:
		w.blank()
		w.table(t, Clean(s.Title))
		blocks = blocks[1:]
	default:
		w.title(s.Title, s.Lead, s.Tone)
	}
	after := len(w.lines)
	for _, b := range blocks {
		w.block(b)
	}
	if w.o.All {
		for _, d := range w.doc.Warnings {
			if d.Section == s.ID {
				w.hang("  ! ", cmp.Or(d.Within, d.Text), nil)
			}
		}
	}
	onlyLead = len(w.lines) == after && len(blocks) == len(s.Blocks)
	if onlyLead && s.Lead == "" { // a title over nothing
		w.lines, w.gaps = w.lines[:lines], w.gaps[:gaps]
	}
	return onlyLead
}

// leading is the table of a section without a lead, if its head has room for the section's title.
func (w *writer) leading(s *document.Section) *document.Table {
	if s.Lead != "" || len(s.Blocks) == 0 {
		return nil
	}
	t, _ := s.Blocks[0].(*document.Table)
	if t == nil || !w.shows(t.Level) || len(t.Rows) == 0 || len(t.Columns) == 0 || t.Columns[0].Name != "" || len(s.Title) > indent+9 {
		return nil
	}
	return t
}

func (w *writer) title(title, lead string, tone document.Tone) {
	w.blank()
	paint := func(s string) string { return w.tint(tone, s) }
	if n := utf8.RuneCountInString(title); n >= hung && n+1+utf8.RuneCountInString(lead) > w.width {
		w.hang("", title, nil)
		w.lead("  ", lead, paint)
		return
	}
	w.lead(pad(title, hung-1)+" ", lead, paint)
}

func (w *writer) warnings(title string) (onlyLead bool) {
	var texts []string
	others := 0
	for _, d := range w.doc.Warnings {
		switch {
		case w.o.All && d.Section != "" && w.ids[d.Section]:
		case w.shows(d.Level):
			texts = append(texts, d.Text)
		default:
			others++
		}
	}
	n := fits(len(texts), w.limits.items)
	others, texts = others+len(texts)-n, texts[:n]
	switch {
	case len(texts) == 0 && others == 0:
		return false
	case len(texts) == 0:
		w.title(title, fmt.Sprintf("%d that no number of this page is about (-v)", others), 0)
		return true
	}
	w.title(title, "", 0)
	for _, t := range texts {
		w.hang("  ! ", t, nil)
	}
	if others > 0 {
		w.hang("  ", fmt.Sprintf("and %d more (-v)", others), nil)
	}
	return false
}

func (w *writer) block(b document.Block) {
	switch b := b.(type) {
	case document.Fact:
		if w.shows(b.Level) {
			lead, text := "  "+pad(b.Name, 10)+" ", b.Text
			if b.Brief != "" && w.tooLong(lead, text) {
				text = b.Brief
			}
			w.hang(lead, text, nil)
		}
	case document.List:
		if w.shows(b.Level) {
			w.list(b)
		}
	case document.Note:
		if w.shows(b.Level) {
			lead := "  "
			if b.Doubt {
				lead = "  ! "
			}
			w.hang(lead, b.Text, func(s string) string { return w.tint(b.Tone, s) })
		}
	case *document.Table:
		if w.shows(b.Level) {
			w.table(b, "")
		}
	case *document.Chart:
		if w.shows(b.Level) {
			w.chart(b)
		}
	case *document.Ladder:
		if w.shows(b.Level) {
			w.ladder(b)
		}
	case document.Quote:
		if w.shows(b.Level) {
			who := b.Who
			if who == "" { // to copy, so never a part
				for _, l := range b.Lines {
					w.raw("  " + Line(l, w.width-2))
				}
				return
			}
			for _, l := range b.Lines {
				w.raw("  " + pad(cut(Clean(who), 10), 10) + " | " + Line(l, w.width-15))
				who = ""
			}
		}
	}
}

// list prints findings under one name.
func (w *writer) list(l document.List) {
	name := l.Name
	n := fits(len(l.Findings), w.limits.items)
	for i, f := range l.Findings {
		if i == n {
			w.hang("  "+pad("", 10)+"   ", fmt.Sprintf("and %d more (-v)", len(l.Findings)-n), nil)
			return
		}
		w.hang("  "+pad(name, 10)+" - ", f.Sentence, nil)
		name = ""
	}
}

// tint colours good and bad news.
func (w *writer) tint(t document.Tone, s string) string {
	if !w.o.Colour || t == 0 || strings.TrimSpace(s) == "" {
		return s
	}
	code := "32" // green
	if t == document.Bad {
		code = "31"
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
