package report

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"lastack/bench/quantity"
)

// columns is the width that no line of text exceeds.
const columns = 100

// page is text under construction. All that is written passes through line, which
// keeps the width and lets nothing through that could move a terminal's cursor: records come from
// elsewhere too.
type page struct {
	b bytes.Buffer
}

func (p *page) line(s string) {
	p.b.WriteString(cut(strings.TrimRight(clean(s), " "), columns))
	p.b.WriteByte('\n')
}

func (p *page) blank() { p.b.WriteByte('\n') }

// section starts a section. The aside stands beside its title.
func (p *page) section(title, aside string) {
	p.blank()
	p.hang(pad(title, 11), aside)
}

// hang writes text after lead, its further lines indented to where the text began.
func (p *page) hang(lead, text string) {
	lead = clean(lead)
	if text == "" {
		p.line(lead)
		return
	}
	if !strings.HasSuffix(lead, " ") {
		lead += " "
	}
	if utf8.RuneCountInString(lead) > columns/2 {
		p.line(lead)
		lead = "    "
	}
	p.hangAt(lead, text)
}

// items writes each text under one lead that ends in a bullet.
func (p *page) items(lead string, texts []string) {
	for _, t := range texts {
		p.hang(lead, t)
		lead = padLeft("- ", utf8.RuneCountInString(lead))
	}
}

// clean makes text from elsewhere fit for a line: white space is a blank, what is not printable an escape.
func clean(s string) string {
	return quantity.Escape(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		return r
	}, s))
}

// longest is the most characters of a text that a page shows: a hundred lines.
const longest = 10_000

// wrap breaks text at spaces; a word longer than width is broken anywhere. Its time grows with the text's length only.
func wrap(text string, width int) []string {
	var lines []string
	line, used := "", 0
	for _, word := range strings.Fields(shortened(text)) {
		n := utf8.RuneCountInString(word)
		if used > 0 && used+1+n <= width {
			line, used = line+" "+word, used+1+n
			continue
		}
		if used > 0 {
			lines = append(lines, line)
		}
		for ; n > width; n -= width {
			at := 0
			for range width {
				_, size := utf8.DecodeRuneInString(word[at:])
				at += size
			}
			lines = append(lines, word[:at])
			word = word[at:]
		}
		line, used = word, n
	}
	if used > 0 || len(lines) == 0 {
		lines = append(lines, line)
	}
	return lines
}

// shortened says how much of an absurdly long text is not on the page.
func shortened(text string) string {
	if len(text) <= longest {
		return text
	}
	n := 0
	for at := range text {
		if n == longest {
			return text[:at] + fmt.Sprintf(" … (and %s more characters, in the record)", quantity.Count(int64(utf8.RuneCountInString(text[at:]))))
		}
		n++
	}
	return text
}

// cut shortens s to width and shows that it did.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	n := 0
	for at := range s {
		if n == width-1 {
			return s[:at] + "…"
		}
		n++
	}
	return s
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

func padLeft(s string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s))) + s
}

// table aligns cells in columns: the first is text, the others are numbers, set to the right, and the
// last is a note, wrapped, where notes is set. A row of one cell goes across all columns.
type table struct {
	// indent stands before each row.
	indent string
	// first is the least width of the first column, cell that of each other.
	first, cell int
	notes       bool
	rows        [][]string
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = clean(c)
	}
	t.rows = append(t.rows, cells)
}

// nameWidth bounds the first column: names of groups and counters may be of any length.
const nameWidth = 52

func (t *table) write(p *page) {
	var widths []int
	for _, row := range t.rows {
		if len(row) == 1 {
			continue
		}
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, t.cell)
				if i == 0 {
					widths[0] = t.first
				}
			}
			if !(t.notes && i == len(row)-1) {
				widths[i] = max(widths[i], utf8.RuneCountInString(c))
			}
		}
	}
	for _, row := range t.rows {
		if len(row) == 1 {
			lead := len(row[0]) - len(strings.TrimLeft(row[0], " "))
			p.hang(t.indent+row[0][:lead], row[0][lead:])
			continue
		}
		line := t.indent
		for i, c := range row {
			switch {
			case i == 0:
				w := min(widths[0], nameWidth)
				if utf8.RuneCountInString(c) > w {
					// On a line of its own rather than cut: names matter.
					p.hang(t.indent, c)
					c = ""
				}
				line += pad(c, w)
			case t.notes && i == len(row)-1:
				line += "  "
			default:
				line += "  " + padLeft(c, widths[i])
			}
		}
		if t.notes {
			note := row[len(row)-1]
			if note == "" {
				p.line(line)
			} else if utf8.RuneCountInString(line) > columns/2+20 && utf8.RuneCountInString(line)+utf8.RuneCountInString(note) > columns {
				p.line(line)
				p.hang(t.indent+"    ", note)
			} else {
				p.hangAt(line, note)
			}
			continue
		}
		p.line(line)
	}
}

// hangAt is hang for a lead of any width below the page's.
func (p *page) hangAt(lead, text string) {
	n := utf8.RuneCountInString(lead)
	if n > columns-10 {
		p.line(lead)
		p.line("    " + text)
		return
	}
	for _, l := range wrap(clean(text), columns-n) {
		p.line(lead + l)
		lead = strings.Repeat(" ", n)
	}
}
