package svg

import (
	"bytes"
	"fmt"
	"math"

	"lastack/bench/quantity"
	"lastack/report/document"
	"lastack/report/text"
)

// Sizes of a state machine, in CSS pixels of a narrow screen.
const (
	machineWidth, machineHeight = 400, 610
	stateWidth, stateHeight     = 100, 48
	plainHeight                 = 24 // of a state that takes no time
	machineLine                 = 12
)

// MachineStyle is the style of state machines on a page, whose colours it takes.
const MachineStyle = `.machine{display:block;width:100%;max-width:620px;font:10px var(--sans)}.machine text{fill:var(--ink);paint-order:stroke;stroke:var(--bg);stroke-width:3px;stroke-linejoin:round}.machine .b{fill:var(--panel);stroke:var(--soft)}.machine .b.off{stroke:var(--line)}.machine .b+text,.machine .in{stroke:none}.machine .n{font-weight:600;font-size:10.5px;text-anchor:middle}.machine .n.off{fill:var(--soft);font-weight:400}
.machine path{fill:none;stroke:var(--ink);stroke-width:1.4}.machine path.many{stroke-width:2.8}.machine path.off{stroke:var(--line)}.machine path.c{stroke:var(--h1)}.machine path.s{stroke:var(--h2)}.machine text.c{fill:var(--h1)}.machine text.s{fill:var(--h2)}.machine .odd{fill:var(--bad)}.machine .m{text-anchor:middle}.machine .e{text-anchor:end}.machine polygon{stroke:none;fill:var(--ink)}.machine polygon.off{fill:var(--line)}.machine polygon.c{fill:var(--h1)}.machine polygon.s{fill:var(--h2)}
@media print{.machine{max-width:400px}}`

type point struct{ x, y float64 }

// machineStates are the places of the states, as in figure 5 of RFC 9293. CLOSED has two.
var machineStates = []struct {
	name string
	at   point
}{
	{"CLOSED", point{200, 30}},
	{"LISTEN", point{200, 112}},
	{"SYN_RECV", point{70, 194}},
	{"SYN_SENT", point{330, 194}},
	{"ESTABLISHED", point{200, 290}},
	{"FIN_WAIT_1", point{70, 386}},
	{"CLOSE_WAIT", point{330, 386}},
	{"FIN_WAIT_2", point{70, 478}},
	{"CLOSING", point{200, 478}},
	{"LAST_ACK", point{330, 478}},
	{"TIME_WAIT", point{140, 570}},
	{"CLOSED", point{330, 570}},
}

// machineChanges are the arrows of the figure, and where each has its numbers.
var machineChanges = []struct {
	from, to string
	way      []point
	label    point
	anchor   string // class
}{
	{"CLOSED", "LISTEN", []point{{200, 42}, {200, 100}}, point{204, 74}, ""},
	{"CLOSED", "SYN_SENT", []point{{250, 30}, {330, 30}, {330, 170}}, point{325, 100}, "e"},
	{"LISTEN", "SYN_RECV", []point{{150, 112}, {70, 112}, {70, 170}}, point{76, 140}, ""},
	{"SYN_SENT", "SYN_RECV", []point{{280, 194}, {120, 194}}, point{200, 190}, "m"},
	{"SYN_RECV", "ESTABLISHED", []point{{80, 218}, {165, 266}}, point{110, 250}, "e"},
	{"SYN_SENT", "ESTABLISHED", []point{{320, 218}, {235, 266}}, point{290, 250}, ""},
	{"ESTABLISHED", "FIN_WAIT_1", []point{{165, 314}, {80, 362}}, point{108, 330}, "e"},
	{"ESTABLISHED", "CLOSE_WAIT", []point{{235, 314}, {320, 362}}, point{292, 330}, ""},
	{"FIN_WAIT_1", "FIN_WAIT_2", []point{{60, 410}, {60, 454}}, point{66, 432}, ""},
	{"FIN_WAIT_1", "CLOSING", []point{{112, 410}, {175, 454}}, point{152, 428}, ""},
	{"CLOSE_WAIT", "LAST_ACK", []point{{330, 410}, {330, 454}}, point{336, 432}, ""},
	{"FIN_WAIT_2", "TIME_WAIT", []point{{80, 502}, {120, 546}}, point{92, 528}, "e"},
	{"CLOSING", "TIME_WAIT", []point{{195, 502}, {160, 546}}, point{186, 528}, ""},
	{"LAST_ACK", "CLOSED", []point{{330, 502}, {330, 558}}, point{336, 528}, ""},
	{"TIME_WAIT", "CLOSED", []point{{190, 570}, {280, 570}}, point{235, 564}, "m"},
}

// machineEnds are the letters and classes of client and server.
var machineEnds = [2]string{"c", "s"}

type machineDrawing struct {
	bytes.Buffer
	states map[string]*document.MachineState
	most   int64
}

// Machine draws a state machine for a page, which has MachineStyle.
func Machine(m *document.Machine, title string) []byte {
	d := &machineDrawing{states: make(map[string]*document.MachineState), most: 1}
	for i := range m.States {
		d.states[m.States[i].Name] = &m.States[i]
	}
	drawn, odd := make(map[[2]string]document.MachineChange), make(map[string][]document.MachineChange)
	for _, c := range m.Changes {
		drawn[[2]string{c.From, c.To}] = c
		d.most = max(d.most, c.N[0], c.N[1])
	}
	for i := range machineChanges {
		a := &machineChanges[i]
		d.arrow(a.way, drawn[[2]string{a.from, a.to}].N)
		delete(drawn, [2]string{a.from, a.to})
	}
	for _, c := range m.Changes {
		if _, left := drawn[[2]string{c.From, c.To}]; left {
			odd[c.From] = append(odd[c.From], c)
		}
	}
	for i := range machineStates {
		s := &machineStates[i]
		d.state(s.at, s.name)
	}
	// Numbers stand on everything else.
	for i := range machineChanges {
		a := &machineChanges[i]
		for _, c := range m.Changes {
			if c.From == a.from && c.To == a.to {
				d.numbers(a.label, a.anchor, c.N, "")
			}
		}
	}
	for i := range machineStates {
		s := &machineStates[i]
		y := s.at.y + d.height(s.name)/2 + 11
		for _, c := range odd[s.name] {
			y = d.numbers(point{s.at.x, y}, "m odd", c.N, " to "+c.To)
		}
	}
	var out bytes.Buffer
	id := escaped(m.ID)
	fmt.Fprintf(&out, `<svg class="machine" viewBox="0 0 %d %d" role="img" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		machineWidth, machineHeight, id, id, id, escaped(title), id, escaped(m.Desc))
	fmt.Fprintf(&out, `<text x="4" y="20" class="c">c client</text><text x="4" y="%d" class="s">s server</text>`, 20+machineLine)
	out.Write(d.Bytes())
	out.WriteString("</svg>")
	return out.Bytes()
}

func (d *machineDrawing) height(name string) float64 {
	if name == "CLOSED" || name == "LISTEN" {
		return plainHeight
	}
	return stateHeight
}

func (d *machineDrawing) state(at point, name string) {
	s, h := d.states[name], d.height(name)
	class := ""
	if s == nil && h == stateHeight {
		class = " off"
	}
	fmt.Fprintf(d, `<rect x="%.0f" y="%.0f" width="%d" height="%.0f" rx="6" class="b%s"/>`, at.x-stateWidth/2, at.y-h/2, stateWidth, h, class)
	if h == plainHeight || s == nil {
		fmt.Fprintf(d, `<text x="%.0f" y="%.0f" class="n%s">%s</text>`, at.x, at.y+4, class, escaped(name))
		return
	}
	y := at.y - h/2 + 14
	fmt.Fprintf(d, `<text x="%.0f" y="%.0f" class="n in">%s</text>`, at.x, y, escaped(name))
	for side, end := range machineEnds {
		line := ""
		switch {
		case s.Stayed[side] > s.Left[side]:
			line = quantity.Count(s.Stayed[side]) + " stayed"
		case s.Left[side] > 0:
			line = text.Value(s.Dwell[side])
		default:
			continue
		}
		y += machineLine + 1
		fmt.Fprintf(d, `<text x="%.0f" y="%.0f" class="m in %s">%s %s</text>`, at.x, y, end, end, escaped(line))
	}
}

// machineClass is that of an arrow that connections of one end went, or of both, or of none.
func machineClass(n [2]int64) string {
	switch {
	case n == [2]int64{}:
		return "off"
	case n[1] == 0:
		return machineEnds[0]
	case n[0] == 0:
		return machineEnds[1]
	}
	return "both"
}

// arrow draws a way, thicker if many connections went it.
func (d *machineDrawing) arrow(way []point, n [2]int64) {
	class := machineClass(n)
	line := class
	if 2*max(n[0], n[1]) >= d.most {
		line += " many"
	}
	fmt.Fprintf(d, `<path class="%s" d="M%.0f %.0f`, line, way[0].x, way[0].y)
	end, before := way[len(way)-1], way[len(way)-2]
	dx, dy := end.x-before.x, end.y-before.y
	l := math.Hypot(dx, dy)
	dx, dy = dx/l, dy/l
	for i, p := range way[1:] {
		if i == len(way)-2 { // the line ends in the head
			p = point{p.x - 4*dx, p.y - 4*dy}
		}
		fmt.Fprintf(d, "L%.1f %.1f", p.x, p.y)
	}
	d.WriteString(`"/>`)
	base := point{end.x - 8*dx, end.y - 8*dy}
	fmt.Fprintf(d, `<polygon class="%s" points="%.1f,%.1f %.1f,%.1f %.1f,%.1f"/>`, class, end.x, end.y, base.x-4*dy, base.y+4*dx, base.x+4*dy, base.y-4*dx)
}

// numbers writes how many connections of each end, and returns where the next line begins.
func (d *machineDrawing) numbers(at point, class string, n [2]int64, what string) float64 {
	for side, end := range machineEnds {
		if n[side] > 0 {
			fmt.Fprintf(d, `<text x="%.0f" y="%.0f" class="%s %s">%s %s</text>`, at.x, at.y, class, end, end, escaped(quantity.Count(n[side])+what))
			at.y += machineLine
		}
	}
	return at.y
}
