package report

import (
	"fmt"
	"math"

	"lastack/bench/record"
	"lastack/report/document"
)

// planPictures draws the use of all limits over the rate, and then each need beside its limit.
func planPictures(c *record.Capacity) *section {
	return pictures(append([]*document.Picture{usePicture(c)}, needPictures(c)...)...)
}

// shownLimits is the most limits with a picture.
const shownLimits = 8

// overRates begins a picture over the rates, with the asked ones marked.
func overRates(c *record.Capacity, id, title, desc string, unit document.Unit) *document.Picture {
	p := &document.Picture{ID: id, Title: title, Desc: desc, Form: document.Lines, At: c.Curve.Rates}
	p.X, p.Y = document.Axis{Unit: document.PerSecond, Name: "connections", Log: true}, document.Axis{Unit: unit, Log: true}
	p.Events = append(p.Events, document.Event{At: c.Asked.RateTo, What: "asked for", Main: true})
	if p.Desc += " 1 is the rate asked for."; c.Asked.RateFrom != c.Asked.RateTo {
		p.Events = append([]document.Event{{At: c.Asked.RateFrom, What: "asked for, from"}}, p.Events...)
		p.Desc = desc + " 1 and 2 are the lowest and the highest rate asked for."
	}
	return p
}

// drawn reports whether a limit has a curve that can be drawn on a logarithmic axis.
func drawn(c *record.Capacity, i int) bool {
	l, at := &c.Limits[i], c.Curve.Needs
	return i < len(at) && at[i] != nil && len(at[i]) == len(c.Curve.Rates) && l.Max > 0 && (i == 0 || l.Use >= noticeable/10)
}

func usePicture(c *record.Capacity) *document.Picture {
	p := overRates(c, "p-use", "Use of each limit", "What share of each limit a load needs at most, in percent, over the rate of new connections.", document.Things)
	p.Limits = append(p.Limits, document.Limit{Name: "the limit", At: 100})
	for i := range c.Limits {
		if !drawn(c, i) || len(p.Curves) == shownLimits {
			continue
		}
		l := &c.Limits[i]
		p.Curves = append(p.Curves, document.Curve{Name: "% of " + sided(l.Side, record.CapacityWords(l.Name)), Points: positive(c.Curve.Needs[i], 100/l.Max)})
	}
	return p
}

func needPictures(c *record.Capacity) (all []*document.Picture) {
	for i := range c.Limits {
		if !drawn(c, i) || len(all) == shownLimits {
			continue
		}
		l := &c.Limits[i]
		unit := document.Things
		if l.Unit == "bytes" {
			unit = document.Octets
		}
		p := overRates(c, fmt.Sprintf("p-need-%d", i), sided(l.Side, needName(l.Need)), "The upper end of what the load needs, over the rate of new connections, and the limit: "+record.CapacityWords(l.Name)+".", unit)
		p.Limits = append(p.Limits, document.Limit{Name: "limit", At: l.Max})
		p.Curves = append(p.Curves, document.Curve{Name: needName(l.Need), Unit: unit, Points: positive(c.Curve.Needs[i], 1)})
		all = append(all, p)
	}
	return all
}

// positive scales points, and leaves a gap where there is nothing.
func positive(points []float64, by float64) []float64 {
	out := make([]float64, len(points))
	for i, v := range points {
		if out[i] = finite(v * by); out[i] <= 0 {
			out[i] = math.NaN()
		}
	}
	return out
}
