package html

import (
	"bytes"
	"html"
	"html/template"
	"strings"
	"unicode/utf8"

	"lastack/bench/lazy"
	"lastack/report/document"
	"lastack/report/text"
)

// grid is a table whose cells are printed.
type grid struct {
	Heads []head
	Rows  []line
	// Heading is set if some column has a name.
	Heading bool
}

type head struct {
	Name   string
	Number bool
	// Short is set for a column of texts that stay on one line, Long for a name that may not.
	Short, Long bool
}

// mostHead is the longest name of a column, in letters, that stays on one line. Names are short, but a record may bring some of its own.
const mostHead = 24

type line struct {
	Tone   string
	Indent int
	// Group is set for a row that is only the head of those below it.
	Group bool
	Cells []cell
}

type cell struct {
	Text, Unit string
	// Number is to the right, Short stays on its line, Why stands for a value that is not there.
	Number, Short bool
	Why           string
}

func newGrid(t *document.Table) *grid {
	t = upTo(t, document.Detail)
	if len(t.Rows) == 0 || len(t.Columns) == 0 {
		return nil
	}
	g := &grid{}
	for i, c := range t.Columns {
		g.Heading = g.Heading || c.Name != ""
		g.Heads = append(g.Heads, head{
			Name: c.Name, Number: t.Numeric(i), Short: i > 0 && !c.Words && !t.Numeric(i), Long: utf8.RuneCountInString(c.Name) > mostHead,
		})
	}
	for r := range t.Rows {
		row := &t.Rows[r]
		l := line{Tone: tone(row.Tone), Indent: min(row.Indent, 4), Group: len(row.Cells) == 1 && r+1 < len(t.Rows)}
		absent := ""
		for i := range t.Columns {
			var v document.Value
			if i < len(row.Cells) {
				v = row.Cells[i]
			}
			c := cell{Number: g.Heads[i].Number, Short: g.Heads[i].Short}
			if why, ok := v.(document.Absent); ok {
				c.Why = string(why)
				absent = c.Why
			} else if v != nil {
				c.Text, c.Unit, _ = text.Parts(v)
				if !c.Number { // a column of numbers and texts
					c.Text, c.Unit = c.Text+c.Unit, ""
				}
				c.Unit = strings.TrimSpace(c.Unit)
			}
			// Why there is no value stands where words do, if there are none.
			if t.Columns[i].Words && c.Text == "" && absent != "" {
				c.Text = absent
			}
			l.Cells = append(l.Cells, c)
		}
		if len(row.Cells) == 2 && absent != "" && !t.Columns[len(t.Columns)-1].Words {
			l.Cells = []cell{l.Cells[0], {Text: absent, Why: "all"}}
		}
		g.Rows = append(g.Rows, l)
	}
	return g
}

// columnWidth is that of one of two columns of a page, in CSS pixels, where the page is just wide enough for two.
const columnWidth = 528

// wide reports whether a table is about too wide for one of two columns. Words wrap, and so do names, but not what is short.
func (g *grid) wide() bool {
	const letter, gap, wrapped = 6.5, 12, 20
	width := 0.0
	for i := range g.Heads {
		most := len(g.Heads[i].Name)
		for _, l := range g.Rows {
			if i < len(l.Cells) && len(l.Cells) == len(g.Heads) {
				c := &l.Cells[i]
				n := utf8.RuneCountInString(c.Text) + utf8.RuneCountInString(c.Unit)
				if c.Unit != "" {
					n++
				}
				if i == 0 {
					n += 2 * l.Indent
				}
				most = max(most, n)
			}
		}
		if !g.Heads[i].Number && !g.Heads[i].Short {
			most = min(most, wrapped)
		}
		width += float64(most)*letter + gap
	}
	return width > columnWidth
}

// Rest is the number of columns behind the first.
func (g *grid) Rest() int { return len(g.Heads) - 1 }

// shellWords finds what one types in a sentence: a command in quotes that has flags, flags with a value that looks like one, and sysctls.
var shellWords = lazy.Regexp(`"[^"]* --[^"]*"|--[a-z][a-z-]+(?: (?:[a-z]+:[a-z]+(?:=[0-9a-z]+)?|[a-z]+:/[0-9A-Za-z/._-]*|[0-9](?:[0-9A-Za-z.:/-]*[0-9A-Za-z])?)\b%?)?|\b(?:net|fs|kernel)\.[a-z0-9_]+(?:-[a-z]+)*(?:\.[a-z0-9_]+)*(?:=(?:"[^"]*"|[0-9]+))?|\bip_local_port_range=[0-9]+ [0-9]+|\b(?:(?:tcp|ip|nf)_[a-z0-9_]+|somaxconn)(?:=(?:"[^"]*"|[0-9]+(?:-[0-9]+)?))?`)

// firstName finds a name at the start of a sentence, whose first letter is not made large: that of a metric, a key or a setting (close
// server:fin).
var firstName = lazy.Regexp(`^[a-z][a-z0-9]*(?:(?:[._=][A-Za-z0-9_]+)+|(?:-[a-z0-9]+)+:|(?:-[a-z]+)* [a-z]+:[a-z]+)`)

// code marks in a sentence what one types.
func code(s string) template.HTML {
	s = text.Clean(s)
	var b strings.Builder
	at := 0
	all := shellWords().FindAllStringIndex(s, -1)
	if n := len(firstName().FindString(s)); n > 0 && (len(all) == 0 || all[0][0] > 0) {
		b.WriteString(`<span class="as-is">` + html.EscapeString(s[:n]) + "</span>")
		at = n
	}
	for _, m := range all {
		if m[0] < at {
			continue
		}
		b.WriteString(html.EscapeString(s[at:m[0]]) + map[bool]string{true: `<code class="as-is">`, false: "<code>"}[m[0] == 0] + html.EscapeString(s[m[0]:m[1]]) + "</code>")
		at = m[1]
	}
	b.WriteString(html.EscapeString(s[at:]))
	return template.HTML(b.String())
}

// command is one for a shell. Lines break between its words.
func command(s string) template.HTML {
	words := strings.Split(text.Clean(s), " ")
	for i, w := range words {
		words[i] = "<span>" + html.EscapeString(w) + "</span>"
	}
	return template.HTML(strings.Join(words, " "))
}

// mostRows is the most rows of a picture's numbers: an hour of seconds. A browser takes long to show a day of them.
const mostRows = 4000

// thinned says how many rows of a picture's numbers stand for one that is shown.
func thinned(p *document.Picture) int { return (len(p.At) + mostRows - 1) / mostRows }

// data is the table of a picture's numbers, exactly as the record has them. End tags that HTML does without are left out: there may be
// tens of thousands of cells.
func data(p *document.Picture) []byte {
	var b bytes.Buffer
	b.WriteString("<table class=data><thead><tr><th scope=col>" + html.EscapeString(text.Clean(heading(p.X.Name, p.X.Unit))))
	for i := range p.Curves {
		b.WriteString("<th scope=col>" + html.EscapeString(text.Clean(heading(p.Curves[i].Name, p.Curves[i].Unit))))
	}
	b.WriteString("<tbody>")
	n, step := len(p.At), thinned(p)
	if len(p.Names) > 0 {
		n, step = len(p.Names), 1
	}
	for k := range n {
		if (k+1)%step != 0 && k != n-1 {
			continue
		}
		if len(p.Names) > 0 {
			b.WriteString("<tr><th scope=row>" + html.EscapeString(text.Clean(p.Names[k])))
		} else {
			b.WriteString("<tr><td>" + text.Exact(p.At[k]))
		}
		for i := range p.Curves {
			b.WriteString("<td>" + text.Exact(p.Curves[i].Points[k]))
		}
	}
	b.WriteString("</table>")
	return b.Bytes()
}

// heading names a column of numbers with its unit.
func heading(name string, unit document.Unit) string {
	switch unit {
	case document.Seconds:
		return name + " (s)"
	case document.Microseconds:
		return name + " (µs)"
	case document.Octets:
		return name + " (bytes)"
	case document.PerSecond:
		return name + " (1/s)"
	case document.Relative, document.Part:
		return name + " (share)"
	}
	return name
}
