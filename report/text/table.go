package text

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"lastack/bench/quantity"
	"lastack/report/document"
)

// indent is the space before each row. The first column has at most nameWidth columns, as a group's or a counter's name may have any
// length, the others cellWidth, which no number needs.
const (
	indent    = 2
	nameWidth = 56
	cellWidth = 40
)

// column is a table's column on its way to the page: numbers are aligned right, their units left.
type column struct {
	head         string
	number, unit int // the widths of both
	// left is set if all cells are text, words if they may be long.
	left, words   bool
	width, cellAt int
}

// table prints a table, with a title in its head if it has one. Columns that do not fit beside the others go below.
func (w *writer) table(t *document.Table, title string) {
	var cols []column
	for i, c := range t.Columns {
		if w.shows(c.Level) {
			cols = append(cols, column{head: Clean(c.Name), words: c.Words, cellAt: i})
		}
	}
	hasWords := len(cols) > 0 && cols[len(cols)-1].words
	// The reason for a row without values goes into the column of words, or below the table.
	var rows, spans []document.Row
	var nest nesting
	for _, r := range t.Rows {
		r.Indent = nest.step(r.Indent, w.shows(r.Level))
		switch {
		case !w.shows(r.Level):
		case !hasWords && len(cols) > 2 && isAbsent(&r):
			spans = append(spans, r)
		default:
			rows = append(rows, r)
		}
	}
	rows, left := cutRows(rows, w.limits.rows)
	switch {
	case len(rows) > 0 && len(cols) > 0:
		w.columns(cols, rows, title)
	case title != "":
		w.raw(title)
	}
	if left > 0 {
		w.hang("  ", fmt.Sprintf("and %d more (-v)", left), nil)
	}
	for _, r := range spans {
		name, _, _ := Parts(r.Cells[0])
		why, _ := r.Cells[1].(document.Absent)
		w.hang("  "+pad(name, 10)+" ", string(why), nil)
	}
}

// isAbsent reports whether a row has nothing but the reason for that.
func isAbsent(r *document.Row) bool {
	if len(r.Cells) != 2 {
		return false
	}
	_, absent := r.Cells[1].(document.Absent)
	return absent
}

func cellOf(r *document.Row, i int) document.Value {
	if i < len(r.Cells) {
		return r.Cells[i]
	}
	return nil
}

// cutRows drops the last rows beyond a limit, but no main ones, and heads without rows. left is how many it dropped.
func cutRows(rows []document.Row, limit int) (shown []document.Row, left int) {
	isHead := func(r *document.Row) bool { return len(r.Cells) == 1 }
	spare := len(rows) - fits(len(rows), limit)
	if spare == 0 {
		return rows, 0
	}
	for i := len(rows) - 1; i >= 0; i-- {
		r := &rows[i]
		switch {
		case isHead(r) && (len(shown) == 0 || isHead(&shown[len(shown)-1])):
		case spare > 0 && !r.Main && !isHead(r):
			spare, left = spare-1, left+1
		default:
			shown = append(shown, *r)
		}
	}
	slices.Reverse(shown)
	return shown, left
}

// nesting tells how far to indent a row: only for the rows above it that are shown.
type nesting []bool

// step is the indentation on the page of a row with that indentation in its table.
func (n *nesting) step(indent int, shown bool) int {
	for len(*n) < indent {
		*n = append(*n, true) // the head of the column
	}
	steps := 0
	for _, above := range (*n)[:indent] {
		if above {
			steps++
		}
	}
	*n = append((*n)[:indent], shown)
	return steps
}

func (w *writer) columns(cols []column, rows []document.Row, title string) {
	for c := range cols {
		col := &cols[c]
		col.left = c > 0
		col.head = cut(col.head, cellWidth)
		for i := range rows {
			v := cellOf(&rows[i], col.cellAt)
			number, unit, isText := Parts(v)
			n := utf8.RuneCountInString(number)
			if c == 0 {
				n += 2 * rows[i].Indent
			}
			if _, words := v.(document.Text); !words && v != nil && !col.words {
				col.left = false
			}
			if isText || unit == "" {
				col.width = max(col.width, n)
				continue
			}
			col.number, col.unit = max(col.number, n), max(col.unit, utf8.RuneCountInString(unit))
		}
		col.width = max(col.width, col.number+col.unit, utf8.RuneCountInString(col.head))
		if c > 0 {
			// Short words before the last column stand in their line, like numbers. Long ones end a part.
			col.words = col.words && (c == len(cols)-1 || col.width > cellWidth) || col.left && col.width > w.width-indent-2
			col.width = min(col.width, cellWidth)
		}
	}
	widest := 0
	for _, c := range cols[1:] {
		if !c.words {
			widest = max(widest, c.width)
		}
	}
	// A column fits beside the names, of which a long one gets a line of its own.
	cols[0].width = min(max(cols[0].width, 9), nameWidth, w.width*6/10, max(w.width-indent-2-widest, 0))
	w.narrow(cols, rows)
	// Print as many columns as fit, then the others below. Words take what is left of a line.
	for from := 1; ; {
		used, to := indent+cols[0].width, from
		for to < len(cols) && !cols[to].words && (to == from || used+2+cols[to].width <= w.width) {
			used += 2 + cols[to].width
			to++
		}
		words := -1
		if to < len(cols) && cols[to].words {
			words, to = to, to+1
		}
		w.part(cols, rows, from, to, words, used, title)
		title = ""
		if to >= len(cols) {
			return
		}
		from = to
	}
}

// narrow takes what a table is too wide by from its first column, if only a few names, which then get lines of their own, are longer.
func (w *writer) narrow(cols []column, rows []document.Row) {
	const least, few = 20, 10 // columns; a tenth of the names
	width := indent + cols[0].width
	for _, c := range cols[1:] {
		if !c.words {
			width += 2 + c.width
		}
	}
	rest, long := cols[0].width-(width-w.width), 0
	if width <= w.width || rest < least {
		return
	}
	for i := range rows {
		name, _, _ := Parts(cellOf(&rows[i], cols[0].cellAt))
		if utf8.RuneCountInString(name)+2*rows[i].Indent > rest {
			long++
		}
	}
	if long*few <= len(rows) {
		cols[0].width = rest
	}
}

// cell lays out a cell of the column, or its head.
func (c *column) cell(number, unit string) string {
	switch {
	case c.words:
		return number
	case c.left:
		number = pad(number, c.width)
	case unit != "":
		unit = pad(unit, c.unit)
	}
	return cut(padLeft(number+unit, c.width), c.width)
}

// part prints the columns from from to to, and the column words in what used columns leave of a line.
func (w *writer) part(cols []column, rows []document.Row, from, to, words, used int, title string) {
	head := strings.Repeat(" ", indent) + pad(cols[0].head, cols[0].width)
	if title != "" {
		head = pad(title, indent+cols[0].width)
	}
	some := cols[0].head+title != ""
	for c := from; c < to; c++ {
		some = some || cols[c].head != ""
		head += "  " + cols[c].cell(cols[c].head, "")
	}
	if some {
		w.raw(cut(head, w.width))
	}
	for i := range rows {
		r := &rows[i]
		name, _, _ := Parts(cellOf(r, cols[0].cellAt))
		name = strings.Repeat("  ", r.Indent) + name
		if utf8.RuneCountInString(name) > cols[0].width {
			// Names matter: a long one gets a line of its own.
			w.hang(strings.Repeat(" ", indent), name, nil)
			name = ""
		}
		line, note, why := strings.Repeat(" ", indent)+w.tint(r.Tone, pad(name, cols[0].width)), "", ""
		for c := from; c < to; c++ {
			v := cellOf(r, cols[c].cellAt)
			if absent, ok := v.(document.Absent); ok {
				why = Clean(string(absent))
			}
			number, unit, _ := Parts(v)
			if c == words {
				note = number
			} else {
				line += "  " + cols[c].cell(number, unit)
			}
		}
		if words < 0 {
			w.raw(line)
		} else {
			w.note(line, used, cmp.Or(note, why))
		}
	}
}

// note puts a note behind a line of used columns, or below it if there is too little room.
func (w *writer) note(line string, used int, note string) {
	room := w.width - used - 2
	switch {
	case note == "":
		w.raw(line)
	case room < 24 && utf8.RuneCountInString(note) > room:
		w.raw(line)
		w.hang(strings.Repeat(" ", indent+4), note, nil)
	default:
		for i, l := range wrap(note, room) {
			if i > 0 {
				line = strings.Repeat(" ", used)
			}
			w.raw(line + "  " + l)
		}
	}
}

// amount prints a point of a series.
func amount(kind document.SeriesKind, v float64) string {
	switch kind {
	case document.Speed:
		return quantity.PerSecond(v) + "/s"
	case document.Duration:
		return quantity.Micros(v)
	}
	return quantity.Count(int64(min(v, 1e18)))
}
