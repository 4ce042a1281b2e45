package svg

import (
	"html"
	"math"
	"strconv"

	"lastack/bench/quantity"
	"lastack/report/document"
)

// rangeHeight is that of a range with its name above it; axisHeight is that of the axis below all.
const rangeHeight, axisHeight = 38.0, 22.0

// flat is where a relative change lies on a scale on which half and double are equally far from 0. That of nothing left is far away.
func flat(v float64) float64 { return math.Log1p(max(-1+1e-9, min(v, 1e9))) }

// reach is how far from 0 the ranges' axis goes: beyond what is more than noise, or beyond all if nothing is. What lies farther out is cut.
func reach(p *document.Picture) float64 {
	const beyond, least = 1.6, 0.01
	all, main := 0.0, 0.0
	for k, v := range p.Curves[0].Points {
		if math.IsNaN(v) || k >= len(p.Names) {
			continue
		}
		all = max(all, math.Abs(flat(v)))
		if k < len(p.Remarks) && p.Remarks[k].Main {
			main = max(main, math.Abs(flat(v)))
		}
	}
	if main == 0 {
		main = all
	}
	return max(least, beyond*main)
}

// ranges draws each as a line, with its point.
func (d *drawing) ranges() {
	p, far := d.p, reach(d.p)
	bottom := rangeHeight * float64(len(p.Names))
	place := func(v float64) float64 { return 50 + 50*max(-1, min(1, flat(v)/far)) }
	id := html.EscapeString(p.ID)
	d.printf(`<defs><path id="%s-l" d="M6 -4L0 0L6 4"/><path id="%s-r" d="M-6 -4L0 0L-6 4"/></defs><g class="grid">`, id, id)
	for _, v := range changes(far) {
		at := place(v)
		anchor := "m"
		switch {
		case at > 94:
			anchor = "e"
		case at < 6:
			anchor = "s"
		}
		class := ""
		if v == 0 {
			class = ` class="zero"`
		}
		d.printf(`<line%s x1="%s%%" x2="%s%%" y1="0" y2="%s"/><text class="xl %s" x="%s%%" y="%s">%s</text>`,
			class, num(at), num(at), num(bottom), anchor, num(at), num(bottom+15), html.EscapeString(change(v)))
	}
	d.WriteString("</g>")
	point := func(curve, k int) float64 {
		if curve >= len(p.Curves) || k >= len(p.Curves[curve].Points) {
			return math.NaN()
		}
		return p.Curves[curve].Points[k]
	}
	for k, name := range p.Names {
		var m document.Remark
		if k < len(p.Remarks) {
			m = p.Remarks[k]
		}
		class := map[document.Tone]string{document.Good: " good", document.Bad: " bad"}[m.Tone]
		if m.Main {
			class += " main"
		}
		top := rangeHeight * float64(k)
		y := top + 24
		d.printf(`<text class="bar" x="0" y="%s">%s</text><text class="barsum e%s" x="100%%" y="%s">%s</text>`, num(top+13), escape(name), class, num(top+13), escape(m.Words))
		v, lo, hi := point(0, k), point(1, k), point(2, k)
		if from, to := open(lo, -1), open(hi, 1); !math.IsNaN(lo) || !math.IsNaN(hi) {
			d.printf(`<line class="range%s" x1="%s%%" x2="%s%%" y1="%s" y2="%s"/>`, class, num(place(from)), num(place(to)), num(y), num(y))
			d.end(class, from, -1, far, y)
			d.end(class, to, 1, far, y)
		}
		switch {
		case math.IsNaN(v):
		case math.Abs(flat(v)) <= far:
			d.printf(`<circle class="spot%s" r="4" cx="%s%%" cy="%s"/>`, class, num(place(v)), num(y))
		case math.IsNaN(lo) && math.IsNaN(hi):
			d.end(class, v, math.Copysign(1, v), far, y)
		}
	}
}

// open is an end of a range, which without a bound is beyond any.
func open(v, side float64) float64 {
	if math.IsNaN(v) {
		return side * math.Inf(1)
	}
	return v
}

// end draws a range's end: an arrow if it lies farther out than the axis.
func (d *drawing) end(class string, v, side, far, y float64) {
	at := num(50 + 50*max(-1, min(1, flat(v)/far)))
	switch {
	case side*flat(v) < -far: // the other end's arrow stands there
		return
	case side*flat(v) <= far:
		d.printf(`<line class="tip%s" x1="%s%%" x2="%s%%" y1="%s" y2="%s"/>`, class, at, at, num(y-4), num(y+4))
		return
	}
	d.printf(`<use class="tip%s" href="#%s-%s" x="%s%%" y="%s"/>`, class, html.EscapeString(d.p.ID), map[float64]string{-1: "l", 1: "r"}[side], at, num(y))
}

// changes are the ticks of an axis that goes so far to both sides.
func changes(far float64) []float64 {
	var up []float64
	if far < 0.5 {
		step := round125(math.Expm1(far) / 2.5)
		for v := step; math.Log1p(v) <= far; v += step {
			up = append(up, v)
		}
	} else {
		factor := 2.0
		for _, factor = range []float64{2, 4, 10, 100, 1e3, 1e5} {
			if far < 3*math.Log(factor) {
				break
			}
		}
		for v := factor; math.Log(v) <= far; v *= factor {
			up = append(up, v-1)
		}
	}
	out := []float64{0}
	for _, v := range up {
		down := -v
		if far >= 0.5 {
			down = 1/(1+v) - 1
		}
		if -math.Log1p(down) <= far {
			out = append([]float64{down}, out...)
		}
		out = append(out, v)
	}
	return out
}

// change prints a tick.
func change(v float64) string {
	percent := math.Round(v*1e8) / 1e6
	switch {
	case percent == 0:
		return "0"
	case percent >= 1000:
		return "+" + quantity.Count(int64(percent)) + " %"
	case percent > 0:
		return "+" + strconv.FormatFloat(percent, 'f', -1, 64) + " %"
	}
	return strconv.FormatFloat(percent, 'f', -1, 64) + " %"
}
