package svg

import (
	"math"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/report/document"
)

const (
	// mostPoints is the most points that are drawn of a curve: about one for two pixels.
	mostPoints = 300
	// fewPoints is the most that are marked.
	fewPoints = 40
)

// prepare makes rates of growth, and merges points that are too many to be seen. Of those merged the largest is drawn: peaks must not vanish.
func (d *drawing) prepare() {
	p := d.p
	d.at = clamped(p.At, 1e12)
	for i, t := range d.at {
		if math.IsNaN(t) {
			d.at[i] = 0 // a damaged record's
		}
	}
	for _, c := range p.Curves {
		points := clamped(c.Points, 1e18)
		if c.Unit == document.Things && p.Y.Unit == document.PerSecond {
			points = clamped(rates(d.at, points), 1e18)
		}
		d.curves = append(d.curves, points)
	}
	if p.Form == document.Columns {
		d.window()
		return
	}
	if len(p.At) <= mostPoints {
		return
	}
	d.at = merge(d.at, func(_, b float64) float64 { return b })
	for i, c := range d.curves {
		d.curves[i] = merge(c, larger)
	}
}

// clamped bounds values, so that no sum or power of them overflows.
func clamped(values []float64, most float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = min(max(v, -most), most)
	}
	return out
}

// Peak says how large a curve gets: its peak over time, up to what its percentiles go. Of bars it is the one that is alone or all others
// together; empty if there is none, or if bars are apart.
func Peak(p *document.Picture, i int) string {
	if p.Form == document.Bars {
		if p.Apart && len(p.Names) > 1 {
			return ""
		}
		most, sum := 0.0, 0.0
		for _, v := range clamped(p.Curves[i].Points, 1e18) {
			if v > 0 {
				most, sum = max(most, v), sum+v
			}
		}
		if rest := sum - most; rest > 0 && math.Abs(rest-most) > 1e-6*most {
			return ""
		}
		return total(p.Y.Unit, most) + map[bool]string{true: " in all"}[p.Y.Unit == document.Things]
	}
	d := &drawing{p: p}
	d.prepare()
	_, words := d.peak(i)
	switch {
	case words == "":
		return ""
	case p.X.Unit == document.Percentile, p.Curves[i].Goal:
		return "up to " + words
	case p.Form == document.Columns:
		return "at most " + words + " a column"
	}
	return "peak " + words
}

// peak is the place of a curve's largest value, and that value.
func (d *drawing) peak(i int) (at float64, words string) {
	most := math.Inf(-1)
	for k, v := range d.curves[i] {
		if d.drawn(v) && v > most {
			at, most = d.at[k], v
		}
	}
	if math.IsInf(most, -1) {
		return 0, ""
	}
	return at, amount(d.p.Y.Unit, most)
}

// peaks says how large each curve gets, for whoever does not see it.
func (d *drawing) peaks() string {
	if len(d.p.Names) > 0 {
		return ""
	}
	var parts []string
	for i := range d.p.Curves {
		at, words := d.peak(i)
		if words == "" {
			continue
		}
		words = d.p.Curves[i].Name + " is at most " + words
		if d.p.X.Unit == document.Seconds {
			words += ", at " + strings.TrimPrefix(quantity.Since(at), "+")
		}
		parts = append(parts, words)
	}
	if len(parts) == 0 {
		return ""
	}
	return " " + strings.Join(parts, "; ") + "."
}

// rates divides the growth of each interval by its length.
func rates(at, growth []float64) []float64 {
	out := make([]float64, len(growth))
	before := 0.0
	for i, t := range at {
		out[i] = growth[i] / (t - before)
		if !(t > before) {
			out[i] = math.NaN()
		}
		before = t
	}
	return out
}

func merge(values []float64, of func(a, b float64) float64) []float64 {
	out := make([]float64, mostPoints)
	for i := range out {
		lo, hi := i*len(values)/mostPoints, (i+1)*len(values)/mostPoints
		out[i] = values[lo]
		for _, v := range values[lo+1 : hi] {
			out[i] = of(out[i], v)
		}
	}
	return out
}

// larger is the larger of two points; a gap is less than any.
func larger(a, b float64) float64 {
	if math.IsNaN(a) || b > a {
		return b
	}
	return a
}

// drawn reports whether a point is.
func (d *drawing) drawn(v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (v > 0 || !d.p.Y.Log)
}

// stepped reports whether the points of a picture over time are of whole intervals, and few enough to be drawn so.
func (d *drawing) stepped() bool {
	return d.p.X.Unit == document.Seconds && (d.p.Y.Unit == document.PerSecond || d.p.Y.Unit == document.Microseconds) && len(d.at) <= fewPoints
}

// pen writes a path of straight lines. Each point but the first is relative to the one before, which takes fewer bytes.
type pen struct {
	*drawing
	down bool
	// x and y are where the pen is, in tenths.
	x, y int
}

func tenths(v float64) int { return int(math.Round(v * 10)) }

// to draws a line to a point, or goes there if the pen is up.
func (p *pen) to(x, y float64) {
	px, py := tenths(width*p.drawing.x.place(x)), tenths(p.drawing.down(y))
	if !p.down {
		p.printf("M%s %sl", tenth(px), tenth(py))
	} else {
		dx, dy := tenth(px-p.x), tenth(py-p.y)
		if dx[0] != '-' {
			dx = " " + dx
		}
		if dy[0] != '-' {
			dy = " " + dy
		}
		p.WriteString(dx + dy)
	}
	p.down, p.x, p.y = true, px, py
}

// tenth prints a number of tenths, without a zero before the point.
func tenth(n int) string {
	s := num(float64(n) / 10)
	if rest, ok := strings.CutPrefix(s, "0."); ok {
		return "." + rest
	}
	if rest, ok := strings.CutPrefix(s, "-0."); ok {
		return "-." + rest
	}
	return s
}

func (d *drawing) lines() {
	order := make([]int, len(d.curves))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { // goals lie below
		switch ga, gb := d.p.Curves[a].Goal, d.p.Curves[b].Goal; {
		case ga == gb:
			return 0
		case ga:
			return -1
		}
		return 1
	})
	for _, i := range order {
		c := d.curves[i]
		d.printf(`<path class="line %s" d="`, Class(d.p, i))
		p := pen{drawing: d}
		for k, v := range c {
			if !d.drawn(v) {
				p.down = false
				continue
			}
			if d.stepped() || len(d.at) == 1 {
				from := d.x.from
				if k > 0 {
					from = d.at[k-1]
				}
				p.to(from, v)
			}
			p.to(d.at[k], v)
		}
		d.WriteString(`"/>`)
	}
}

// tops are the sums of the curves up to each, from the ground up.
func (d *drawing) tops() [][]float64 {
	out := make([][]float64, len(d.curves)+1)
	out[0] = make([]float64, max(len(d.at), len(d.p.Names)))
	for i, c := range d.curves {
		out[i+1] = make([]float64, len(out[0]))
		for k, v := range c {
			if !d.drawn(v) || v < 0 {
				v = 0
			}
			out[i+1][k] = out[i][k] + v
		}
	}
	return out
}

// fewSamples is the most points of areas that are drawn as steps: what was between so few is not known, and slopes would tell of it.
const fewSamples = 12

// fewAreas reports whether areas are drawn as steps.
func (d *drawing) fewAreas() bool {
	return d.p.Form == document.Areas && len(d.at) <= fewSamples
}

// areas draws each from the ground up, the highest first, so that the others cover it.
func (d *drawing) areas() {
	tops := d.tops()
	dense := ""
	if len(d.at) > 2*fewPoints {
		dense = " dense" // borders would hide what is thin
	}
	for i := len(d.curves) - 1; i >= 0; i-- {
		d.printf(`<path class="area%s %s"%s d="`, dense, Class(d.p, i), d.fill(i))
		p := pen{drawing: d}
		from, to := d.at[0], d.at[len(d.at)-1]
		if len(d.at) == 1 {
			from = d.x.from
		}
		p.to(from, 0)
		p.to(from, tops[i+1][0])
		for k, t := range d.at {
			if k > 0 && d.fewAreas() {
				half := (d.at[k-1] + t) / 2
				p.to(half, tops[i+1][k-1])
				p.to(half, tops[i+1][k])
			}
			p.to(t, tops[i+1][k])
		}
		p.to(to, 0)
		d.WriteString(`z"/>`)
	}
}

// dots mark the points where they are few.
func (d *drawing) dots() {
	if d.p.Form != document.Lines || len(d.at) > fewPoints || d.stepped() || d.x.percentile {
		return
	}
	for i, c := range d.curves {
		for k, v := range c {
			if d.drawn(v) {
				d.printf(`<circle class="dot %s" r="2.5" cx="%s" cy="%s"/>`, Class(d.p, i), d.across(d.at[k]), num(d.down(v)))
			}
		}
	}
}
