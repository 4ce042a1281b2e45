package csv

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"lastack/report/document"
	"lastack/report/text"
)

// grid is a table under construction: columns are added as they are needed.
type grid struct {
	// document is the name of the document that rows are from, empty if there is one only.
	document string
	heads    []string
	at       map[string]int
	rows     [][]string
}

func newGrid() *grid { return &grid{at: make(map[string]int)} }

func (g *grid) column(head string) int {
	i, ok := g.at[head]
	if !ok {
		i = len(g.heads)
		g.at[head] = i
		g.heads = append(g.heads, head)
	}
	return i
}

// row begins a row.
func (g *grid) row() {
	g.rows = append(g.rows, nil)
	if g.document != "" {
		g.put("record", words(g.document))
	}
}

func (g *grid) put(head, cell string) {
	i := g.column(head)
	r := &g.rows[len(g.rows)-1]
	for len(*r) <= i {
		*r = append(*r, "")
	}
	(*r)[i] = cell
}

// chart has a row for each point of time. start is its time 0, if that is known, and if the chart has no other one.
func (g *grid) chart(c *document.Chart, start time.Time) {
	times := []string{"t_s"}
	if c.Step > 0 {
		times = []string{"from_s", "to_s"}
	}
	dated := !start.IsZero() && c.Zero == ""
	if dated {
		times = append(times, "time")
	}
	if c.Each != "" {
		times = append([]string{key(c.Each)}, times...)
	}
	for _, head := range times {
		g.column(head)
	}
	heads := make([]string, len(c.Series))
	for i, t := range c.Times {
		g.rowOf(c)
		if c.Step <= 0 {
			g.put("t_s", text.Exact(t))
		} else {
			g.put("from_s", text.Exact(t))
			g.put("to_s", text.Exact(math.Round((t+c.Step)*1e9)/1e9)) // 0.1 + 0.2 is not 0.3
		}
		if dated && math.Abs(t) < 1e9 {
			g.put("time", start.Add(time.Duration(t*float64(time.Second))).UTC().Format("2006-01-02T15:04:05.000Z"))
		}
		if i < len(c.Phases) {
			g.put("phase", words(c.Phases[i]))
		}
		for j := range c.Series {
			if i == 0 {
				heads[j] = seriesHead(&c.Series[j])
			}
			if points := c.Series[j].Points; i < len(points) {
				g.put(heads[j], text.Exact(points[i]))
			}
		}
	}
}

// rowOf begins a row of a chart.
func (g *grid) rowOf(c *document.Chart) {
	g.row()
	if c.Each != "" {
		g.put(key(c.Each), strconv.Itoa(c.Number))
	}
}

// events has a row for each event.
func (g *grid) events(c *document.Chart) {
	for _, e := range c.Events {
		g.rowOf(c)
		g.put("t_s", text.Exact(e.At))
		g.put("event", words(e.What))
	}
}

// seriesHead is the name of a series with its unit.
func seriesHead(s *document.Series) string {
	name := strings.TrimSpace(s.Side + " " + s.Name)
	switch s.Kind {
	case document.Speed:
		return key(strings.TrimSuffix(name, "/s") + "_per_s")
	case document.Duration:
		return key(name + "_us")
	}
	return key(name)
}

// table has a row for each row. A column of values in several units becomes as many columns.
func (g *grid) table(t *document.Table) {
	nested := slices.ContainsFunc(t.Rows, func(r document.Row) bool { return r.Indent > 0 })
	heads := headsOf(t)
	for i, head := range heads {
		empty := true
		for j := range t.Rows {
			for _, c := range cellsOf(&t.Rows[j], i, head) {
				g.column(c.head)
				empty = false
			}
		}
		if empty && head.name != "" {
			g.column(head.name)
		}
		if i == 0 && nested {
			g.column(under)
		}
	}
	var above []string
	for i := range t.Rows {
		r := &t.Rows[i]
		g.row()
		for len(above) < r.Indent {
			above = append(above, t.Columns[0].Name)
		}
		above = above[:r.Indent]
		if nested {
			g.put(under, words(strings.Join(above, " / ")))
		}
		name := ""
		for j, head := range heads {
			for _, c := range cellsOf(r, j, head) {
				g.put(c.head, c.text)
				if j == 0 {
					name = c.text
				}
			}
			if j < len(r.Cells) {
				if why, ok := r.Cells[j].(document.Absent); ok && why != "" {
					g.put("absent", words(string(why)))
				}
			}
		}
		above = append(above, name)
	}
}

// under is the column that names what a row is a part of.
const under = "under"

// cell is a cell of a spreadsheet, with its column.
type cell struct {
	head, text string
	isText     bool
}

// cellsOf has the cells that a row's value becomes: none without one, two for a range.
func cellsOf(r *document.Row, i int, h head) []cell {
	if i >= len(r.Cells) {
		return nil
	}
	switch v := r.Cells[i].(type) {
	case nil, document.Absent:
		return nil
	case document.Text:
		return []cell{{h.text, words(string(v)), true}}
	case document.Range:
		return []cell{{head: h.of("") + "_min", text: strconv.FormatInt(v.Min, 10)}, {head: h.of("") + "_max", text: strconv.FormatInt(v.Max, 10)}}
	default:
		unit, number := amount(v)
		return []cell{{head: h.of(unit), text: number}}
	}
}

// head is the name of a column: of its numbers, before their unit, and of its texts. Numbers of a column without a name are called by what
// they are; nth tells them from those of another such column.
type head struct{ name, text, nth string }

// of is the name of the column's numbers in a unit.
func (h head) of(unit string) string {
	if h.name != "" {
		return h.name + unit
	}
	name, ok := map[string]string{"": "count", "_us": "time", "_s": "at", "_per_s": "rate", "_bytes": "size"}[unit]
	if !ok { // a share is one without a word before it
		return strings.TrimPrefix(unit, "_") + h.nth
	}
	return name + h.nth + unit
}

func headsOf(t *document.Table) []head {
	heads := make([]head, len(t.Columns))
	taken := make(map[string]int)
	for i, c := range t.Columns {
		h := head{name: key(cmp.Or(c.Key, c.Name))}
		switch {
		case h.name != "":
		case i == 0:
			h.name = "name"
		case c.Words:
			h.name = "note"
		}
		h.text = cmp.Or(h.name, "value")
		uses, mixed := usesOf(t, i, h)
		n := 1
		for _, use := range uses {
			n = max(n, taken[use]+1)
		}
		for _, use := range uses {
			taken[use] = n
		}
		if n > 1 {
			h.nth = "_" + strconv.Itoa(n)
			h.text += h.nth
		}
		if h.name != "" {
			h.name += h.nth
			if mixed {
				h.text += "_text"
			}
		}
		heads[i] = h
	}
	return heads
}

// usesOf lists the names that a column takes, without units if it has one of its own, and reports whether it has both texts and numbers.
func usesOf(t *document.Table, i int, h head) (uses []string, mixed bool) {
	var texts, numbers bool
	if h.name != "" {
		uses = []string{h.name}
	}
	for j := range t.Rows {
		for _, c := range cellsOf(&t.Rows[j], i, h) {
			if c.isText {
				texts = true
			} else {
				numbers = true
			}
			if h.name == "" && !slices.Contains(uses, c.head) {
				uses = append(uses, c.head)
			}
		}
	}
	return uses, texts && numbers
}

// amount is a value as a number, and its unit as a key ends.
func amount(v document.Value) (unit, cell string) {
	switch v := v.(type) {
	case document.Count:
		return "", strconv.FormatInt(int64(v), 10)
	case document.Bytes:
		return "_bytes", strconv.FormatInt(int64(v), 10)
	case document.Rate:
		return "_per_s", text.Exact(float64(v))
	case document.Micros:
		return "_us", text.Exact(float64(v))
	case document.Longer:
		return "_us", text.Exact(float64(v))
	case document.Since:
		return "_s", text.Exact(float64(v))
	case document.Share:
		return "_share", text.Exact(float64(v))
	case document.Change:
		return "_share", text.Exact(float64(v))
	case document.Points:
		return "_points", text.Exact(math.Round(100*float64(v)*1e9) / 1e9)
	case document.Chance:
		return "", text.Exact(float64(v))
	case document.Usage:
		return "_share", text.Exact(float64(v))
	case document.Number:
		return "", text.Exact(float64(v))
	}
	return "", ""
}

// words makes text from elsewhere safe. A spreadsheet takes a cell for a formula by its first character, the full-width forms of some
// included, unless that is all, and an apostrophe before it for "this is text".
func words(s string) string {
	s = text.Clean(s)
	if first := []rune(strings.TrimSpace(s)); len(first) > 1 && strings.ContainsRune("=+-@＝＋－＠", first[0]) {
		return "'" + s
	}
	return s
}

// key makes a name one word, as a record's keys are.
func key(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' {
			return r
		}
		return ' '
	}, text.Clean(s))
	return strings.Join(strings.Fields(s), "_")
}
