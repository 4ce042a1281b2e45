// Package svg draws pictures of a document as SVG in an HTML page. Each has a title, a description and a role. Places along x are
// percentages and text is not scaled, so that one drawing fits any width: a phone's, a screen's, or a sheet of paper's. Colours, fonts and
// dashes are the page's: a curve has the classes that Class tells. Areas are hatched too, each colour in its own way, so that they differ
// without colours.
//
// Two libraries that draw SVG were tried. go-analyze/charts 0.6.4 has no numeric x axis (its points are categories at equal distances, but
// intervals differ), no logarithmic one, no vertical lines for events, and rounds to whole pixels. gonum/plot 0.17.0 has all that, but places
// text by the widths of fonts that it brings along, writes colours into each element (no dark mode), and brings twelve fonts, PDF and LaTeX: a program that draws one line
// with it is 11 MB. Neither fits a width that it does not know, nor writes titles or roles.
package svg

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strconv"

	"lastack/report/document"
	"lastack/report/text"
)

const (
	// height is that of the area of a picture, in CSS pixels; width is its width in units that are stretched.
	height, width = 190.0, 1000.0
	// hues is the number of colours, dashes that of line styles.
	hues, dashes = 9, 5
	// barHeight is that of a bar with its name above it.
	barHeight = 46.0
)

// drawing is a picture on its way to SVG.
type drawing struct {
	bytes.Buffer
	p    *document.Picture
	x, y scale
	// curves are what is drawn: with rates instead of growth, and not more points than can be seen.
	at     []float64
	curves [][]float64
	// each is the length of a column; quiet is until when there are none after the last, 0 if they are all drawn.
	each, quiet float64
}

// Class is the classes of a curve, which tell its colour and hatching, and its dashes.
func Class(p *document.Picture, i int) string {
	if p.Curves[i].Goal {
		return "goal"
	}
	return fmt.Sprintf("h%d d%d", hue(p, i), i%dashes)
}

func hue(p *document.Picture, i int) int {
	h := p.Curves[i].Hue
	if h <= 0 {
		h = i + 1
	}
	return (h-1)%hues + 1
}

// Draw draws a picture. It is empty if there is nothing to draw.
func Draw(p *document.Picture) []byte {
	d := &drawing{p: p}
	if len(p.Curves) == 0 || len(p.At) == 0 && len(p.Names) == 0 {
		return nil
	}
	d.prepare()
	switch p.Form {
	case document.Bars:
		d.open(barHeight * float64(len(p.Names)))
		d.bars()
	case document.Ranges:
		d.open(rangeHeight*float64(len(p.Names)) + axisHeight)
		d.ranges()
	case document.Heat:
		d.open(heatHeight*float64(len(p.Names)+1) + heatHead)
		d.heat()
	default:
		d.open(height)
		d.plot()
	}
	d.WriteString("</svg>")
	return d.Bytes()
}

func (d *drawing) printf(format string, args ...any) { fmt.Fprintf(&d.Buffer, format, args...) }

func (d *drawing) open(h float64) {
	id := html.EscapeString(d.p.ID)
	d.printf(`<svg role="img" aria-labelledby="%s-t %s-d" width="100%%" height="%s" xmlns="http://www.w3.org/2000/svg"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		id, id, num(h), id, escape(d.p.Title), id, escape(d.p.Desc+d.peaks()))
}

// plot draws what has axes.
func (d *drawing) plot() {
	d.scales()
	yTicks := d.y.ticks(d.p.Y.Unit, 4, true)
	xTicks := d.x.ticks(d.p.X.Unit, 6, false)
	d.WriteString(`<g class="grid">`)
	for _, t := range yTicks {
		y := num(d.down(t.at))
		d.printf(`<line x1="0" x2="100%%" y1="%s" y2="%s"/><text class="yl" x="-8" y="%s" dy=".35em">%s</text>`, y, y, y, html.EscapeString(t.label))
	}
	for _, t := range xTicks {
		x := d.across(t.at)
		anchor := "m"
		if d.x.place(t.at) > 0.97 {
			anchor = "e"
		}
		d.printf(`<line class="xt" x1="%s" x2="%s" y1="%s" y2="%s"/><text class="xl %s" x="%s" y="%s">%s</text>`,
			x, x, num(height), num(height+4), anchor, x, num(height+17), html.EscapeString(t.label))
	}
	d.WriteString("</g>")
	d.phases()
	d.limits()
	d.hatches(12, 6) // the symbol below is about half as wide on most screens

	id := html.EscapeString(d.p.ID)
	d.printf(`<symbol id="%s-s" viewBox="0 0 %s %s" preserveAspectRatio="none">`, id, num(width), num(height))
	switch d.p.Form {
	case document.Areas:
		d.areas()
	case document.Columns:
		d.columns()
	default:
		d.lines()
	}
	d.printf(`</symbol><use href="#%s-s" x="0" y="0" width="100%%" height="%s"/>`, id, num(height))
	d.printf(`<line class="base" x1="0" x2="100%%" y1="%s" y2="%s"/>`, num(height), num(height))

	d.dots()
	d.goalNames()
	d.limitNames()
	d.events()
	if d.p.Form == document.Areas {
		d.names()
	}
}

// scales makes the axes as long as all curves and the limits within reach need.
func (d *drawing) scales() {
	p := d.p
	d.x = scale{from: d.at[0], to: d.at[len(d.at)-1], log: p.X.Log, percentile: p.X.Unit == document.Percentile}
	if p.X.Unit == document.Seconds && d.x.from > 0 && p.Form != document.Columns {
		d.x.from = 0
	}
	if p.Form == document.Columns {
		d.x.to += d.each
		// What came shortly before is shown too.
		first := d.x.from
		for _, e := range p.Events {
			if e.At >= first-(d.x.to-first)/4 {
				d.x.from = min(d.x.from, e.At)
			}
		}
	}
	if d.x.percentile {
		d.x.from = 0
	}
	least, most := d.extent()
	reach := most
	for _, l := range p.Limits {
		if d.isNear(l.At) {
			reach = max(reach, 1.06*l.At)
		}
	}
	d.y = scale{from: 0, to: reach, log: p.Y.Log}
	if p.Y.Log {
		d.y.from = min(least, most)
	}
}

// extent is the least value above 0 that is drawn, and the largest.
func (d *drawing) extent() (least, most float64) {
	least = math.Inf(1)
	for i := range d.at {
		sum := 0.0
		for _, c := range d.curves {
			v := c[i]
			if math.IsNaN(v) {
				continue
			}
			sum += v
			if v > 0 {
				least = min(least, v)
			}
			if d.p.Form == document.Lines {
				most = max(most, v)
			}
		}
		if d.p.Form != document.Lines {
			most = max(most, sum)
		}
	}
	if most <= 0 || math.IsInf(most, 0) {
		most = 1
	}
	return least, most
}

// isNear reports whether a limit is drawn as a line: one further away would press the curves to the ground.
func (d *drawing) isNear(limit float64) bool {
	_, most := d.extent()
	return limit > 0 && limit <= 5*most
}

func (d *drawing) across(x float64) string { return num(100*d.x.place(x)) + "%" }

func (d *drawing) down(y float64) float64 { return height * (1 - d.y.place(y)) }

func (d *drawing) point(x, y float64) (string, string) {
	return num(width * d.x.place(x)), num(d.down(y))
}

// num is a coordinate.
func num(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

func escape(s string) string { return html.EscapeString(text.Clean(s)) }
