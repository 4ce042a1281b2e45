package svg

import (
	"bytes"
	"fmt"
	"html"
	"strings"

	"lastack/report/document"
	"lastack/report/text"
)

// Places of a ladder, in CSS pixels: the lines of life, the width of a box, and the height of a line of text.
const (
	ladderWidth = 960
	lifeLeft    = 206
	lifeRight   = 786
	boxWidth    = 116
	// clockRight is where times end.
	clockRight = 66
	middle     = (lifeLeft + lifeRight) / 2
	lineHeight = 17
	// sentence is the most characters of a line between both ends.
	sentenceWidth = 70
)

// LadderStyle is the style of ladders, in light, in dark and on paper, without variables, which not all that draw SVG know. A page may have it once; a
// file by itself has it in it.
const LadderStyle = `.ladder{font:14px system-ui,sans-serif;max-width:960px}.ladder .soft{font-size:12.5px}.ladder .time{font-size:12px;text-anchor:end}.ladder .name{font-weight:700;text-anchor:middle}.ladder .mid,.ladder .flags{text-anchor:middle}.ladder .flags{font-weight:600}.ladder .life{stroke-width:2}.ladder .arrow{stroke-width:2.5;fill:none}.ladder .part{stroke-dasharray:5 4}
.ladder .paper{fill:#fff}.ladder text{fill:#1b1f24}.ladder .soft,.ladder .time{fill:#57606a}.ladder .box{fill:#eef2f6;stroke:#8c959f}.ladder .wait{fill:#fff1c2}.ladder .life{stroke:#8c959f}.ladder .arrow{stroke:#0b63b0}.ladder .head{fill:#0b63b0}.ladder .bad{stroke:#b4232a}.ladder .badhead{fill:#b4232a}
@media (prefers-color-scheme:dark){.ladder .paper{fill:#0d1117}.ladder text{fill:#e6edf3}.ladder .soft,.ladder .time{fill:#9aa4af}.ladder .box{fill:#21262d;stroke:#6e7681}.ladder .wait{fill:#4d3a00}.ladder .life{stroke:#6e7681}.ladder .arrow{stroke:#79b8ff}.ladder .head{fill:#79b8ff}.ladder .bad{stroke:#ff7b72}.ladder .badhead{fill:#ff7b72}}
@media screen{.scroll>.ladder{min-width:800px}}
@media print{.ladder .paper{fill:#fff}.ladder text{fill:#000}.ladder .soft,.ladder .time{fill:#333}.ladder .box{fill:#eee;stroke:#777}.ladder .wait{fill:#ddd}.ladder .life{stroke:#777}.ladder .arrow{stroke:#036}.ladder .head{fill:#036}.ladder .bad{stroke:#900}.ladder .badhead{fill:#900}}`

// ladderDrawing is a ladder on its way to SVG.
type ladderDrawing struct {
	bytes.Buffer
	y float64
}

// Ladders draws ladders, below each other, as a file by itself.
func Ladders(title string, all []*document.Ladder, titles []string) []byte {
	d := &ladderDrawing{}
	var descs []string
	for i, l := range all {
		if i < len(titles) {
			d.y += 30
			d.text(middle, d.y, "name", titles[i])
		}
		d.ladder(l)
		d.y += 20
		descs = append(descs, l.Desc)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" class="ladder" viewBox="0 0 %d %.0f" width="%d" height="%.0f" role="img" aria-labelledby="t d"><title id="t">%s</title><desc id="d">%s</desc><style>%s</style><rect width="100%%" height="100%%" class="paper"/>`,
		ladderWidth, d.y, ladderWidth, d.y, escaped(title), escaped(strings.Join(descs, ". ")), LadderStyle)
	out.Write(d.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}

// Ladder draws one for a page, which has LadderStyle.
func Ladder(l *document.Ladder, title string) []byte {
	d := &ladderDrawing{}
	d.ladder(l)
	var out bytes.Buffer
	id := escaped(l.ID)
	fmt.Fprintf(&out, `<svg class="ladder" viewBox="0 0 %d %.0f" role="img" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		ladderWidth, d.y, id, id, id, escaped(title), id, escaped(l.Desc))
	out.Write(d.Bytes())
	out.WriteString("</svg>")
	return out.Bytes()
}

func escaped(s string) string { return html.EscapeString(text.Clean(s)) }

func (d *ladderDrawing) text(x, y float64, class, s string) {
	fmt.Fprintf(d, `<text x="%.0f" y="%.0f" class="%s">%s</text>`, x, y, class, escaped(s))
}

// state draws the box of a state, and how long it lasts.
func (d *ladderDrawing) state(side int, y float64, s *document.State) {
	x := [...]float64{lifeLeft, lifeRight}[side]
	class := "box"
	if s.Name == "TIME_WAIT" {
		class += " wait"
	}
	fmt.Fprintf(d, `<rect x="%.0f" y="%.0f" width="%d" height="22" rx="5" class="%s"/>`, x-boxWidth/2, y-11, boxWidth, class)
	d.text(x, y+5, "name", s.Name)
	dwell := ""
	switch {
	case s.Lasts && s.Left > 0:
		dwell = text.Value(document.Micros(s.Left*1e6)) + " left"
	case !s.Lasts && s.Dwell >= 0:
		dwell = text.Value(document.Micros(s.Dwell * 1e6))
	}
	if dwell != "" {
		outside := [...]float64{lifeLeft - boxWidth/2 - 6, lifeRight + boxWidth/2 + 6}[side]
		class := [...]string{"time", "soft"}[side]
		d.text(outside, y+5, class, dwell)
	}
}

func (d *ladderDrawing) ladder(l *document.Ladder) {
	d.y += 26
	top := d.y
	for i, x := range []float64{lifeLeft, lifeRight} {
		d.text(x, d.y, "name", l.Ends[i].Name)
		d.text(x, d.y+16, "soft mid", l.Ends[i].Address)
	}
	d.y += 44
	d.text(clockRight, d.y+5, "time", text.ClockUnit)
	at := d.Len()
	for i := range l.Ends {
		if l.Ends[i].First.Name != "" {
			d.state(i, d.y, &l.Ends[i].First)
		}
	}
	d.y += 40
	for i := range l.Rungs {
		d.rung(&l.Rungs[i])
	}
	bottom := d.y - 4
	for _, e := range l.Ends {
		if e.Last != "" {
			d.y += lineHeight
			d.text(middle, d.y, "soft mid", e.Last)
		}
	}
	// The lines of life stand behind everything else.
	rest := bytes.Clone(d.Bytes()[at:])
	d.Truncate(at)
	for _, x := range []float64{lifeLeft, lifeRight} {
		fmt.Fprintf(d, `<path d="M%.0f %.0fV%.0f" class="life"/>`, x, top+22, bottom)
	}
	d.Write(rest)
	d.y += 8
}

func (d *ladderDrawing) rung(r *document.Rung) {
	y := d.y
	d.text(clockRight, y+5, "time", text.Clock(r.At))
	if r.Arrow != nil {
		d.arrow(y, r)
	}
	for side, s := range r.States {
		if s != nil {
			d.state(side, y, s)
		}
	}
	d.y += 22
	if r.Arrow != nil && r.Arrow.Options != "" {
		d.text(middle, d.y, "soft mid", r.Arrow.Options)
		d.y += lineHeight
	}
	for _, line := range text.Sourced(r.Text, r.Source, sentenceWidth) {
		d.text(middle, d.y, "soft mid", line)
		d.y += lineHeight
	}
	d.y += 18
}

// arrow draws a packet.
func (d *ladderDrawing) arrow(y float64, r *document.Rung) {
	a := r.Arrow
	left, right := float64(lifeLeft+2), float64(lifeRight-2)
	if r.States[0] != nil {
		left += boxWidth / 2
	}
	if r.States[1] != nil {
		right -= boxWidth / 2
	}
	from, to := left, right
	class, head := "arrow", "head"
	if a.Tone == document.Bad {
		class, head = "arrow bad", "badhead"
	}
	end, length := to, to-from
	switch {
	case a.Lost:
		end = from + length*0.72
	case a.Leaves:
		class += " part"
		end = from + length*0.6
	case a.Arrives:
		class += " part"
		from += length * 0.4
	}
	place := func(x float64) float64 {
		if a.Right {
			return x
		}
		return left + right - x
	}
	fmt.Fprintf(d, `<path d="M%.0f %.0fH%.0f" class="%s"/>`, place(from), y, place(end), class)
	x, back := place(end), -9.0
	if !a.Right {
		back = 9
	}
	switch {
	case a.Lost:
		fmt.Fprintf(d, `<path d="M%.0f %.0fl12 12m0 -12l-12 12" class="%s"/>`, x-6, y-6, class)
	case !a.Leaves:
		fmt.Fprintf(d, `<path d="M%.0f %.0fl%.0f -5v10z" class="%s"/>`, x, y, back, head)
	}
	d.text(middle, y-7, "flags", a.Flags+" "+a.Numbers)
}
