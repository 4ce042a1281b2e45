package svg

import (
	"math"

	"lastack/report/document"
)

// Mark is a place along a strip, from 0 to 100, and its name.
type Mark struct {
	At   float64
	Name string
}

// least is the time below which a strip is linear, in seconds. Beyond, each power of ten is as long as the others.
const least = 1e-3

// Strip says where the events of a strip stand along it, and its marks. It is drawn by the page, whose lines of text wrap as they need.
func Strip(p *document.Picture) (events []float64, marks []Mark) {
	from, to := 0.0, least
	for _, e := range p.Events {
		if !math.IsNaN(e.At) {
			from, to = min(from, e.At), max(to, e.At)
		}
	}
	from, to = stretch(max(from, -1e12)), stretch(min(to, 1e12))
	place := func(at float64) float64 {
		if math.IsNaN(at) {
			at = 0
		}
		return math.Round(1000*min(1, max(0, (stretch(at)-from)/(to-from)))) / 10
	}
	for _, e := range p.Events {
		events = append(events, place(e.At))
	}
	add := func(at float64) {
		if s := stretch(at); s < from || s > to {
			return
		}
		m := Mark{place(at), label(document.Microseconds, math.Abs(at)*1e6, 0)}
		switch {
		case at == 0:
			m.Name = "0"
		case at < 0:
			m.Name = "-" + m.Name
		}
		if n := len(marks); n == 0 || m.At-marks[n-1].At >= 9 {
			marks = append(marks, m)
		}
	}
	for d := 4; d >= -3; d-- {
		add(-math.Pow10(d))
	}
	for add(0); len(marks) > 1 && marks[len(marks)-1].Name != "0"; add(0) {
		marks = marks[:len(marks)-1] // 0 has its mark in any case
	}
	for d := -3; d <= 4; d++ {
		add(math.Pow10(d))
	}
	return events, marks
}

func stretch(at float64) float64 {
	return math.Copysign(math.Log10(1+math.Abs(at)/least), at)
}
