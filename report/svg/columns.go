package svg

import (
	"fmt"

	"lastack/report/document"
)

const (
	// mostColumns is the most that can be told apart; fewColumns is the least that a picture is wide.
	mostColumns, fewColumns = 60, 5
)

// window leaves out the time after the last column that is not empty, if it is long, and adds up neighbours if there are too many.
func (d *drawing) window() {
	n := len(d.at)
	d.each = 1
	if n > 1 {
		d.each = (d.at[n-1] - d.at[0]) / float64(n-1)
	}
	last := 0
	for _, c := range d.curves {
		for k, v := range c {
			if v > 0 {
				last = max(last, k)
			}
		}
	}
	if keep := max(last+2, fewColumns); keep*4 < n*3 {
		d.quiet = d.at[n-1] + d.each
		n = keep
	}
	by := 1
	for (n+by-1)/by > mostColumns {
		by = nextStep(by)
	}
	d.at = sums(d.at[:n], by, func(group []float64) float64 { return group[0] })
	d.each *= float64(by)
	for i := range d.curves {
		d.curves[i] = sums(d.curves[i][:n], by, func(group []float64) (sum float64) {
			for _, v := range group {
				if v > 0 {
					sum += v
				}
			}
			return sum
		})
	}
}

// nextStep follows 1, 2, 5, 10 and so on.
func nextStep(by int) int {
	for p := 1; ; p *= 10 {
		switch {
		case by < p:
			return p
		case by < 2*p:
			return 2 * p
		case by < 5*p:
			return 5 * p
		}
	}
}

func sums(values []float64, by int, of func([]float64) float64) []float64 {
	var out []float64
	for len(values) > 0 {
		n := min(by, len(values))
		out = append(out, of(values[:n]))
		values = values[n:]
	}
	return out
}

// Columns says how long the columns of a picture are, and until when there are no more, or of how few samples steps are. It is empty for
// what is drawn otherwise.
func Columns(p *document.Picture) string {
	if len(p.Curves) == 0 || len(p.At) == 0 {
		return ""
	}
	d := &drawing{p: p}
	d.prepare()
	switch {
	case d.fewAreas() && len(d.at) == 1:
		return "There is one sample."
	case d.fewAreas():
		return fmt.Sprintf("There are %d samples, each drawn until halfway to the next.", len(d.at))
	case p.Form != document.Columns:
		return ""
	}
	words := "A column is " + label(document.Seconds, d.each, d.each) + "."
	if d.quiet > 0 {
		words += " None follow until " + label(document.Seconds, d.quiet, d.quiet) + "."
	}
	return words
}

func (d *drawing) columns() {
	tops := d.tops()
	for i := range d.curves {
		d.printf(`<path class="column %s"%s d="`, Class(d.p, i), d.fill(i))
		for k, t := range d.at {
			if tops[i+1][k] <= tops[i][k] {
				continue
			}
			x0, y0 := d.point(t+0.08*d.each, tops[i][k])
			x1, y1 := d.point(t+0.92*d.each, tops[i+1][k])
			d.printf("M%s %sV%sH%sV%sZ", x0, y0, y1, x1, y0)
		}
		d.WriteString(`"/>`)
	}
}
