package text

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"lastack/report/document"
)

// strokes are what a ladder is drawn with.
type strokes struct{ life, line, right, left, lost, more string }

var (
	boxes = strokes{"│", "─", "▶", "◀", "✗", "╌"}
	plain = strokes{"|", "-", ">", "<", "X", "."}
)

// Columns of a ladder: times, and the states of each end.
const (
	timeColumn  = 9
	stateColumn = 12
	// leastLadder is the least width of a drawing, leastBeside that of one with its sentences between both ends.
	leastLadder, leastBeside = 56, 80
)

// Clock prints the time of a step, in seconds, as milliseconds with microseconds: however late it is, what follows at once has a time of its
// own, which three digits would not show.
func Clock(s float64) string {
	if s >= 100 {
		return strconv.FormatFloat(s*1e3, 'f', 1, 64)
	}
	return strconv.FormatFloat(s*1e3, 'f', 3, 64)
}

// ClockUnit is that of Clock.
const ClockUnit = "ms"

// ladder draws a ladder, or lists its steps where there is no room.
func (w *writer) ladder(l *document.Ladder) {
	if l.Title != "" {
		w.hang("", l.Title, nil)
	}
	if w.width < leastLadder {
		w.ladderList(l)
		return
	}
	d := &drawing{writer: w, strokes: plain}
	if w.o.Box {
		d.strokes = boxes
	}
	d.arrow = w.width - timeColumn - 2*stateColumn - 6
	d.heads(l)
	for i := range l.Rungs {
		d.rung(&l.Rungs[i])
	}
	d.lasts(l)
}

// drawing is a ladder under construction. arrow is the width between both lines of life.
type drawing struct {
	*writer
	strokes
	arrow int
}

// row prints a line: a time, what stands left, between and right.
func (d *drawing) row(at, left, between, right string, bars bool) {
	life := " "
	if bars {
		life = d.life
	}
	d.raw(padLeft(at, timeColumn) + "  " + d.state(pad(cut(left, stateColumn), stateColumn)) + " " + life + between + life + " " + d.state(cut(right, stateColumn)))
}

// state paints the name of a state.
func (d *drawing) state(s string) string {
	name := strings.TrimSpace(s)
	switch {
	case !d.o.Colour || name == "" || strings.ToUpper(name) != name || strings.ContainsAny(name, " ."):
		return s
	case name == "TIME_WAIT":
		return "\x1b[1;33m" + s + "\x1b[0m"
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

func (d *drawing) heads(l *document.Ladder) {
	gap := strings.Repeat(" ", d.arrow+4)
	a, b := l.Ends[0], l.Ends[1]
	d.raw(pad("", timeColumn+2) + pad(Line(a.Name, stateColumn), stateColumn) + gap + Line(b.Name, stateColumn))
	if a.Address != "" {
		room := (d.arrow + 2*stateColumn + 4) / 2
		left, right := Line(a.Address, room), Line(b.Address, room)
		d.raw(pad("", timeColumn+2) + pad(left, d.arrow+2*stateColumn+4-utf8.RuneCountInString(right)) + right)
	}
	empty := strings.Repeat(" ", d.arrow)
	d.row(ClockUnit, a.First.Name, empty, b.First.Name, true)
}

// dwell says how long a state lasted.
func dwell(s *document.State) string {
	switch {
	case s == nil || s.Dwell < 0:
		return ""
	case s.Lasts && s.Left > 0:
		return Value(document.Micros(s.Left*1e6)) + " left"
	case s.Lasts:
		return ""
	}
	return Value(document.Micros(s.Dwell * 1e6))
}

func name2(s *document.State) string {
	if s == nil {
		return ""
	}
	return s.Name
}

func (d *drawing) rung(r *document.Rung) {
	between := strings.Repeat(" ", d.arrow)
	var lines []string
	if r.Arrow != nil {
		whole := false
		if between, whole = d.packet(r.Arrow); !whole {
			lines = wrap(Clean(r.Arrow.Numbers), d.arrow-2)
		}
	}
	d.row(Clock(r.At), name2(r.States[0]), between, name2(r.States[1]), true)
	if r.Arrow != nil && r.Arrow.Options != "" {
		lines = append(lines, wrap(Clean(r.Arrow.Options), d.arrow-2)...)
	}
	beside := d.width >= leastBeside
	said := len(lines)
	if beside {
		lines = append(lines, Sourced(r.Text, r.Source, d.arrow-2)...)
	}
	left, right := dwell(r.States[0]), dwell(r.States[1])
	for i := 0; i < len(lines) || i == 0 && left+right != ""; i++ {
		line := ""
		if i < len(lines) {
			line = lines[i]
		}
		shown := pad(" "+line, d.arrow)
		if i >= said {
			shown = d.dim(shown)
		}
		d.row("", left, shown, right, true)
		left, right = "", ""
	}
	if !beside {
		margin := strings.Repeat(" ", timeColumn+2)
		for _, line := range Sourced(r.Text, r.Source, d.width-len(margin)) {
			d.hang(margin, line, d.dim)
		}
	}
	d.row("", "", strings.Repeat(" ", d.arrow), "", true)
}

// dim paints a sentence.
func (w *writer) dim(s string) string {
	if !w.o.Colour || strings.TrimSpace(s) == "" {
		return s
	}
	return "\x1b[2m" + s + "\x1b[0m"
}

// packet is an arrow with its label. whole reports whether there was room for the packet's numbers.
func (d *drawing) packet(a *document.Arrow) (_ string, whole bool) {
	label := " " + a.Flags + " " + a.Numbers + " "
	if whole = utf8.RuneCountInString(label) <= d.arrow-8; !whole {
		label = " " + a.Flags + " "
	}
	label = cut(label, d.arrow-4)
	n := utf8.RuneCountInString(label)
	rest := d.arrow - n - 1 // of the head
	if a.Lost {
		rest = max(d.arrow*3/4-n, 4)
	}
	before := min(4, rest)
	after := rest - before
	if !a.Right {
		before, after = after, before
	}
	first, second := strings.Repeat(d.line, before), strings.Repeat(d.line, after)
	if far, near := &second, &first; a.Leaves || a.Arrives {
		if !a.Right {
			far, near = near, far
		}
		if a.Leaves {
			*far = strings.ReplaceAll(*far, d.line, d.more)
		} else {
			*near = strings.ReplaceAll(*near, d.line, d.more)
		}
	}
	var out string
	switch {
	case a.Lost && a.Right:
		out = pad(first+label+second+d.lost, d.arrow)
	case a.Lost:
		out = padLeft(d.lost+first+label+second, d.arrow)
	case a.Right && a.Leaves:
		out = first + label + second + d.more
	case a.Right:
		out = first + label + second + d.right
	case a.Leaves:
		out = d.more + first + label + second
	default:
		out = d.left + first + label + second
	}
	return d.tint(a.Tone, out), whole
}

// lasts says how it ended.
func (d *drawing) lasts(l *document.Ladder) {
	for _, e := range l.Ends {
		if e.Last != "" {
			d.hang(strings.Repeat(" ", timeColumn+2), e.Last, nil)
		}
	}
}

// ladderList lists the steps of a ladder.
func (w *writer) ladderList(l *document.Ladder) {
	w.hang("", "The terminal is too narrow for a drawing, so this is a list.", nil)
	for _, e := range l.Ends {
		w.hang("", e.Name+": "+e.First.Name, nil)
	}
	for i := range l.Rungs {
		r := &l.Rungs[i]
		head := Clock(r.At) + " " + ClockUnit
		if a := r.Arrow; a != nil {
			from, to := l.Ends[0].Name, l.Ends[1].Name
			if !a.Right {
				from, to = to, from
			}
			head += " " + from + " > " + to + ": " + a.Flags + " " + a.Numbers
			if a.Lost {
				head += " (lost)"
			}
		}
		w.hang("", head, nil)
		for side, s := range r.States {
			if s != nil {
				w.hang("  ", l.Ends[side].Name+": "+s.Name+" "+dwell(s), nil)
			}
		}
		w.hang("  ", r.Text, w.dim)
	}
	for _, e := range l.Ends {
		if e.Last != "" {
			w.hang("", e.Last, nil)
		}
	}
}
