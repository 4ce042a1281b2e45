package svg

import (
	"html"
	"math"
)

// heatHeight is that of a row of a heat map, heatHead that of the name above its columns.
const heatHeight, heatHead = 30.0, 16.0

// warmths is the number of colours, from w0 for the lowest value to that of the highest.
const warmths = 8

// heat draws a field for each name and curve. Its value stands in it, so that the colour only helps.
func (d *drawing) heat() {
	p := d.p
	least, most := math.Inf(1), math.Inf(-1)
	each := func(f func(row, column int, v float64)) {
		for c := range p.Curves {
			for k := range p.Names {
				v := math.NaN()
				if k < len(p.Curves[c].Points) {
					v = p.Curves[c].Points[k]
				}
				if !math.IsInf(v, 0) {
					f(k, c, v)
				}
			}
		}
	}
	each(func(_, _ int, v float64) {
		if !math.IsNaN(v) {
			least, most = min(least, v), max(most, v)
		}
	})
	s := scale{from: least, to: most, log: p.Y.Log && least > 0}
	const names = 24.0 // the part of the width that the rows' names have
	wide := (100 - names) / float64(len(p.Curves))
	left := func(c int) float64 { return names + wide*float64(c) }
	d.printf(`<text class="bar" x="0" y="%s">%s</text><text class="bar" x="%s%%" y="11">%s</text>`, num(heatHead+heatHeight/2+4), escape(p.X.Name), num(names), escape(p.Y.Name))
	for c := range p.Curves {
		d.printf(`<text class="xl m" x="%s%%" y="%s">%s</text>`, num(left(c)+wide/2), num(heatHead+heatHeight/2+4), escape(p.Curves[c].Name))
	}
	top := func(k int) float64 { return heatHead + heatHeight*float64(k+1) }
	for k, name := range p.Names {
		d.printf(`<text class="bar" x="0" y="%s">%s</text>`, num(top(k)+heatHeight/2+4), escape(name))
	}
	each(func(k, c int, v float64) {
		if math.IsNaN(v) {
			return
		}
		warm := 0
		if at := s.place(v); at > 0 {
			warm = int(math.Round((warmths - 1) * min(1, at)))
		}
		d.printf(`<rect class="heat w%d" x="%s%%" y="%s" width="%s%%" height="%s"/>`, warm, num(left(c)), num(top(k)), num(wide), num(heatHeight-2))
		d.printf(`<text class="xl m infield" x="%s%%" y="%s">%s</text>`, num(left(c)+wide/2), num(top(k)+heatHeight/2+3), html.EscapeString(label(p.Y.Unit, v, most)))
	})
}
