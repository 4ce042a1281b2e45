package report

import (
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// fateRow is one line of a table whose columns are the groups of clients.
type fateRow struct {
	name string
	of   func(*record.DrainGroup) int64
	show fateShown
}

// fateShown says where a fate is shown: in the whole report, or on the first page too.
type fateShown uint8

const (
	ifAny       fateShown = iota // in the whole report, if it is not 0 for all
	always                       // in the whole report
	first                        // there always; on the first page if it is not 0 for all
	firstIfAny                   // both if it is not 0 for all, and then it is bad news
	firstAlways                  // both
)

// groups lists the columns: each group, and all together where there is more than one.
func (d *drainView) groups() []record.DrainGroup {
	all := record.DrainGroup{Name: "all", Connections: d.try.Connections, Requests: d.try.Requests, Refused: d.try.Listener.Refused}
	all.ConnectsUnanswered = d.try.Listener.Unanswered()
	for _, g := range d.try.Groups {
		all.OpenAtStop += g.OpenAtStop
		if at := g.FirstEndS; at != nil && (all.FirstEndS == nil || *at < *all.FirstEndS) {
			all.FirstEndS = at
		}
		if at := g.LastEndS; at != nil && (all.LastEndS == nil || *at > *all.LastEndS) {
			all.LastEndS = at
		}
	}
	if len(d.try.Groups) == 1 {
		return d.try.Groups
	}
	// A drain has five. If there are more, only the first fit the page.
	return append(append([]record.DrainGroup{}, d.try.Groups[:min(len(d.try.Groups), 8)]...), all)
}

// fates shows the fate of each request and each connection from the stop on.
func (d *drainView) fates() *document.Section {
	s := &document.Section{ID: "fates", Title: "FATES", Level: document.First, Lead: "how each request and each connection ended, from the stop on"}
	groups := d.groups()
	t := table(document.First, "requests")
	for i := range groups {
		t.Columns = append(t.Columns, document.Column{Name: groups[i].Name, Level: document.First})
	}
	add := func(rows []fateRow) {
		for _, r := range rows {
			line, some := row(document.Detail, "  "+r.name), false
			for i := range groups {
				n := r.of(&groups[i])
				some = some || n != 0
				line.Cells = append(line.Cells, count(n))
			}
			line.Level = levelIf(r.show == first && some || r.show == firstAlways)
			if r.show == firstIfAny && some {
				line.Level, line.Tone = document.First, document.Bad
			}
			if some || r.show == always || r.show == firstAlways || r.show == first {
				t.Rows = append(t.Rows, line)
			}
		}
	}
	add(d.requestRows())
	t.Rows = append(t.Rows, row(document.First, "connections"))
	add(d.connectionRows())
	t.Rows = append(t.Rows, d.endRows(groups)...)
	s.Blocks = append(s.Blocks, t)
	if n := d.try.Connections.Opened - d.try.Connections.Sum(); n != 0 {
		s.Blocks = append(s.Blocks, doubt(quantity.Count(n)+" connections have no fate, or one too many"))
	}
	if n := d.try.Requests.Sent - d.try.Requests.Sum(); n != 0 {
		s.Blocks = append(s.Blocks, doubt(quantity.Count(n)+" requests have no fate, or one too many"))
	}
	s.Blocks = append(s.Blocks, note(document.Detail, d.lastGone())...)
	s.Blocks = append(s.Blocks, note(document.Detail, requestTimes(&d.try.Requests))...)
	s.Blocks = append(s.Blocks, d.explain()...)
	return s
}

// connectionRows say how each connection ended that was open when the stop began, or opened after it.
func (d *drainView) connectionRows() []fateRow {
	conns := func(f func(*record.DrainConnections) int64) func(*record.DrainGroup) int64 {
		return func(g *record.DrainGroup) int64 { return f(&g.Connections) }
	}
	left := always
	if d.try.Connections.Left() > 0 {
		left = first
	}
	return []fateRow{
		{"open when the stop began", func(g *record.DrainGroup) int64 { return g.OpenAtStop }, firstAlways},
		{"opened after it", func(g *record.DrainGroup) int64 { return max(0, g.Connections.Opened-g.OpenAtStop) }, always},
		{"ended by the server", conns(func(c *record.DrainConnections) int64 { return c.FIN + c.RST + c.Cut }), always},
		{"  by FIN, no whole request pending", conns(func(c *record.DrainConnections) int64 { return c.FIN }), first},
		{"  by RST, no whole request pending", conns(func(c *record.DrainConnections) int64 { return c.RST }), first},
		{"  in a request", conns(func(c *record.DrainConnections) int64 { return c.Cut }), first},
		{"closed by the client, answered", conns(func(c *record.DrainConnections) int64 { return c.Done }), ifAny},
		{"open when the watch ended", conns(func(c *record.DrainConnections) int64 { return c.Never }), left},
		{"  opened after the stop began", conns(func(c *record.DrainConnections) int64 { return c.Kept }), ifAny},
		{"ended otherwise (timeout, error)", conns(func(c *record.DrainConnections) int64 { return c.Other }), ifAny},
		{"connects refused", func(g *record.DrainGroup) int64 { return g.Refused }, firstIfAny},
		{"connects without an answer", func(g *record.DrainGroup) int64 { return g.ConnectsUnanswered }, firstIfAny},
	}
}

// endRows say when the server ended those that were open when the stop began.
func (d *drainView) endRows(groups []record.DrainGroup) []document.Row {
	from, to, some := row(document.Detail, "  first ended by the server"), row(document.Detail, "  last ended by the server"), false
	at := func(s *float64) document.Value {
		if s == nil {
			return document.Absent("the server ended none")
		}
		some = true
		return document.Since(*s)
	}
	for i := range groups {
		from.Cells, to.Cells = append(from.Cells, at(groups[i].FirstEndS)), append(to.Cells, at(groups[i].LastEndS))
	}
	if !some {
		return nil
	}
	return []document.Row{from, to}
}

// requestRows say what became of each request that was under way when the stop began, or sent after it.
func (d *drainView) requestRows() []fateRow {
	reqs := func(f func(*record.DrainRequests) int64) func(*record.DrainGroup) int64 {
		return func(g *record.DrainGroup) int64 { return f(&g.Requests) }
	}
	return []fateRow{
		{"sent", reqs(func(r *record.DrainRequests) int64 { return r.Sent }), firstAlways},
		{"  in progress when the stop began", reqs(func(r *record.DrainRequests) int64 { return r.UnderWay }), always},
		{"answered", reqs(func(r *record.DrainRequests) int64 { return r.Completed }), firstAlways},
		{"answered with Connection: close", reqs(func(r *record.DrainRequests) int64 { return r.CompletedClose }), first},
		{"answered with a 5xx", reqs(func(r *record.DrainRequests) int64 { return r.Answered5xx }), first},
		{"of all replies, 4xx", reqs(func(r *record.DrainRequests) int64 { return r.HTTP["4xx"] }), ifAny},
		{"of all replies, 3xx", reqs(func(r *record.DrainRequests) int64 { return r.HTTP["3xx"] }), ifAny},
		{"LOST", reqs((*record.DrainRequests).Lost), firstAlways},
		{"  cut by FIN", reqs(func(r *record.DrainRequests) int64 { return r.CutFIN }), first},
		{"  cut by RST", reqs(func(r *record.DrainRequests) int64 { return r.CutRST }), first},
		{"  no reply in time", reqs(func(r *record.DrainRequests) int64 { return r.TimedOut }), first},
		{"  the reply was not valid", reqs(func(r *record.DrainRequests) int64 { return r.Other }), firstIfAny},
		{"    its status was not valid", reqs(func(r *record.DrainRequests) int64 { return r.HTTP["invalid"] }), ifAny},
		{"  of these, safe to retry", reqs(func(r *record.DrainRequests) int64 { return r.Safe }), ifAny},
		{"  of these, unsafe to retry", reqs(func(r *record.DrainRequests) int64 { return r.Unsafe }), firstIfAny},
		{"  of these, arrived after close", reqs(func(r *record.DrainRequests) int64 { return r.Raced }), ifAny},
		{"  of these, not received whole", reqs(func(r *record.DrainRequests) int64 { return r.Unreceived }), ifAny},
		{"sent in part only, on purpose", reqs(func(r *record.DrainRequests) int64 { return r.Partial }), ifAny},
		{"no reply when the load ended", reqs(func(r *record.DrainRequests) int64 { return r.Open }), firstIfAny},
	}
}

// lastGone says when none was left of the connections that were open when the stop began.
func (d *drainView) lastGone() string {
	const gone = "the last connection that was open when the stop began was gone: "
	open := int64(0)
	for i := range d.try.Groups {
		open += d.try.Groups[i].OpenAtStop
	}
	left := d.try.Connections.Left()
	why, unknown := d.try.WhyUnknown("last_gone_s")
	switch {
	case d.try.LastGoneS != nil:
		return gone + quantity.Since(*d.try.LastGoneS)
	case open == 0 && len(d.try.Groups) > 0:
		return ""
	case left > 0:
		return gone + "not while clients were watched: " + quantity.Count(left) + quantity.Plural(left, " was", " were") + " open still"
	case unknown:
		return gone + "unknown: " + why
	}
	return gone + "not while clients were watched"
}

// requestTimes says how long replies took, and how long there were none.
func requestTimes(r *record.DrainRequests) string {
	var facts []string
	if r.Total > 0 {
		facts = append(facts, number(r.Total, "request", "requests")+" in the whole load")
	}
	if r.SlowestS != nil {
		s := "the slowest reply took " + quantity.Seconds(max(0, *r.SlowestS))
		if n := r.TimedOut + r.Open; n > 0 {
			s += ", and " + number(n, "request", "requests") + " had none"
		}
		facts = append(facts, s)
	}
	if r.GapS != nil {
		s := "longest time without any reply " + quantity.Seconds(max(0, *r.GapS))
		if r.GapOpen {
			s = "no reply for the last " + quantity.Seconds(max(0, *r.GapS)) + " of the watch"
		}
		facts = append(facts, s)
	}
	return strings.Join(facts, ";  ")
}

// explain explains the terms about lost requests, if there are any.
func (d *drainView) explain() []document.Block {
	var out []document.Block
	var lost, after, unreceived int64
	for i := range d.drain.Tries {
		r := &d.drain.Tries[i].Requests
		lost, after, unreceived = max(lost, r.Lost()), max(after, r.Raced), max(unreceived, r.Unreceived)
	}
	if lost > 0 {
		out = append(out, note(document.Detail, "safe to retry: the server's process has certainly not read it whole. Unsafe: it may have, "+
			"so a client that sends it again may pay twice")...)
	}
	if unreceived > 0 {
		out = append(out, note(document.Detail, "not received whole: the server's kernel said so when it reset the connection, or the client had not sent all of it yet")...)
	}
	if after > 0 {
		out = append(out, note(document.Detail, "arrived after close: the server had closed the connection before the request arrived")...)
	}
	return out
}
