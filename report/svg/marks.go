package svg

import (
	"fmt"
	"html"

	"lastack/bench/quantity"
	"lastack/report/document"
)

// limits draws those that are near. A legend has the others.
func (d *drawing) limits() {
	for _, l := range d.p.Limits {
		if d.isNear(l.At) {
			y := num(d.down(l.At))
			d.printf(`<line class="limit" x1="0" x2="100%%" y1="%s" y2="%s"/>`, y, y)
		}
	}
}

// limitNames stand at the lines of limits.
func (d *drawing) limitNames() {
	for _, l := range d.p.Limits {
		if d.isNear(l.At) {
			y := d.down(l.At) - 5
			if y < 10 {
				y += 18
			}
			d.printf(`<text class="mark e" x="100%%" dx="-4" y="%s">%s %s</text>`, num(y), escape(l.Name), html.EscapeString(amount(d.p.Y.Unit, l.At)))
		}
	}
}

// goalNames stand above goals, at their last point that is not low, as a goal may end at 0, and on that side of it that has more room.
func (d *drawing) goalNames() {
	for i, c := range d.p.Curves {
		most := 0.0
		for _, v := range d.curves[i] {
			if d.drawn(v) {
				most = max(most, v)
			}
		}
		for k := len(d.at) - 1; c.Goal && k >= 0; k-- {
			if v := d.curves[i][k]; d.drawn(v) && v*2 >= most {
				y := d.down(v) - 6
				if y < 10 {
					y += 22
				}
				side, off := "e", "-4"
				if d.x.place(d.at[k]) < 0.5 {
					side, off = "s", "4"
				}
				d.printf(`<text class="mark %s" x="%s" dx="%s" y="%s">%s</text>`, side, d.across(d.at[k]), off, num(y), escape(c.Name))
				break
			}
		}
	}
}

// LimitWords says how large a limit is, and whether it is too far above the curves to be drawn.
func LimitWords(p *document.Picture, l document.Limit) string {
	d := &drawing{p: p}
	d.prepare()
	words := amount(p.Y.Unit, l.At)
	if !d.isNear(l.At) {
		words += ", far above"
	}
	return words
}

// amount prints a value of an axis.
func amount(unit document.Unit, v float64) string {
	switch unit {
	case document.PerSecond:
		return quantity.PerSecond(v) + "/s"
	case document.Microseconds:
		return quantity.Micros(v)
	case document.Octets:
		return quantity.Bytes(int64(min(v, 1e18)))
	}
	return quantity.Count(int64(min(v, 1e18)))
}

// events marks them by their numbers. Those that lie too close to each other share a mark.
func (d *drawing) events() {
	for i := 0; i < len(d.p.Events); {
		at := d.p.Events[i].At
		place := d.x.place(at)
		n := i + 1
		if place < 0 || place > 1 {
			i = n
			continue
		}
		for n < len(d.p.Events) && d.x.place(d.p.Events[n].At)-place < 0.07 {
			n++
		}
		for _, e := range d.p.Events[i:n] {
			x := d.across(e.At)
			d.printf(`<line class="event" x1="%s" x2="%s" y1="0" y2="%s"/>`, x, x, num(height))
		}
		name := fmt.Sprint(i + 1)
		if n > i+1 {
			name = fmt.Sprintf("%d–%d", i+1, n)
		}
		anchor := "m"
		if place < 0.05 {
			anchor = "s"
		}
		d.printf(`<text class="eventno %s" x="%s" y="-4">%s</text>`, anchor, d.across(at), name)
		i = n
	}
}

// mostPhases is the most phases that are drawn. A run has four; a damaged record may have thousands.
const mostPhases = 10

// phases names those that last long enough to be seen. A name that has no room to the right of its line ends at the edge.
func (d *drawing) phases() {
	for i, ph := range d.p.Phases[:min(len(d.p.Phases), mostPhases)] {
		from, to := d.x.place(ph.At), 1.0
		if i+1 < len(d.p.Phases) {
			to = d.x.place(d.p.Phases[i+1].At)
		}
		if from <= 0 || from > 0.99 {
			continue
		}
		x := d.across(ph.At)
		d.printf(`<line class="phase" x1="%s" x2="%s" y1="0" y2="%s"/>`, x, x, num(height))
		switch {
		case to < 1 && to-from < 0.1:
		case from < 0.9:
			d.printf(`<text class="phasename" x="%s" dx="4" y="-4">%s</text>`, x, escape(ph.Name))
		default:
			d.printf(`<text class="phasename e" x="100%%" y="-4">%s</text>`, escape(ph.Name))
		}
	}
}

// names stand in areas that have room for them, where they are highest.
func (d *drawing) names() {
	const beside, least = 0.15, 17.0 // half a name's width on paper, and its height
	tops := d.tops()
	high := func(i, k int) float64 { return d.down(tops[i][k]) - d.down(tops[i+1][k]) }
	for i := range d.curves {
		best, most := -1, least
		for k, t := range d.at {
			place := d.x.place(t)
			if place < d.x.place(d.at[0])+beside || place > 1-beside {
				continue
			}
			h := high(i, k)
			for j := k - 1; j >= 0 && d.x.place(d.at[j]) > place-beside; j-- {
				h = min(h, high(i, j))
			}
			for j := k + 1; j < len(d.at) && d.x.place(d.at[j]) < place+beside; j++ {
				h = min(h, high(i, j))
			}
			if h > most {
				best, most = k, h
			}
		}
		if best >= 0 {
			y := (d.down(tops[i][best]) + d.down(tops[i+1][best])) / 2
			d.printf(`<text class="name" x="%s" y="%s" dy=".35em">%s</text>`, d.across(d.at[best]), num(y), escape(d.p.Curves[i].Name))
		}
	}
}

// bars draws each as parts of its whole.
func (d *drawing) bars() {
	tops := d.tops()
	d.hatches(6, 6)
	for k, name := range d.p.Names {
		sum := tops[len(d.curves)][k]
		top := barHeight * float64(k)
		d.printf(`<text class="bar" x="0" y="%s">%s</text>`, num(top+13), escape(name))
		d.printf(`<text class="barsum e" x="100%%" y="%s">%s</text>`, num(top+13), html.EscapeString(total(d.p.Y.Unit, sum)))
		at := 0.0
		for i := range d.curves {
			v := tops[i+1][k] - tops[i][k]
			if sum <= 0 || v == 0 {
				continue
			}
			share := 100 * v / sum
			d.printf(`<rect class="part %s"%s x="%s%%" y="%s" width="%s%%" height="20"/>`, Class(d.p, i), d.fill(i), num(at), num(top+19), num(share))
			if words := quantity.Usage(v, sum); share > 12 {
				// What is hatched is plain behind words.
				wide := 7.2*float64(len(words)) + 6
				d.printf(`<rect class="behind %s" x="%s%%" y="%s" width="%s" height="16" rx="3" transform="translate(-%s)"/>`,
					Class(d.p, i), num(at+share/2), num(top+21), num(wide), num(wide/2))
				d.printf(`<text class="inbar %s" x="%s%%" y="%s">%s</text>`, Class(d.p, i), num(at+share/2), num(top+33), html.EscapeString(words))
			}
			at += share
		}
	}
}

func total(unit document.Unit, v float64) string {
	if unit == document.Seconds {
		return quantity.Seconds(v)
	}
	return amount(unit, v)
}
