package report

import (
	"lastack/bench/record"
	"lastack/report/document"
)

// pictures draws what clients saw around the stop.
func (d *drainView) pictures() *section {
	if d.try == nil {
		return pictures(percentiles(d.latency()))
	}
	requests := d.around("p-requests", "Requests around the stop", "Requests by when they ended, on top of each other; the numbers are those of the events above.")
	d.slice(requests, "answered", 3, func(s *record.DrainSlice) int64 { return s.Completed })
	d.slice(requests, "answered 5xx", 6, func(s *record.DrainSlice) int64 { return s.Answered5xx })
	d.slice(requests, "lost", 2, func(s *record.DrainSlice) int64 { return s.Lost })
	connects := d.around("p-connects", "New connections around the stop", "Connects by when they were accepted or refused, on top of each other.")
	d.slice(connects, "accepted", 1, func(s *record.DrainSlice) int64 { return s.Accepted })
	d.slice(connects, "refused", 2, func(s *record.DrainSlice) int64 { return s.Refused })
	ends := d.around("p-ends", "Connections ended by the server", "Connections that the server ended, by when and how it did, on top of each other.")
	d.slice(ends, "by FIN", 5, func(s *record.DrainSlice) int64 { return s.FIN })
	d.slice(ends, "by RST", 2, func(s *record.DrainSlice) int64 { return s.RST })
	return pictures(d.strip(), requests, connects, ends, d.requestFates(), d.connectionFates(), percentiles(d.latency()))
}

// around begins a picture of the time around the stop.
func (d *drainView) around(id, title, desc string) *document.Picture {
	p := &document.Picture{ID: id, Title: title, Desc: desc, Form: document.Columns}
	p.X, p.Y = document.Axis{Unit: document.Seconds, Name: "from the stop"}, document.Axis{Unit: document.Things}
	for i := range d.try.Slices {
		p.At = append(p.At, finite(d.try.Slices[i].TS))
	}
	p.Events = d.events()
	return p
}

// strip shows what happened when.
func (d *drainView) strip() *document.Picture {
	return &document.Picture{
		ID: "p-events", Title: "What happened when", Form: document.Strip, X: document.Axis{Unit: document.Seconds}, Events: d.events(),
		Desc: "Time from the stop on, on a logarithmic scale.",
	}
}

// slice adds a count, unless it is 0 throughout.
func (d *drainView) slice(p *document.Picture, name string, hue int, count func(*record.DrainSlice) int64) {
	c, some := document.Curve{Name: name, Hue: hue}, false
	for i := range d.try.Slices {
		n := count(&d.try.Slices[i])
		c.Points = append(c.Points, float64(n))
		some = some || n > 0
	}
	if some {
		p.Curves = append(p.Curves, c)
	}
}

// fate is a part of a bar.
type fate struct {
	name string
	hue  int
	of   func(*record.DrainGroup) int64
}

// bars makes a picture with a bar for each group that has any.
func (d *drainView) bars(id, title, desc string, fates ...fate) *document.Picture {
	p := &document.Picture{ID: id, Title: title, Desc: desc, Form: document.Bars, X: document.Axis{Name: "group"}}
	p.Curves = make([]document.Curve, len(fates))
	sums := make([]int64, len(fates))
	for _, g := range d.groups() {
		counts, all := make([]int64, len(fates)), int64(0)
		for i := range fates {
			counts[i] = max(0, fates[i].of(&g))
			all += counts[i]
		}
		if all == 0 {
			continue
		}
		p.Names = append(p.Names, g.Name)
		for i, n := range counts {
			p.Curves[i].Points = append(p.Curves[i].Points, float64(n))
			sums[i] += n
		}
	}
	kept := p.Curves[:0]
	for i, c := range p.Curves {
		if sums[i] > 0 {
			c.Name, c.Hue = fates[i].name, fates[i].hue
			kept = append(kept, c)
		}
	}
	p.Curves = kept
	return p
}

func (d *drainView) requestFates() *document.Picture {
	of := func(f func(*record.DrainRequests) int64) func(*record.DrainGroup) int64 {
		return func(g *record.DrainGroup) int64 { return f(&g.Requests) }
	}
	return d.bars("p-request-fates", "Fates of requests", "How each request ended that was in progress when the stop began, or sent after it, by group.",
		fate{"answered", 3, of(func(r *record.DrainRequests) int64 { return r.Completed })},
		fate{"answered with Connection: close", 5, of(func(r *record.DrainRequests) int64 { return r.CompletedClose })},
		fate{"answered 5xx", 6, of(func(r *record.DrainRequests) int64 { return r.Answered5xx })},
		fate{"lost", 2, of((*record.DrainRequests).Lost)},
		fate{"sent in part only, on purpose", 7, of(func(r *record.DrainRequests) int64 { return r.Partial })},
		fate{"no reply when the load ended", 4, of(func(r *record.DrainRequests) int64 { return r.Open })})
}

func (d *drainView) connectionFates() *document.Picture {
	of := func(f func(*record.DrainConnections) int64) func(*record.DrainGroup) int64 {
		return func(g *record.DrainGroup) int64 { return f(&g.Connections) }
	}
	return d.bars("p-connection-fates", "Fates of connections", "How each connection ended that was open when the stop began, or opened after it, by group.",
		fate{"closed by the client, answered", 3, of(func(c *record.DrainConnections) int64 { return c.Done })},
		fate{"ended by FIN, no whole request pending", 5, of(func(c *record.DrainConnections) int64 { return c.FIN })},
		fate{"ended by RST, no whole request pending", 6, of(func(c *record.DrainConnections) int64 { return c.RST })},
		fate{"ended in a request", 2, of(func(c *record.DrainConnections) int64 { return c.Cut })},
		fate{"open when the watch ended", 1, of(func(c *record.DrainConnections) int64 { return c.Never })},
		fate{"ended otherwise", 7, of(func(c *record.DrainConnections) int64 { return c.Other })})
}
